# SPDX-License-Identifier: MIT
"""What docs/api.md says in figures: defaults and bounds of a job's fields, as a server has them.

That its tables name every field and every route is checked by tools/docs.py.
"""

import json
import re
from pathlib import Path

import pytest
from harness.jobs import expect
from harness.times import NEVER_SOON

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def rows_of_fields():
    """Of each field that a client may set: its name and the cells of its row."""
    _, _, text = DOCUMENT.read_text().partition("\n## A job\n")
    text = text.partition("### What the server sets")[0]
    for line in text.splitlines():
        row = re.match(r"\| `(\w+)` \| (.*) \|$", line)
        if row:
            yield row[1], *re.split(r" ?(?<!\\)\| ?", row[2])


def documented_default(text):
    """Of a cell: None for what is not there, or is no value but a sentence."""
    value = text.partition(";")[0].strip()
    if value == "none":
        return None
    try:
        return json.loads(value.strip("`"))
    except ValueError:
        return value.strip("`")


FIELDS = list(rows_of_fields())
DEFAULTS = {name: documented_default(default) for name, default, *_ in FIELDS if default}
BOUNDS = {
    name: (int(bounds[1]), int(bounds[2]))
    for name, _, values, *_ in FIELDS
    if (bounds := re.fullmatch(r"(\d+) to (\d+)", values))
}
UNITS = {"bytes": 1, "KiB": 1024}
LENGTHS = {
    name: int(length[1]) * UNITS[length[2]]
    for name, _, values, *_ in FIELDS
    if (length := re.fullmatch(r"to (\d+) (bytes|KiB)", values))
}


def create(server, **members):
    return server.post("/jobs", {"schedule": NEVER_SOON, "api": "http://127.0.0.1:4/", **members})


def test_a_new_job_has_the_documented_defaults(shared_server):
    assert len(DEFAULTS) > 20
    job = expect(create(shared_server), 201).json
    assert {name: job[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_may_be_what_the_document_says(shared_server, name):
    lowest, highest = BOUNDS[name]
    wide = {"retry_base_ms": 1, "retry_cap_ms": 3600000} if name.startswith("retry_") else {}
    for value in (lowest, highest):
        expect(create(shared_server, **{**wide, name: value}), 201)
    for value in (lowest - 1, highest + 1):
        refusal = expect(create(shared_server, **{**wide, name: value}), 400).json
        assert refusal["errors"][0]["pointer"] == f"/{name}"


CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUI6l3poQgqwN7zN+1MGjp9xW7LwswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBdDAgFw0yNjExMjgxNDI4MDFaGA8yMTI2MTEwNDE0MjgwMVow
DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNFsOszhrlgJ
rEK97+0SdFmKg9ZlIFxpgpikBc4nCJIYJ91CZU8y35KSHvyyfO3890gj5LUT1mD+
7+vsAvTslCijUzBRMB0GA1UdDgQWBBQx5bIEoajtuUfcpit/A/AtTsi6jzAfBgNV
HSMEGDAWgBQx5bIEoajtuUfcpit/A/AtTsi6jzAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIG4zFXY/lAvqcNHUfS24avNAuFDLnve3F6qvjXhNrBZy
AiEAtx92L6yXrjgZ/x1yPWsl+ClDg880DRsUQnUsyhjuR/U=
-----END CERTIFICATE-----
"""
# What stands behind this is free.
BEGINNINGS = {"api": "http://127.0.0.1:4/", "tls_ca": CERTIFICATE}


def text_of(name, length):
    return BEGINNINGS.get(name, "").ljust(length, "a")


# A good text of exactly that length is hard to write, or is only good together with another.
ELSEWHERE = {"schedule", "alert_rate", "success_status", "tls_client_cert", "tls_client_key"}


@pytest.mark.parametrize("name", sorted(set(LENGTHS) - ELSEWHERE))
def test_a_text_may_be_as_long_as_the_document_says(shared_server, name):
    paused = {"is_active": False} if name == "paused_reason" else {}
    length = LENGTHS[name]
    expect(create(shared_server, **paused, **{name: text_of(name, length)}), 201)
    refusal = expect(create(shared_server, **paused, **{name: text_of(name, length + 1)}), 400).json
    assert refusal["errors"][0]["pointer"] == f"/{name}"
