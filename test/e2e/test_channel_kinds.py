# SPDX-License-Identifier: MIT
"""Each kind of channel through the server: made by the API, tried, and told of a failure and its
end."""

import pytest
from harness.authority import Authority
from harness.jobs import create_job, expect
from harness.keys import sealing
from harness.mail import MailServer
from harness.program import Program, server_arguments
from harness.providers import SETTINGS, Providers
from harness.wait import wait_until


@pytest.fixture
def providers():
    with Providers() as all_of_them:
        yield all_of_them


@pytest.fixture
def start(tmp_path, keys):
    """Starts a server that can seal, and tells soon."""
    servers = []

    def run(*more):
        options = (*sealing(keys), "--alert-window", "500ms", *more)
        servers.append(Program(*server_arguments(tmp_path / "kinds.db", *options)))
        servers[-1].wait_until_listening()
        return servers[-1]

    yield run
    for server in servers:
        server.stop()
        server.check_sanitizers()


def make(server, kind, settings):
    channel = {"name": kind, "kind": kind, "settings": settings}
    return expect(server.post("/channels", channel), 201).json


def tried(server, channel):
    """What becomes of a test of the channel."""
    path = expect(server.post(f"/channels/{channel['id']}/test"), 202).headers["Location"]

    def over():
        delivery = expect(server.get(path), 200).json
        return delivery if delivery["state"] != "PENDING" else None

    return wait_until(over, 20, "the end of a test")


def fail_and_recover(server, target):
    job = create_job(server, target.url("/status/500/job"), name="nightly <b>&", max_retries=0)
    for status, api in (("FAILED", "/status/500/job"), ("SUCCESS", "/ok/job")):
        expect(server.patch(f"/jobs/{job['id']}", {"api": target.url(api)}), 200)
        path = expect(server.post(f"/jobs/{job['id']}/trigger"), 202).headers["Location"]

        def is_over(path=path, status=status):
            return expect(server.get(path), 200).json["status"] == status

        wait_until(is_over, 10, f"an execution that ends {status}")
        yield job


def kinds_of(taken):
    return sorted({kind for kind, *_ in taken})


def test_each_provider_takes_the_test_the_failure_and_its_end(start, providers, target):
    server = start()
    for channel in [make(server, kind, providers.settings(kind)) for kind in SETTINGS]:
        outcome = tried(server, channel)
        assert outcome["state"] == "SUCCESS", (outcome, providers.refused)
    assert kinds_of(providers.taken) == sorted(SETTINGS)
    providers.taken.clear()
    for _ in fail_and_recover(server, target):
        wait_until(lambda: kinds_of(providers.taken) == sorted(SETTINGS), 20, "all are told")
        assert len(providers.taken) == len(SETTINGS)
        providers.taken.clear()
    assert providers.refused == []
    for channel in expect(server.get("/channels"), 200).json["channels"]:
        assert channel["delivered_at"] and not channel["failing_since"]


def test_mails_of_an_incident_are_one_thread(start, tmp_path, target):
    authority = Authority(tmp_path)
    with MailServer(authority.sign("localhost"), starttls=True, login=("carillon", "pw")) as mail:
        server = start("--ca-file", authority.certificate)
        settings = {"host": "127.0.0.1", "port": mail.port, "security": "starttls",
                    "username": "carillon", "password": "pw", "from": "carillon@b.test",
                    "to": ["ops@c.test"]}
        outcome = tried(server, make(server, "email", settings))
        assert outcome["state"] == "SUCCESS", outcome
        for told, _ in enumerate(fail_and_recover(server, target), 2):
            wait_until(lambda told=told: len(mail.mails) == told, 20, "a mail")
        text = mail.mails[-1].content.decode()
        assert "References:" in text or "In-Reply-To:" in text
