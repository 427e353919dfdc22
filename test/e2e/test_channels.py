# SPDX-License-Identifier: MIT
"""Channels and silences by the API; secrets of channels are seen by nobody."""

import json
import sqlite3

import pytest
from harness.jobs import create_job, expect, trigger
from harness.keys import sealing
from harness.program import Program, run_to_end, server_arguments
from harness.providers import Providers
from harness.tokens import by, make_token
from harness.wait import wait_until

HUSH = "xoxb-hush-hush"
SLACK = {"name": "ops", "kind": "slack", "settings": {"url": f"https://hooks.test/{HUSH}"}}
NTFY = {"name": "bell", "kind": "ntfy", "settings": {"topic": "bell"}}
NOWHERE = {"settings": {"topic": "bell", "url": "http://127.0.0.1:8099/"}}
MARK = {"secret": True}


@pytest.fixture
def sealed(tmp_path, keys):
    """A server that has a key."""
    server = Program(*server_arguments(tmp_path / "sealed.db", *sealing(keys)))
    server.wait_until_listening()
    yield server
    server.stop()
    server.check_sanitizers()


@pytest.fixture(scope="module")
def plain(shared_server):
    return shared_server


def make(server, channel, **more):
    return expect(server.post("/channels", {**channel, **more}), 201).json


def silence(server, **what):
    return expect(server.post("/silences", {"reason": "repairs", "duration_s": 60, **what}), 201)


# --- Channels ------------------------------------------------------------------------------------


def test_a_channel_is_made_shown_changed_and_deleted(sealed):
    filters = {"kinds": ["failure", "missed"], "tags": ["web"], "jobs": [7]}
    answer = expect(sealed.post("/channels", {**NTFY, "filters": filters, "is_default": True}), 201)
    made = answer.json
    path = f"/channels/{made['id']}"
    assert answer.headers["Location"] == path and answer.headers["ETag"] == '"1"'
    assert made["settings"] == {"topic": "bell"} and made["filters"] == filters
    assert made["is_default"] and made["is_enabled"] and made["version"] == 1
    assert made["failing_since"] is made["last_error"] is made["delivered_at"] is None
    assert expect(sealed.get(path), 200).json == made
    assert expect(sealed.get("/channels"), 200).json == {"channels": [made]}

    changed = expect(sealed.put(path, {"name": "night", "is_enabled": False}), 200).json
    assert changed["version"] == 2 and changed["name"] == "night" and not changed["is_enabled"]
    assert changed["filters"] == filters and changed["settings"] == {"topic": "bell"}
    again = expect(sealed.put(path, {**changed, "filters": {"tags": []}}), 200).json  # As read.
    assert again["filters"] == {"kinds": [], "tags": [], "jobs": []}

    stale = {"If-Match": '"1"'}
    assert expect(sealed.put(path, {"name": "x"}, headers=stale), 412).json["type"] == (
        "/problems/version-conflict"
    )
    expect(sealed.delete(path, headers=stale), 412)
    expect(sealed.delete(path, headers={"If-Match": '"3"'}), 204)
    expect(sealed.get(path), 404)
    expect(sealed.put(path, {}), 404)
    expect(sealed.delete(path), 404)


def test_a_name_and_the_default_belong_to_one_channel(sealed):
    make(sealed, NTFY, is_default=True)
    taken = expect(sealed.post("/channels", NTFY), 409).json
    assert taken["type"] == "/problems/channel-taken" and "this name" in taken["error"]
    other = {**NTFY, "name": "other"}
    taken = expect(sealed.post("/channels", {**other, "is_default": True}), 409).json
    assert '"bell" is the default one' in taken["error"]
    path = f"/channels/{make(sealed, other)['id']}"
    expect(sealed.put(path, {"name": "bell"}), 409)
    assert expect(sealed.put(path, {"kind": "slack"}), 400).json["errors"][0]["pointer"] == "/kind"


BAD = (
    ({"name": ""}, "/name"),
    ({"name": "a\nb"}, "/name"),
    ({"name": "n" * 101}, "/name"),
    ({"name": 1}, "/name"),
    ({"kind": "pager"}, "/kind"),
    ({"kind": None}, "/kind"),
    ({"settings": None}, "/settings"),
    ({"settings": []}, "/settings"),
    ({"settings": {}}, "/settings/topic"),
    ({"settings": {"topic": "a b"}}, "/settings/topic"),
    ({"settings": {"topic": "t", "priority": 9}}, "/settings/priority"),
    ({"settings": {"topic": "t", "topics": "t"}}, "/settings/topics"),
    ({"settings": {"topic": "t", "url": "ftp://a"}}, "/settings/url"),
    ({"settings": {"topic": "t", "url": "http://169.254.169.254/"}}, "/settings/url"),
    ({"settings": {"topic": "t", "url": "http://127.0.0.1:25/"}}, "/settings/url"),
    ({"settings": {"topic": "t", "token": MARK}}, "/settings/token"),
    ({"filters": []}, "/filters"),
    ({"filters": {"kind": []}}, "/kind"),
    ({"filters": {"kinds": "failure"}}, "/filters/kinds"),
    ({"filters": {"kinds": ["fire"]}}, "/filters/kinds"),
    ({"filters": {"tags": [""]}}, "/filters/tags"),
    ({"filters": {"tags": ["t"] * 21}}, "/filters/tags"),
    ({"filters": {"jobs": ["7"]}}, "/filters/jobs"),
    ({"filters": {"jobs": [0]}}, "/filters/jobs"),
    ({"is_default": 1}, "/is_default"),
    ({"is_enabled": "yes"}, "/is_enabled"),
    ({"id": 7}, "/id"),
    ({"colour": "red"}, "/colour"),
)


@pytest.mark.parametrize("change, pointer", BAD, ids=str)
def test_what_no_channel_can_be_is_refused_by_name(plain, change, pointer):
    refused = expect(plain.post("/channels", {**NTFY, **change}), 400).json
    assert refused["errors"][0]["pointer"] == pointer, refused


def test_mail_servers_are_called_at_any_port_and_not_at_every_address(plain):
    mail = {"host": "169.254.169.254", "port": 25, "security": "none", "from": "a@b.test",
            "to": ["c@d.test"]}
    body = {"name": "mail", "kind": "email", "settings": mail}
    refused = expect(plain.post("/channels", body), 400).json
    assert refused["errors"][0]["pointer"] == "/settings/host"
    mail["host"] = "127.0.0.1"
    made = make(plain, body)
    expect(plain.delete(f"/channels/{made['id']}"), 204)


def test_a_job_names_channels_that_are_there(server):
    job = {"schedule": "@yearly", "api": "http://127.0.0.1:8099/"}
    refused = expect(server.post("/jobs", {**job, "alert_channels": ["bell", "x"]}), 400).json
    assert refused["errors"][0]["pointer"] == "/alert_channels" and "'bell'" in refused["error"]
    make(server, NTFY)
    named = {**job, "alert_channels": ["bell"]}
    refused = expect(server.post("/jobs", {**named, "alert_channels": ["bell", "x"]}), 400).json
    assert "'x'" in refused["error"]
    made = expect(server.post("/jobs", named, headers={"Idempotency-Key": "k"}), 201).json
    assert made["alert_channels"] == ["bell"]
    path = f"/jobs/{made['id']}"
    for ask in (server.put, server.patch):
        expect(ask(path, {"alert_channels": ["x"]}), 400)
        assert expect(ask(path, {"alert_channels": []}), 200).json["alert_channels"] == []
        assert expect(ask(path, {"alert_channels": ["bell"]}), 200).json["version"] > 1
    expect(server.put("/jobs/by-key/k", {**job, "alert_channels": ["x"]}), 400)
    expect(server.put("/jobs/by-key/k", named), 201)
    imported = {"jobs": [{**job, "key": "later", "alert_channels": ["later"]}]}
    assert server.post("/import", {**server.get("/export").json, **imported}).json["created"] == 1


def test_a_test_is_a_delivery(server):
    path = f"/channels/{make(server, {**NTFY, **NOWHERE}, is_enabled=False)['id']}"
    expect(server.post(f"{path}/test"), 400)
    expect(server.put(path, {"is_enabled": True}), 200)
    answer = expect(server.post(f"{path}/test"), 202)
    made = answer.json
    assert made["is_test"] and made["channel"] == "bell" and made["alert_count"] == 0
    assert answer.headers["Location"] == f"/deliveries/{made['id']}"
    whole = expect(server.get(answer.headers["Location"]), 200).json
    assert whole["id"] == made["id"] and len(whole["tries"]) == whole["attempts"]
    assert [d["id"] for d in server.get(f"{path}/deliveries").json["deliveries"]] == [made["id"]]
    for nothing in ("/deliveries/99", "/channels/99/deliveries"):
        expect(server.get(nothing), 404)
    expect(server.post("/channels/99/test"), 404)


def test_a_channel_is_tried_once_at_a_time(server, target):
    """Tests go first: who asks for many of them must not keep alerts from going out."""
    settings = {"url": target.url("/hang/bell")}
    path = f"/channels/{make(server, NTFY, kind='webhook', settings=settings)['id']}"
    first = expect(server.post(f"{path}/test"), 202).headers["Location"]
    refused = expect(server.post(f"{path}/test"), 400).json
    assert first in refused["detail"]
    other = make(server, NTFY, name="other", kind="webhook", settings=settings)
    expect(server.post(f"/channels/{other['id']}/test"), 202)
    wait_until(lambda: server.get(first).json["state"] == "FAILED", 30, "the test ended")
    expect(server.post(f"{path}/test"), 202)


def test_what_became_of_a_test_is_told(server, target):
    settings = {"url": target.url("/ok/bell")}
    path = f"/channels/{make(server, NTFY, kind='webhook', settings=settings)['id']}"
    tested = call(server, "channels", "test", "bell")
    assert (tested.returncode, tested.stdout) == (0, "the test arrived\n"), tested.stderr
    (made,) = server.get(f"{path}/deliveries").json["deliveries"]
    whole = expect(server.get(f"/deliveries/{made['id']}"), 200).json
    assert (whole["state"], whole["attempts"], whole["http_status"]) == ("SUCCESS", 1, 200)
    assert [t["number"] for t in whole["tries"]] == [1] and whole["message"]["event"] == "test"
    assert len(target.arrivals("/ok/bell")) == 1
    expect(server.put(path, {"settings": {"url": target.url("/status/404")}}), 200)
    tested = call(server, "channels", "test", "1")
    assert tested.returncode == 1 and "404" in tested.stderr
    whole = server.get(f"{path}/deliveries?limit=1").json["deliveries"][0]
    assert whole["state"] == "FAILED" and whole["http_status"] == 404


def test_an_alert_shows_the_messages_that_tell_of_it(server, target, database):
    make(server, NTFY, kind="webhook", settings={"url": target.url("/ok/bell")})
    job = create_job(server, target.url("/status/500"), max_retries=0, tags=["web"])
    trigger(server, job)

    def told():
        for alert in server.get("/observability/alerts").json["alerts"]:
            alone = server.get(f"/alerts/{alert['id']}").json
            if [d["state"] for d in alone["deliveries"]] == ["SUCCESS"]:
                return {**alone, "listed": alert}
        return None

    alert = wait_until(told, 30, "the message arrived")
    assert alert["telling"] == "told" and "deliveries" not in alert["listed"]
    assert [(d["channel"], d["alert_count"]) for d in alert["deliveries"]] == [("bell", 1)]
    team = by(make_token(database, "write", "--tag", "web"))
    wait_until(lambda: server.get("/jobs").status == 401, 10, "the server has a token")
    own = expect(server.get(f"/alerts/{alert['id']}", headers=team), 200).json
    assert own["id"] == alert["id"] and "deliveries" not in own


# --- Secrets -------------------------------------------------------------------------------------


def test_secrets_are_sealed_and_shown_to_nobody(sealed, tmp_path):
    made = make(sealed, SLACK)
    path = f"/channels/{made['id']}"
    assert made["settings"] == {"url": MARK}
    expect(sealed.put(path, {"settings": {"url": f"https://hooks.test/{HUSH}2"}}), 200)
    told = sealed.get("/audit").json["entries"]
    assert [e["action"] for e in told] == ["channel.update", "channel.create"]
    assert told[0]["before"]["secrets"] == told[0]["after"]["secrets"] == MARK
    for read in (path, "/channels", "/audit", "/export"):
        assert HUSH.encode() not in expect(sealed.get(read), 200).body
    assert HUSH not in "\n".join(sealed.lines)
    for file in tmp_path.glob("sealed.db*"):
        assert HUSH.encode() not in file.read_bytes()


def test_a_secret_that_the_receiver_repeats_is_told_to_nobody(sealed, tmp_path):
    with Providers() as providers:
        providers.answers["slack"] = [(404, {}, f"there is no /slack/{HUSH} here")]
        settings = {"url": f"{providers.url('slack')}/{HUSH}"}
        path = f"/channels/{make(sealed, SLACK, settings=settings)['id']}"
        tested = expect(sealed.post(f"{path}/test"), 202).headers["Location"]
        wait_until(lambda: sealed.get(tested).json["state"] == "FAILED", 20, "the test failed")
    covered = "*" * len(f"/slack/{HUSH}")
    assert sealed.get(tested).json["error"] == f"slack answered 404: there is no {covered} here"
    for read in (path, tested, f"{path}/deliveries", "/observability/health"):
        assert HUSH.encode() not in expect(sealed.get(read), 200).body
    assert HUSH not in "\n".join(sealed.lines)
    for file in tmp_path.glob("sealed.db*"):
        assert HUSH.encode() not in file.read_bytes()


def test_a_change_keeps_secrets_that_it_does_not_give(sealed, tmp_path):
    token = {"topic": "t", "token": HUSH}
    path = f"/channels/{make(sealed, NTFY, settings=token)['id']}"
    row = sealed_text(tmp_path)
    for settings in ({"topic": "t"}, {"topic": "t", "token": MARK}):
        changed = expect(sealed.put(path, {"settings": settings}), 200).json
        assert changed["settings"] == {"topic": "t", "token": MARK}
        assert sealed_text(tmp_path) == row  # The very same.
    expect(sealed.put(path, {"settings": {"topic": "other"}}), 200)
    assert sealed_text(tmp_path) is not None
    removed = expect(sealed.put(path, {"settings": {"topic": "t", "token": None}}), 200).json
    assert removed["settings"] == {"topic": "t"} and sealed_text(tmp_path) is None


def sealed_text(tmp_path):
    with sqlite3.connect(tmp_path / "sealed.db") as db:
        return db.execute("SELECT secrets FROM channels").fetchone()[0]


def test_a_secret_does_not_follow_to_another_server(sealed):
    settings = {"topic": "t", "token": HUSH, "url": "https://ntfy.test"}
    path = f"/channels/{make(sealed, NTFY, settings=settings)['id']}"
    for elsewhere in ({"url": "https://evil.test"}, {"url": "http://ntfy.test"}, {}):
        refused = expect(sealed.put(path, {"settings": {"topic": "t", **elsewhere}}), 400).json
        assert refused["errors"][0]["pointer"] == "/settings/token", refused
    moved = {"topic": "t", "token": "new", "url": "https://evil.test"}
    expect(sealed.put(path, {"settings": moved}), 200)


def test_a_server_without_a_key_takes_no_secrets(plain):
    refused = expect(plain.post("/channels", SLACK), 400).json
    assert "--secrets-key" in refused["error"]
    assert HUSH not in str(refused)


# --- Silences ------------------------------------------------------------------------------------


def test_a_silence_is_made_shown_and_deleted(server):
    answer = silence(server, job_id=7, tag="web", kinds=["failure"])
    made = answer.json
    path = f"/silences/{made['id']}"
    assert answer.headers["Location"] == path
    assert (made["job_id"], made["tag"], made["kinds"]) == (7, "web", ["failure"])
    assert made["from"] == made["created_at"] < made["until"] and not made["is_over"]
    window = silence(server, schedule="0 2 * * 0", timezone="Europe/Berlin", duration_s=3600).json
    assert window["until"] is None and window["duration_s"] == 3600
    until = silence(server, duration_s=None, until="2099-01-01T00:00:00Z").json
    assert until["until"] == "2099-01-01T00:00:00.000Z" and until["kinds"] == []
    assert expect(server.get(path), 200).json == made
    assert server.get("/silences").json == {"silences": [made, window, until]}
    expect(server.delete(path), 204)
    expect(server.delete(path), 404)
    expect(server.get(path), 404)
    told = server.get("/audit").json["entries"]
    assert [e["action"] for e in told[:2]] == ["silence.delete", "silence.create"]
    assert told[0]["subject"] == "repairs" and told[0]["job_id"] == 7


BAD_SILENCES = (
    ({"reason": None}, "/reason"),
    ({"reason": ""}, "/reason"),
    ({"reason": "r" * 501}, "/reason"),
    ({"job_id": 0}, "/job_id"),
    ({"job_id": "7"}, "/job_id"),
    ({"tag": ""}, "/tag"),
    ({"kinds": ["fire"]}, "/kinds"),
    ({"kinds": {}}, "/kinds"),
    ({"from": "soon"}, "/from"),
    ({"duration_s": None}, "/until"),
    ({"from": "9999-12-31T23:59:59Z"}, "/duration_s"),
    ({"duration_s": 0}, "/duration_s"),
    ({"duration_s": 31622401}, "/duration_s"),
    ({"until": "2099-01-01T00:00:00Z"}, "/duration_s"),
    ({"duration_s": None, "until": "2001-01-01T00:00:00Z"}, "/until"),
    ({"timezone": "UTC"}, "/timezone"),
    ({"schedule": "never"}, "/schedule"),
    ({"schedule": "@daily", "timezone": "Mars"}, "/timezone"),
    ({"schedule": "@daily", "duration_s": None}, "/duration_s"),
    ({"schedule": "@daily", "duration_s": 604801}, "/duration_s"),
    ({"id": 1}, "/id"),
)


@pytest.mark.parametrize("change, pointer", BAD_SILENCES, ids=str)
def test_what_no_silence_can_be_is_refused_by_name(plain, change, pointer):
    body = {"reason": "repairs", "duration_s": 60, **change}
    refused = expect(plain.post("/silences", body), 400).json
    assert refused["errors"][0]["pointer"] == pointer, refused


# --- Who may -------------------------------------------------------------------------------------


def test_channels_are_changed_by_admins_and_silences_by_writers(server, database):
    tokens = {scope: make_token(database, scope) for scope in ("read", "write", "admin")}
    read, write, admin = (by(tokens[scope]) for scope in ("read", "write", "admin"))
    expect(server.post("/channels", NTFY, headers=write), 403)
    path = f"/channels/{expect(server.post('/channels', NTFY, headers=admin), 201).json['id']}"
    expect(server.put(path, {}, headers=write), 403)
    expect(server.delete(path, headers=write), 403)
    expect(server.get(path, headers=read), 200)
    body = {"reason": "repairs", "duration_s": 60}
    expect(server.post("/silences", body, headers=read), 403)
    expect(server.post("/silences", body, headers=write), 201)


def test_a_token_with_a_tag_has_silences_of_its_own(server, database):
    admin = by(make_token(database, "admin"))
    team = by(make_token(database, "write", "--tag", "web"))
    body = {"reason": "repairs", "duration_s": 60}
    other = expect(server.post("/silences", body, headers=admin), 201).json
    expect(server.post("/silences", {**body, "tag": "mail"}, headers=team), 400)
    own = expect(server.post("/silences", body, headers=team), 201).json
    assert own["tag"] == "web"
    assert server.get("/silences", headers=team).json == {"silences": [own]}
    for ask in (server.get, server.delete):
        expect(ask(f"/silences/{other['id']}", headers=team), 404)
    expect(server.get("/channels", headers=team), 403)
    expect(server.delete(f"/silences/{own['id']}", headers=team), 204)


# --- On the command line -------------------------------------------------------------------------


def call(server, *words):
    return run_to_end(*words, "--url", f"http://127.0.0.1:{server.port}")


def test_channels_are_made_listed_and_deleted_on_the_command_line(server, tmp_path):
    file = tmp_path / "bell.json"
    file.write_text(json.dumps(NTFY))
    end = call(server, "channels", "create", str(file))
    assert (end.returncode, end.stdout) == (0, 'channel 1 "bell"\n'), end.stderr
    again = call(server, "channels", "create", str(file))
    assert again.returncode == 1 and "another channel has this name" in again.stderr
    listed = call(server, "channels", "list").stdout.splitlines()
    assert len(listed) == 2 and listed[1].split() == ["1", "ntfy", "fine", "-", "bell"]
    expect(server.put("/channels/1", {"is_enabled": False}), 200)
    tested = call(server, "channels", "test", "bell")
    assert tested.returncode == 1 and "not enabled" in tested.stderr
    assert call(server, "channels", "delete", "bell").stdout == 'deleted "bell"\n'
    gone = call(server, "channels", "delete", "1")
    assert gone.returncode == 1 and "there is no such channel" in gone.stderr


def test_silences_are_made_listed_and_ended_on_the_command_line(server):
    what = ("--reason", "repairs", "--duration", "2h", "--tag", "web", "--job", "7")
    end = call(server, "silences", "create", *what, "--kind", "failure")
    made = server.get("/silences").json["silences"][0]
    assert (end.returncode, end.stdout) == (0, f"silence 1 until {made['until']}\n"), end.stderr
    assert (made["job_id"], made["tag"], made["kinds"]) == (7, "web", ["failure"])
    listed = call(server, "silences", "list").stdout.splitlines()
    assert listed[1].split() == ["1", made["until"], "7", "web", "repairs"]
    call(server, "silences", "create", *what[:4])
    assert call(server, "silences", "list").stdout.splitlines()[2].split()[2:4] == ["any", "any"]
    assert call(server, "silences", "delete", "1").stdout == "silence 1 is over\n"
    assert call(server, "silences", "delete", "1").returncode == 1
    for wrong in (what[:2], (*what, "--job", "x"), (*what, "--duration", "soon"), (*what, "more")):
        assert call(server, "silences", "create", *wrong).returncode == 2
