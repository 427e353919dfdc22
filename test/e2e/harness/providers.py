# SPDX-License-Identifier: MIT
"""Stand-ins for the providers of channels, which take nothing but what the providers document.

`check(kind, url, headers, body)` returns what the provider would answer, (status, text): a request
that breaks a rule raises Refused with the rule. `Providers` is a server that does the same over
HTTP, keeps what it took, and can be told to answer otherwise for a while.

The rules are those of the documents of Slack (incoming webhooks), Discord (execute webhook), Teams
(workflows), PagerDuty (Events API v2), Opsgenie (Alert API), ntfy (publish as JSON), Telegram (Bot
API, sendMessage) and Standard Webhooks.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COLOUR = re.compile(r"#[0-9a-f]{6}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WEBHOOK_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Refused(Exception):
    """What the provider would say of the request."""


def must(condition, rule):
    if not condition:
        raise Refused(rule)


def characters(text):
    """As UTF-16 counts: the strictest of the ways in which providers do."""
    return len(text.encode("utf-16-le")) // 2


def members(thing, required, optional=()):
    """An object with these members, of these types, and with no others."""
    must(isinstance(thing, dict), "it must be an object")
    allowed = {**required, **dict(optional)}
    for name in required:
        must(name in thing, f"{name} is missing")
    for name, value in thing.items():
        must(name in allowed, f"{name} is not known")
        must(type(value) is allowed[name], f"{name} must be {allowed[name].__name__}")


def text_within(value, most, name, least=0):
    must(least <= characters(value) <= most, f"{name} has {characters(value)} characters")


def check_webhook(url, headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body.encode()
    key = base64.b64decode(WEBHOOK_KEY.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    must(headers["webhook-signature"] == f"v1,{expected}", "the signature is not that of the body")
    notice = json.loads(body)
    must(headers["webhook-id"] == f"msg_{notice['delivery_id']}", "webhook-id is another one")
    none = type(None)
    must(notice["version"] == 1, "version is not 1")
    must(notice["event"] in ("opened", "reminder", "acknowledged", "recovered", "info", "test"),
         "event")
    must(notice["severity"] in ("info", "warning", "critical"), "severity")
    must(INSTANT.fullmatch(notice["at"]), "at")
    must(all(isinstance(notice[name], (str, none)) for name in ("text", "link")), "text")
    must(len(notice["title"].encode()) <= 200 and "\n" not in notice["title"], "title")
    must(len(notice["alerts"]) <= 10 and notice["count"] >= len(notice["alerts"]), "alerts")
    for alert in notice["alerts"]:
        members({k: v for k, v in alert.items() if v is not None},
                {"id": int, "kind": str, "at": str, "message": str},
                {"job_id": int, "incident_id": int, "job_name": str, "execution_id": str,
                 "link": str}.items())
    return 200, ""


def no_mentions(text):
    must(not re.search(r"(^|\W)@(channel|here|all|everyone)\b", text), "it mentions everybody")
    must(not re.search(r"<[!@#]", text), "it mentions somebody")


def entities_only(text):
    must(not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text), "a control character is not escaped")


def check_slack(url, headers, body):
    message = json.loads(body)
    members(message, {"text": str}, {"attachments": list, "mrkdwn": bool}.items())
    text_within(message["text"], 4000, "text", 1)
    texts = [message["text"]]
    for a in message["attachments"]:
        members(a, {"fallback": str}, {"color": str, "text": str, "mrkdwn_in": list, "footer": str,
                                       "ts": int, "title": str, "title_link": str}.items())
        must(COLOUR.fullmatch(a["color"]), "color")
        text_within(a["text"], 4000, "text of an attachment")
        texts += [a["text"], a["fallback"]]
    for text in texts:
        no_mentions(text)
        entities_only(text)
    return 200, "ok"


def check_discord(url, headers, body):
    message = json.loads(body)
    members(message, {"embeds": list}, {"content": str, "allowed_mentions": dict}.items())
    must(1 <= len(message["embeds"]) <= 10, "1 to 10 embeds")
    must(message["allowed_mentions"] == {"parse": []}, "mentions are allowed")
    total = 0
    for e in message["embeds"]:
        members(e, {"title": str}, {"description": str, "url": str, "timestamp": str, "color": int,
                                    "footer": dict}.items())
        text_within(e["title"], 256, "title")
        text_within(e.get("description", "x"), 4096, "description", 1)
        text_within(e["footer"]["text"], 2048, "footer")
        must(0 <= e["color"] <= 0xFFFFFF, "color")
        must(INSTANT.fullmatch(e["timestamp"]), "timestamp")
        no_mentions(e.get("description", "").replace("\\<", ""))
        total += sum(map(characters, (e["title"], e.get("description", ""), e["footer"]["text"])))
    must(total <= 6000, "more than 6000 characters in all")
    return 204, ""


def check_teams(url, headers, body):
    must(len(body.encode()) <= 28 * 1024, "the message is larger than 28 KB")
    message = json.loads(body)
    members(message, {"type": str, "attachments": list})
    must(message["type"] == "message" and len(message["attachments"]) == 1, "type")
    [attachment] = message["attachments"]
    must(attachment["contentType"] == "application/vnd.microsoft.card.adaptive", "contentType")
    card = attachment["content"]
    members(card, {"$schema": str, "type": str, "version": str, "body": list},
            {"actions": list, "msteams": dict}.items())
    must(card["type"] == "AdaptiveCard" and card["version"] <= "1.5", "version")
    must(card["body"], "the body is empty")
    for block in card["body"]:
        must(block["type"] == "RichTextBlock", "type of a block")
        for run in block["inlines"]:
            members(run, {"type": str, "text": str}, {"weight": str, "color": str}.items())
            must(run["weight"] in ("Default", "Lighter", "Bolder"), "weight")
            must(run["color"] in ("Default", "Accent", "Good", "Warning", "Attention"), "color")
            must(run["text"] and "\n" not in run["text"], "text of a run")
    for action in card.get("actions", []):
        members(action, {"type": str, "title": str, "url": str})
        must(action["type"] == "Action.OpenUrl", "type of an action")
    return 202, ""


def check_pagerduty(url, headers, body):
    must(len(body.encode()) <= 512 * 1024, "the event is larger than 512 KB")
    event = json.loads(body)
    members(event, {"routing_key": str, "event_action": str},
            {"dedup_key": str, "payload": dict, "client": str, "client_url": str, "links": list,
             "images": list}.items())
    must(event["event_action"] in ("trigger", "acknowledge", "resolve"), "event_action")
    text_within(event.get("dedup_key", "x"), 255, "dedup_key", 1)
    must(event["event_action"] == "trigger" or "dedup_key" in event, "dedup_key is missing")
    if event["event_action"] == "trigger":
        payload = event["payload"]
        members(payload, {"summary": str, "source": str, "severity": str},
                {"timestamp": str, "component": str, "group": str, "class": str,
                 "custom_details": dict}.items())
        text_within(payload["summary"], 1024, "summary", 1)
        must(payload["severity"] in ("critical", "error", "warning", "info"), "severity")
        must(payload["source"], "source is empty")
    for link in event.get("links", []):
        members(link, {"href": str}, {"text": str}.items())
    return 202, json.dumps({"status": "success", "message": "Event processed",
                            "dedup_key": event.get("dedup_key")})


def check_opsgenie(url, headers, body):
    must(headers["authorization"].startswith("GenieKey "), "Authorization")
    parts = urlsplit(url)
    alert = json.loads(body)
    if parts.path == "/v2/alerts":
        members(alert, {"message": str}, {"alias": str, "description": str, "details": dict,
                                          "priority": str, "source": str, "tags": list}.items())
        text_within(alert["message"], 130, "message", 1)
        text_within(alert["alias"], 512, "alias")
        text_within(alert["description"], 15000, "description")
        text_within(alert["source"], 100, "source")
        must(alert["priority"] in ("P1", "P2", "P3", "P4", "P5"), "priority")
        must(sum(len(k) + characters(v) for k, v in alert.get("details", {}).items()) <= 8000,
             "details")
    else:
        must(re.fullmatch(r"/v2/alerts/[^/]+/(close|acknowledge)", parts.path), "no such path")
        must(parts.query == "identifierType=alias", "identifierType")
        members(alert, {}, {"source": str, "note": str, "user": str}.items())
        text_within(alert["note"], 25000, "note")
    return 202, json.dumps({"result": "Request will be processed", "took": 0.1, "requestId": "x"})


def check_ntfy(url, headers, body):
    must(urlsplit(url).path in ("", "/"), "JSON is published to the root")
    message = json.loads(body)
    members(message, {"topic": str}, {"message": str, "title": str, "tags": list, "priority": int,
                                      "click": str, "markdown": bool}.items())
    must(re.fullmatch(r"[-_A-Za-z0-9]{1,64}", message["topic"]), "topic")
    must(1 <= message["priority"] <= 5, "priority")
    must(len(message["message"].encode()) <= 4096, "the message would become an attachment")
    must("\n" not in message["title"], "title")
    return 200, json.dumps({"id": "x", "time": 1, "event": "message", "topic": message["topic"]})


class _Tags(HTMLParser):
    """What Telegram takes for HTML: a few tags, which are closed in their order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        must(tag in ("b", "a", "i", "u", "s", "code", "pre"), f"Unsupported start tag {tag}")
        must(tag != "a" or [name for name, _ in attributes] == ["href"], "href")
        self.open.append(tag)

    def handle_endtag(self, tag):
        must(self.open and self.open.pop() == tag, f"Unexpected end tag {tag}")

    def handle_data(self, data):
        self.text += data


def check_telegram(url, headers, body):
    must(re.fullmatch(r"/bot[^/]+/sendMessage", urlsplit(url).path), "Not Found")
    message = json.loads(body)
    members(message, {"chat_id": str, "text": str},
            {"parse_mode": str, "message_thread_id": int, "link_preview_options": dict}.items())
    must(message["parse_mode"] == "HTML", "parse_mode")
    must(not re.search(r"&(?!amp;|lt;|gt;|quot;)", message["text"]), "can't parse entities")
    tags = _Tags()
    tags.feed(message["text"])
    tags.close()
    must(not tags.open, f"Can't find end tag corresponding to start tag {tags.open}")
    text_within(tags.text, 4096, "text", 1)
    return 200, json.dumps({"ok": True, "result": {"message_id": 1}})


CHECKS = {
    "webhook": check_webhook, "slack": check_slack, "discord": check_discord, "teams": check_teams,
    "pagerduty": check_pagerduty, "opsgenie": check_opsgenie, "ntfy": check_ntfy,
    "telegram": check_telegram,
}


def check(kind, url, headers, body):
    """`headers` is a dictionary with names in lower case."""
    must(headers.get("content-type") == "application/json", "Content-Type")
    must(re.fullmatch(r'"carillon-delivery-\d+"', headers.get("idempotency-key", "")),
         "Idempotency-Key")
    return CHECKS[kind](url, headers, body)


class Providers:
    """All of them behind one port: the first part of the path is the kind, and what follows is the
    path at the provider. `taken` has what was taken, as (kind, headers, body); `refused` has the
    rules that were broken. `answers[kind]` is a list of (status, headers, text) that come first."""

    def __init__(self):
        self.taken, self.refused, self.answers = [], [], {}
        self._lock = threading.Lock()
        providers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                kind, _, rest = self.path.lstrip("/").partition("/")
                status, more, text = providers._answer(kind, f"/{rest}", headers, body)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _answer(self, kind, path, headers, body):
        with self._lock:
            if self.answers.get(kind):
                return self.answers[kind].pop(0)
            try:
                status, text = check(kind, path, headers, body)
            except Exception as reason:  # Whatever a request lacks is a reason to refuse it.
                self.refused.append((kind, repr(reason), body))
                return 400, {}, json.dumps({"message": str(reason)})
            self.taken.append((kind, headers, json.loads(body)))
            return status, {}, text

    def url(self, kind):
        return f"http://127.0.0.1:{self.port}/{kind}"

    def settings(self, kind):
        """Settings of a channel that sends to the stand-in."""
        url = {"url": self.url(kind)}
        return SETTINGS[kind] | url

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


SETTINGS = {
    "webhook": {"url": "https://webhook.test/", "secret": WEBHOOK_KEY},
    "slack": {"url": "https://hooks.slack.com/services/T0/B0/x"},
    "discord": {"url": "https://discord.com/api/webhooks/1/x"},
    "teams": {"url": "https://prod-00.westeurope.logic.azure.com/workflows/x?sig=y"},
    "pagerduty": {"routing_key": "R0123456789012345678901234567890"},
    "opsgenie": {"api_key": "00000000-0000-0000-0000-000000000000"},
    "ntfy": {"topic": "carillon-alerts"},
    "telegram": {"bot_token": "123456:AAE-x", "chat_id": "-1001"},
}
