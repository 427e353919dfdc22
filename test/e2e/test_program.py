# SPDX-License-Identifier: MIT
"""The program as a command: help, arguments, start-up errors, settings, logs, the demo."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.program import BINARY, run_to_end
from harness.times import EVERY_SECOND, now_ms, second_after, wall_text
from harness.wait import wait_until

LISTEN = ("--listen", "127.0.0.1:0")


# --- Help and arguments --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["demo", "--help"]])
def test_help_fits_a_screen(arguments):
    end = run_to_end(*arguments)
    assert end.returncode == 0
    lines = end.stdout.splitlines()
    assert 3 <= len(lines) <= 54
    assert max(map(len, lines)) <= 80
    assert end.stderr == ""


def test_version_is_one_line():
    end = run_to_end("--version")
    assert end.returncode == 0
    assert len(end.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["serve", "--no-such-flag"], "--no-such-flag"),
        (["no-such-command"], "no-such-command"),
        (["serve", "--listen", "nonsense"], "nonsense"),
        (["serve", "--listen", "127.0.0.1:70000"], "70000"),
        (["serve", "--log-format", "xml"], "xml"),
        (["serve", "--dispatch", "pigeon"], "pigeon"),
        (["serve", "--config", "/no/such/file"], "/no/such/file"),
        (["serve", "--config", "/proc/self/fd"], "Is a directory"),
        (["serve", "left", "over"], "left"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path, arguments, named):
    end = run_to_end(*arguments, environment={"CARILLON_DB": str(tmp_path / "unused.db")})
    assert end.returncode == 2, end
    assert named in end.stderr
    assert len(end.stderr.splitlines()) <= 3


def test_a_password_on_the_command_line_is_seen_by_nobody(fleet, database):
    proxy = "http://ann:s3cret@127.0.0.1:9"
    server = fleet.serve(database, "--proxy", proxy, "--log-level", "debug")
    words = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().split(b"\0")
    assert b"http://ann:******@127.0.0.1:9" in words
    assert "s3cret" not in "\n".join(server.lines)


# --- Start-up errors -----------------------------------------------------------------------------


def failed_start(*arguments):
    """The last words of a server that could not start."""
    end = run_to_end("serve", *arguments)
    assert end.returncode not in (0, 2) and end.returncode > 0, end
    return end.stderr


def test_a_taken_port_is_named(database):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = failed_start("--listen", f"127.0.0.1:{port}", "--db", database)
    assert str(port) in words and "in use" in words.lower()


def test_a_port_for_root_alone_is_no_wrong_setting():
    """The settings are right, so it is a start that failed: exit code 1."""

    def as_nobody(*command):
        nobody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        return subprocess.run(command, capture_output=True, text=True, timeout=30, **nobody)

    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1:
        pytest.skip("this system lets everybody listen on every port")
    with tempfile.TemporaryDirectory() as folder:  # One that nobody can reach, unlike tmp_path.
        os.chmod(folder, 0o777)
        program = shutil.copy(BINARY, folder)
        database = os.path.join(folder, "carillon.db")
        end = as_nobody(program, "serve", "--listen", "127.0.0.1:4", "--db", database)
    assert end.returncode == 1 and "not permitted to listen on 127.0.0.1:4" in end.stderr


def test_a_second_server_on_one_database_is_told_of_the_first(server, database):
    words = failed_start(*LISTEN, "--db", database)
    assert f"{database} is in use by another server, process {server.process.pid}" in words
    expect(server.get("/observability/health"), 200)


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "no such folder" / "carillon.db"
    assert str(path) in failed_start(*LISTEN, "--db", path)


def test_a_file_that_is_no_database_is_named_and_left_alone(database):
    garbage = b"These are the times that try men's souls.\n" * 500
    database.write_bytes(garbage)
    assert str(database) in failed_start(*LISTEN, "--db", database)
    assert database.read_bytes() == garbage


def test_a_folder_in_which_nothing_can_be_made_is_named():
    path = "/proc/carillon.db"  # Not even root can.
    assert path in failed_start(*LISTEN, "--db", path)


def test_an_open_address_without_access_control_must_be_asked_for(fleet, database):
    refused = run_to_end("serve", "--listen", "0.0.0.0:0", "--db", database)
    assert refused.returncode == 1
    assert "--insecure-no-auth" in refused.stderr and "carillon tokens create" in refused.stderr
    fleet.serve(database, "--listen", "0.0.0.0:0", "--insecure-no-auth").stop()


# --- Settings ------------------------------------------------------------------------------------


def test_flags_win_over_the_environment_and_that_over_the_file(fleet, tmp_path):
    paths = {source: tmp_path / f"{source}.db" for source in ("flag", "environment", "file")}
    config = tmp_path / "carillon.conf"
    config.write_text(f"listen = 127.0.0.1:0\nlog_format = json\ndb = {paths['file']}\n")

    def start(*arguments, environment=None):
        program = fleet.start("serve", "--config", config, *arguments, environment=environment)
        program.wait_until_listening()
        program.stop()
        return {source for source, path in paths.items() if path.exists()}

    environment = {"CARILLON_DB": str(paths["environment"])}
    assert start("--db", paths["flag"], environment=environment) == {"flag"}
    assert start(environment=environment) == {"flag", "environment"}
    assert start() == {"flag", "environment", "file"}


def test_an_unknown_setting_in_the_file_is_named(tmp_path):
    config = tmp_path / "carillon.conf"
    config.write_text("listen = 127.0.0.1:0\nlissten = 127.0.0.1:0\n")
    end = run_to_end("serve", "--config", config, "--db", tmp_path / "unused.db")
    assert end.returncode == 2, end
    assert "lissten" in end.stderr and f"{config}, line 2" in end.stderr


# --- Logs ----------------------------------------------------------------------------------------


def test_each_line_of_the_log_is_one_event_with_its_ids(server, target):
    job = create_job(server, target.url("/status/500/log"), name='with "quotes"', max_retries=0)
    execution_id = trigger(server, job)
    wait_for_end(server, execution_id, 10)
    server.wait_for_event("alert.raised")
    server.stop()

    events = server.events()
    assert len(events) == len(server.lines)  # Every line is JSON.
    assert all({"time", "level", "event"} <= event.keys() for event in events)
    (alert,) = server.events("alert.raised")
    assert (alert["job_id"], alert["execution_id"]) == (job["id"], execution_id)


def test_the_log_tells_what_was_done_to_which_job(server):
    url = "http://127.0.0.1:4/hook"
    job = create_job(server, f"{url}?token=secret", "0 9 * * *", name="bell", timezone="Asia/Tokyo")
    path = f"/jobs/{job['id']}"
    described = {
        "name": "bell",
        "schedule": "0 9 * * *",
        "timezone": "Asia/Tokyo",
        "method": "POST",
        "url": url,
    }
    pause = {"reason": "holidays", "until": "2199-01-01T00:00:00Z"}
    expect(server.post(f"{path}/pause", pause), 200)
    expect(server.post(f"{path}/resume"), 200)
    expect(server.put(path, {"schedule": "0 10 * * *"}), 200)
    expect(server.put(path, {"is_active": False, "paused_reason": "strike"}), 200)
    expect(server.put(path, {"paused_reason": "still on strike"}), 200)
    expect(server.put(path, {"name": "big bell"}), 200)
    expect(server.delete(path), 204)
    server.stop()

    lines = [e for e in server.events() if e["event"].startswith("job.")]
    others = ("time", "level", "client", "request_id")
    told = [{k: v for k, v in line.items() if k not in others} for line in lines]
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert len({line["request_id"] for line in lines}) == len(lines)
    ids = {"job_id": job["id"]}
    paused = {"event": "job.paused", "name": "bell", **ids}
    later = {**described, "schedule": "0 10 * * *"}
    renamed = {**later, "name": "big bell"}
    assert told == [
        {"event": "job.created", "version": 1, **ids, **described},
        {**paused, "version": 2, "reason": "holidays", "until": "2199-01-01T00:00:00.000Z"},
        {"event": "job.resumed", "version": 3, **ids, **described},
        {"event": "job.updated", "version": 4, **ids, **later},
        {**paused, "version": 5, "reason": "strike"},
        {**paused, "version": 6, "reason": "still on strike"},
        {"event": "job.updated", "version": 7, **ids, **renamed},
        {"event": "job.deleted", "version": 7, **ids, **renamed},
    ]
    assert not any("secret" in line for line in server.lines)


def test_the_log_tells_what_the_server_did_to_a_job_by_itself(server, target):
    once = create_job(server, target.url("/ok/once"), wall_text(second_after(1500))[:-5] + "Z")
    gone = create_job(server, target.url("/status/410/gone"), EVERY_SECOND, permanent_4xx=True)
    paused = create_job(server, target.url("/ok/paused"))
    until = {"until": wall_text(second_after(1500))}
    expect(server.post(f"/jobs/{paused['id']}/pause", until), 200)

    def versions(event, job, reason):
        """The line about a pause that a client asked for has no such reason."""
        mine = [e for e in server.events(event) if e["job_id"] == job["id"]]
        return [e["version"] for e in mine if e.get("reason") == reason]

    def check(event, job, reason, version):
        wait_until(lambda: versions(event, job, reason), 10, f"{event} is in the log")
        assert versions(event, job, reason) == [version]

    check("job.finished", once, "its schedule can fire no more", 2)
    check("job.paused", gone, "the target answered 410 Gone", 2)
    check("job.resumed", paused, "the end of its pause has come", 3)


def test_at_level_debug_every_request_and_execution_has_a_line(fleet, database, target):
    server = fleet.serve(database, "--log-level", "debug")
    job = create_job(server, target.url("/status/500/debug?token=secret"), max_retries=1)
    execution_id = trigger(server, job)
    wait_for_end(server, execution_id, 15)
    ended = server.wait_for_event("execution.ended")
    ids = {"job_id": job["id"], "execution_id": execution_id}
    assert ids.items() <= ended.items()
    assert (ended["status"], ended["attempts"]) == ("FAILED", 2)
    assert ended["error"] == "answered with HTTP status 500"
    started, done = server.events("attempt.started"), server.events("attempt.ended")
    assert [e["attempt"] for e in started] == [e["attempt"] for e in done] == [1, 2]
    assert all(ids.items() <= e.items() for e in started + done)
    assert {(e["method"], e["url"]) for e in started} == {("POST", target.url("/status/500/debug"))}
    assert {e["http_status"] for e in done} == {500} and all(e["ms"] >= 0 for e in done)
    server.stop()
    assert not any("secret" in line for line in server.lines)


def test_a_start_says_what_it_finds_and_when_it_has_caught_up(fleet, database, target):
    server = fleet.serve(database)
    (first,) = server.events("engine.started")
    assert (first["jobs"], first["watermark"], first["behind_ms"]) == (0, "none", 0)
    assert server.events("engine.caught_up") == []
    create_job(server, target.url("/ok/start"), EVERY_SECOND)
    create_job(server, target.url("/ok/start"), is_active=False)
    trigger(server, create_job(server, target.url("/hang/start")))
    target.wait_for(1, "/hang/start", 10)
    server.kill()
    killed_ms = now_ms()
    wait_until(lambda: now_ms() > killed_ms + 5000, 10, "the server has been down for a while")

    server = fleet.serve(database)
    (started,) = server.events("engine.started")
    assert (started["jobs"], started["active"]) == (3, 2)
    assert started["unfinished"] >= 1 and started["epoch"] == first["epoch"] + 1
    assert started["behind_ms"] >= 1000
    caught_up = server.wait_for_event("engine.caught_up")
    assert caught_up["planned"] >= 1 and caught_up["missed"] == 0
    assert len(server.events("engine.caught_up")) == 1


# --- The demo ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_shows_executions_of_every_kind_within_a_minute(fleet, tmp_path):
    demo = fleet.start("demo", *LISTEN, "--db", tmp_path / "demo.db", "--log-format", "json")
    demo.wait_until_listening()
    wait_until(lambda: len(demo.get("/jobs").json["jobs"]) == 10, 10, "there are ten jobs")
    assert all(job["name"] for job in demo.get("/jobs").json["jobs"])

    def seen(list_name):
        answer = expect(demo.get(f"/observability/executions/{list_name}"), 200)
        return answer.json["executions"]

    wait_until(lambda: any(e["status"] == "SUCCESS" for e in seen("recent")), 60, "one succeeded")
    wait_until(lambda: seen("failed"), 60, "one failed")
    wait_until(lambda: demo.get("/observability/alerts").json["alerts"], 10, "there is an alert")
    demo.stop()


def test_the_demo_leaves_a_job_alone_whose_name_contains_that_of_a_sample(fleet, tmp_path):
    database = tmp_path / "demo.db"
    arguments = ("demo", *LISTEN, "--db", database, "--log-format", "json")
    demo = fleet.start(*arguments).wait_until_listening()
    wait_until(lambda: len(demo.get("/jobs").json["jobs"]) == 10, 10, "there are ten jobs")
    names = {job["name"] for job in demo.get("/jobs").json["jobs"]}
    for job in demo.get("/jobs").json["jobs"]:
        expect(demo.delete(f"/jobs/{job['id']}"), 204)
    for name in names:
        create_job(demo, "http://127.0.0.1/mine", name=f"my {name} too")
    demo.stop()

    demo = fleet.start(*arguments).wait_until_listening()
    wait_until(lambda: len(demo.get("/jobs").json["jobs"]) == 20, 10, "there are ten more")
    jobs = demo.get("/jobs").json["jobs"]
    mine = [job for job in jobs if job["api"] == "http://127.0.0.1/mine"]
    assert {job["name"] for job in mine} == {f"my {name} too" for name in names}
    demo.stop()


def test_the_first_page_says_what_this_is(server):
    index = expect(server.get("/"), 200)
    assert "calls URLs on schedules" in index.json["about"]
    assert "GET /jobs/:job/executions" in index.json["routes"]
    page = expect(server.get("/", headers={"Accept": "text/html,application/xhtml+xml"}), 200)
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"calls URLs on schedules" in page.body and b'href="/jobs"' in page.body


def test_no_answer_is_kept_by_a_cache_or_shown_in_a_page_of_another_site(server):
    answers = (
        ("/jobs", 200),
        ("/nothing", 404),
        ("/livez", 200),
        ("/metrics", 200),
        ("/jobs/%ff", 400),  # The server answers this one, and no handler.
    )
    for path, status in answers:
        headers = expect(server.get(path), status).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
