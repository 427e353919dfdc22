# SPDX-License-Identifier: MIT
"""Signed requests: a receiver with the specification's own library believes them, and no others."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.keys import sealing

PACKAGE = "standardwebhooks@1.0.0"
FOLDER = Path(__file__).parents[2] / "build" / "webhooks"

# Reads [{secret, headers, body}, ...], and says of each whether the library believes it.
VERIFY = """
const { Webhook } = require("standardwebhooks");
const crypto = require("crypto");
function believes(call) {
  const body = Buffer.from(call.body, "base64").toString();
  try {
    new Webhook(call.secret).verify(body, call.headers);
    return true;
  } catch (e) {
    return false;
  }
}
// The library knows no ed25519; what the specification says of it, with the platform's.
function proves(call) {
  const h = call.headers, body = Buffer.from(call.body, "base64");
  const raw = Buffer.from(call.secret.slice("whpk_".length), "base64");
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const key = crypto.createPublicKey({ key: der, format: "der", type: "spki" });
  const before = `${h["webhook-id"]}.${h["webhook-timestamp"]}.`;
  const content = Buffer.concat([Buffer.from(before), body]);
  return h["webhook-signature"].split(" ").some((s) => s.startsWith("v1a,") &&
    crypto.verify(null, content, key, Buffer.from(s.slice(4), "base64")));
}
const calls = JSON.parse(require("fs").readFileSync(0));
const results = calls.map((c) => (c.secret.startsWith("whpk_") ? proves(c) : believes(c)));
console.log(JSON.stringify(results));
"""


@pytest.fixture(scope="session")
def library():
    """The folder from which the library can be required."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm here to install standardwebhooks with")
    if not (FOLDER / "node_modules" / "standardwebhooks").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        flags = ("--no-package-lock", "--no-audit", "--no-fund")
        command = ["npm", "install", "--prefix", FOLDER, *flags, PACKAGE]
        end = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if end.returncode != 0:
            pytest.skip(f"npm cannot install {PACKAGE} here: {end.stderr[-300:]}")
    return FOLDER


@pytest.fixture
def server(fleet, database, keys):
    return fleet.serve(database, *sealing(keys))


def call(arrival, secret, **changes):
    body = changes.pop("body", arrival.body)
    headers = {**arrival.headers, **changes}
    return {"secret": secret, "headers": headers, "body": base64.b64encode(body).decode()}


def verify(library, calls):
    end = subprocess.run(
        ["node", "-e", VERIFY], input=json.dumps(calls), cwd=library, capture_output=True,
        text=True, timeout=60,
    )
    assert end.returncode == 0, end.stderr
    return json.loads(end.stdout)


def run(server, target, job, path):
    execution = wait_for_end(server, trigger(server, job), 30)
    assert execution["status"] == "SUCCESS", execution
    return target.arrivals(path)[-1]


def test_a_receiver_believes_what_was_signed_and_nothing_else(server, target, library):
    job = create_job(server, target.url("/ok/a"), signing="new", body={"a": "gr\u00fc\u00dfe"})
    secret = job["signing"][0]["secret"]
    arrival = run(server, target, job, "/ok/a")
    shown = expect(server.get(f"/jobs/{job['id']}"), 200).json["signing"]
    assert shown == [{**job["signing"][0], "secret": True}]
    calls = [
        call(arrival, secret),
        call(arrival, secret, body=arrival.body + b" "),
        call(arrival, secret, **{"webhook-id": "7-m1"}),
        call(arrival, secret, **{"webhook-timestamp": str(int(arrival.at_ms / 1000) + 30)}),
        call(arrival, "whsec_" + "A" * 32),
    ]
    assert verify(library, calls) == [True, False, False, False, False]


def test_a_new_key_signs_beside_the_old_one_until_that_is_taken_out(server, target, library):
    job = create_job(server, target.url("/ok/a"), signing=["new"])
    path = f"/jobs/{job['id']}"
    old = job["signing"][0]
    both = expect(server.patch(path, {"signing": ["new", {"id": old["id"]}]}), 200).json["signing"]
    assert [key["secret"] is True for key in both] == [False, True]
    first = run(server, target, job, "/ok/a")
    expect(server.patch(path, {"signing": [{"id": both[0]["id"]}]}), 200)
    second = run(server, target, job, "/ok/a")
    new = both[0]["secret"]
    calls = [call(a, s) for a in (first, second) for s in (old["secret"], new)]
    assert verify(library, calls) == [True, True, False, True]


def test_a_receiver_needs_no_secret_for_ed25519(server, target, library):
    job = create_job(server, target.url("/ok/a"), signing=["new-ed25519"])
    public = job["signing"][0]["public_key"]
    arrival = run(server, target, job, "/ok/a")
    calls = [call(arrival, public), call(arrival, public, body=b"{}")]
    assert verify(library, calls) == [True, False]


def test_each_attempt_is_signed_for_its_own_time(server, target, library):
    path = "/flaky/500,200"
    job = create_job(server, target.url(path), signing="new", retry_base_ms=1500)
    run(server, target, job, path)
    first, second = target.arrivals(path)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    secret = job["signing"][0]["secret"]
    assert verify(library, [call(first, secret), call(second, secret)]) == [True, True]
