# SPDX-License-Identifier: MIT
"""Requests made of an OpenAPI description, and the judgement of their answers.

A request of an operation is mostly one that the description allows, and now and then one that it
does not: a value of another kind, a member too many, a body that is no JSON. Whatever the request
is, its answer must be one that the description has. Chance is a seed, which failures name.

Answers are judged more strictly than the description reads: an object may have no member that its
schema does not name, so that nothing stays undescribed.
"""

import json
from typing import NamedTuple
from urllib.parse import quote, urlencode

import jsonschema

METHODS = ("get", "put", "post", "delete", "patch")
JUNK = (None, True, -1, 0, 2**63, 1.5, "", "junk", "ü", "a" * 300, [], [1], {}, {"a": 1})
JUNK_TEXTS = ("", "junk", "-1", "0", "9223372036854775808", "%00", "ü", "a" * 300, "1,2", "true ")
BROKEN_BODIES = (b"", b"{", b"[]", b"null", b'{"a":1,"a":2}', b"\xff", b"{}x", b'{"\\u0000":1}')
TIMES = ("2020-02-29T12:00:00Z", "2031-01-01T00:00:00.000Z", "2030-06-01T12:00:00+02:00")


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes | None
    of: str  # The name of its operation.
    is_allowed: bool  # It was made to be what the description allows.


class Operation(NamedTuple):
    method: str
    path: str
    content: dict

    @property
    def name(self):
        return self.content["operationId"]


class Description:
    def __init__(self, document):
        self.document = document
        self._strict = tighten(document)
        self._validators = {}  # By the text of their schema.
        self.operations = [
            Operation(method.upper(), path, content)
            for path, item in document["paths"].items()
            for method, content in item.items()
            if method in METHODS
        ]

    def resolve(self, value):
        while "$ref" in value:
            found = self.document
            for part in value["$ref"].lstrip("#/").split("/"):
                found = found[part]
            value = {**found, **{k: v for k, v in value.items() if k != "$ref"}}
        return value

    # --- Answers ---------------------------------------------------------------------------------

    def response_of(self, operation, status):
        responses = operation.content["responses"]
        kind = f"{str(status)[0]}XX"
        found = responses.get(str(status)) or responses.get(kind) or responses.get("default")
        return self.resolve(found) if found else None

    def complaint(self, operation, answer):
        """What is wrong with the answer, in a sentence; None: nothing."""
        response = self.response_of(operation, answer.status)
        if response is None:
            return f"the status {answer.status} is not described; add it to the responses"
        if "content" not in response:
            return "the answer has a body, and none is described" if answer.body else None
        media_type = (answer.headers.get("Content-Type") or "").partition(";")[0]
        if media_type not in response["content"]:
            return f"the type {media_type!r} of its body is not described; add it to the content"
        if not media_type.endswith("json"):
            return None
        return self.complaint_about(response["content"][media_type]["schema"], answer.json)

    def complaint_about(self, schema, value):
        error = jsonschema.exceptions.best_match(self.validator_of(schema).iter_errors(value))
        if error is None:
            return None
        where = "".join(f"/{part}" for part in error.absolute_path)
        return f"its body breaks the schema at {where or 'its top'}: {error.message[:300]}"

    def validator_of(self, schema):
        """References lead into the document, so each schema brings it along."""
        name = json.dumps(schema)
        if name not in self._validators:
            whole = {**tighten(schema), "components": self._strict["components"]}
            self._validators[name] = jsonschema.Draft202012Validator(whole)
        return self._validators[name]


def tighten(value):
    """The same schemas, without room for members that they do not name."""
    if isinstance(value, list):
        return [tighten(element) for element in value]
    if not isinstance(value, dict):
        return value
    result = {name: tighten(element) for name, element in value.items()}
    if isinstance(value.get("properties"), dict) and "required" in value:
        result.setdefault("additionalProperties", False)
    return result


class Maker:
    """Makes requests. `ids` has, by name of a parameter of a path, texts that lead somewhere;
    `values`, by name of a member or parameter, what is to be used for it."""

    def __init__(self, description, random, ids, values):
        self.description = description
        self.random = random
        self.ids = ids
        self.values = values

    def chance(self, probability):
        return self.random.random() < probability

    def make(self, operation):
        """A request that is allowed in half of all cases."""
        self.is_allowed = True
        self.faults = 0.0 if self.chance(0.5) else 0.2
        path, query, headers = operation.path, {}, {}
        for given in operation.content.get("parameters", []):
            parameter = self.description.resolve(given)
            name, where = parameter["name"], parameter["in"]
            if where == "path":
                path = path.replace(f"{{{name}}}", quote(self.id_of(parameter), safe=""))
            elif self.chance(0.25):
                (query if where == "query" else headers)[name] = self.parameter(parameter)
        if self.slips(0.2):
            query[self.random.choice(("junk", "Limit", "limit "))] = "1"
        body = self.body_of(operation, headers)
        if query:
            path += "?" + urlencode(query)
        headers = {name: value for name, value in headers.items() if value.isascii()}
        return Request(operation.method, path, headers, body, operation.name, self.is_allowed)

    def slips(self, probability=1.0):
        slipped = self.chance(self.faults * probability)
        self.is_allowed = self.is_allowed and not slipped
        return slipped

    # --- Parameters ------------------------------------------------------------------------------

    def id_of(self, parameter):
        known = self.ids.get(parameter["name"])
        if not known or self.slips():
            return self.random.choice(JUNK_TEXTS) or "x"
        return str(self.random.choice(known))

    def parameter(self, parameter):
        if self.slips():
            return self.random.choice(JUNK_TEXTS)
        value = self.value_of(parameter["schema"], parameter["name"])
        if isinstance(value, list):
            return ",".join(map(str, value))
        return str(value)

    # --- Bodies ----------------------------------------------------------------------------------

    def body_of(self, operation, headers):
        body = operation.content.get("requestBody")
        if not body or (not body["required"] and self.chance(0.5)):
            return None
        media_type = self.random.choice(sorted(body["content"]))
        headers["Content-Type"] = "text/plain" if self.slips(0.3) else media_type
        if self.slips(0.3):
            return self.random.choice(BROKEN_BODIES)
        value = self.value_of(body["content"][media_type]["schema"])
        if isinstance(value, str) and not media_type.endswith("json"):
            return value.encode()
        return json.dumps(value).encode()

    def value_of(self, schema, name=None):
        schema = self.description.resolve(schema)
        if self.slips(0.5):
            return self.random.choice(JUNK)
        if name in self.values:
            return self.random.choice(self.values[name])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.value_of(self.random.choice(schema[word]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "allOf" in schema:
            merged = {}
            for part in schema["allOf"]:
                merged.update(self.description.resolve(part))
            merged.update({k: v for k, v in schema.items() if k != "allOf"})
            return self.value_of(merged, name)
        kinds = schema.get("type", ["string", "object", "integer"])
        kind = self.random.choice(kinds if isinstance(kinds, list) else [kinds])
        return getattr(self, f"make_{kind}")(schema)

    def make_null(self, _):
        return None

    def make_boolean(self, _):
        return self.chance(0.5)

    def make_integer(self, schema):
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low + 1000)
        return self.random.choice((low, high, self.random.randint(low, high)))

    make_number = make_integer

    def make_string(self, schema):
        if schema.get("format") == "date-time":
            return self.random.choice(TIMES)
        if "examples" in schema:
            return self.random.choice(schema["examples"])
        length = self.random.randint(1, min(schema.get("maxLength", 20), 20))
        letters = "abcXYZ019" if "pattern" in schema else "abc XYZ.09-_/\"\\{}ü"
        return "".join(self.random.choice(letters) for _ in range(length))

    def make_array(self, schema):
        count = self.random.randint(schema.get("minItems", 0), min(schema.get("maxItems", 3), 3))
        return [self.value_of(schema.get("items", {})) for _ in range(count)]

    def make_object(self, schema):
        members = schema.get("properties", {})
        required = schema.get("required", ())
        # Few at a time: with many of them some two would always contradict each other.
        rare = min(0.5, 3 / max(len(members), 1))
        value = {
            name: self.value_of(member, name)
            for name, member in members.items()
            if (name in required and not self.slips(0.3)) or self.chance(rare)
        }
        if self.slips(0.3):
            value["junk"] = self.random.choice(JUNK)
        return value
