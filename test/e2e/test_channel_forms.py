# SPDX-License-Identifier: MIT
"""What channels send is what their providers document, whatever a notice says."""

import json

import pytest
from harness.providers import CHECKS, SETTINGS, Refused, check
from harness.teller import EVIL, FAILURE, HERD, NOTICES, RECOVERY, run_teller


def tell(kind, notice, **more):
    """The body, once the provider has taken the request."""
    [request] = run_teller(kind, SETTINGS[kind] | more, notice)
    lines = [line.split(": ", 1) for line in request["headers"].splitlines()]
    headers = {name.lower(): value for name, value in lines}
    assert len(headers) == len(lines), "a header comes twice"
    status, _ = check(kind, request["url"], headers, request["body"])
    assert 200 <= status < 300
    return json.loads(request["body"])


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize("kind", CHECKS)
def test_the_provider_takes_every_notice(kind, notice):
    tell(kind, notice)


@pytest.mark.parametrize("kind", CHECKS)
def test_the_texts_of_a_failure_are_all_said(kind):
    said = json.dumps(tell(kind, FAILURE))
    assert "Job backup fails" in said and "it failed after 4 attempts: timeout" in said
    if kind != "webhook":
        assert "https://carillon.test/jobs/7" in said


@pytest.mark.parametrize("kind", CHECKS)
def test_a_herd_is_one_message_with_its_worst(kind):
    said = json.dumps(tell(kind, HERD))
    assert "10,000 alerts: 9,999 failure, 1 clock" in said and "9,990 more" in said
    assert sum(f"job {n} failed" in said for n in range(10)) == 10


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie"])
def test_a_recovery_closes_what_the_failure_opened(kind):
    opened = run_teller(kind, SETTINGS[kind], FAILURE)[0]
    closed = run_teller(kind, SETTINGS[kind], RECOVERY)[0]
    if kind == "pagerduty":
        opened, closed = json.loads(opened["body"]), json.loads(closed["body"])
        assert opened["dedup_key"] == closed["dedup_key"] and closed["event_action"] == "resolve"
    else:
        alias = json.loads(opened["body"])["alias"]
        assert closed["url"].endswith(f"/v2/alerts/{alias}/close?identifierType=alias")


def test_a_signature_is_that_of_the_very_body():
    [request] = run_teller("webhook", SETTINGS["webhook"], EVIL)
    headers = dict(line.lower().split(": ", 1) for line in request["headers"].splitlines())
    with pytest.raises(Refused, match="signature"):
        check("webhook", request["url"], headers, request["body"] + " ")


# The stand-ins are strict: what the providers refuse, they refuse.
@pytest.mark.parametrize(
    "kind, change",
    [
        ("slack", lambda b: b.update(text="@channel hello")),
        ("slack", lambda b: b.update(text="<!here>")),
        ("discord", lambda b: b["embeds"][0].update(title="x" * 257)),
        ("discord", lambda b: b.pop("allowed_mentions")),
        ("teams", lambda b: b["attachments"][0]["content"].update(body=[])),
        ("teams", lambda b: b.update(text="x" * 28672)),
        ("pagerduty", lambda b: b["payload"].update(severity="catastrophic")),
        ("pagerduty", lambda b: b["payload"].update(summary="x" * 1025)),
        ("opsgenie", lambda b: b.update(message="x" * 131)),
        ("ntfy", lambda b: b.update(message="x" * 4097)),
        ("telegram", lambda b: b.update(text="<b>open")),
        ("telegram", lambda b: b.update(text="a & b")),
        ("telegram", lambda b: b.update(text="x" * 4097)),
    ],
)
def test_the_stand_ins_refuse_what_providers_refuse(kind, change):
    [request] = run_teller(kind, SETTINGS[kind], FAILURE)
    headers = {name.lower(): value for name, value in
               (line.split(": ", 1) for line in request["headers"].splitlines())}
    body = json.loads(request["body"])
    change(body)
    with pytest.raises((Refused, KeyError, TypeError)):
        check(kind, request["url"], headers, json.dumps(body))
