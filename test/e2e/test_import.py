# SPDX-License-Identifier: MIT
"""POST /import, GET /export and `carillon import crontab`: jobs that come and go as text."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import ledger
from harness.jobs import create_job, create_jobs, expect, trigger, wait_for_end
from harness.program import BINARY, run_to_end
from harness.wait import wait_until

CRONTAB = "text/x-crontab"


def post_crontab(server, text, query=""):
    response = server.post(f"/import{query}", text, headers={"Content-Type": CRONTAB})
    return expect(response, 200).json


def job_count(server):
    return len(expect(server.get("/jobs?limit=500"), 200).json["jobs"])


def by_line(answer):
    return {result["line"]: result for result in answer["results"]}


# --- A crontab -----------------------------------------------------------------------------------


def mixed(target):
    """A line of every kind; the API below is that of line 7."""
    return f"""# A comment, and below it a blank line.

MAILTO=ops@example.com
@yearly curl -fsS {target.url("/ok/before")}
CRON_TZ=Asia/Kolkata
@reboot curl {target.url("/ok/start")}
0 5 1 1 * curl -X PUT -m 2.5 -d 'a=100\\%' {target.url("/ok/put?x=1")} > /dev/null 2>&1
0 5 1 1 * /usr/local/bin/backup
0 25 1 1 * curl {target.url("/ok/hour")}
0 5 30 2 * curl {target.url("/ok/never")}
0 5 1 1 * curl -x http://proxy https://user:word@example.com/
"""


STATUSES = {
    3: "skipped",
    4: "created",
    5: "skipped",
    6: "not_convertible",
    7: "created",
    8: "not_convertible",
    9: "invalid",
    10: "invalid",
    11: "not_convertible",
}


def test_every_line_of_a_crontab_has_a_result(server, target):
    answer = post_crontab(server, mixed(target))
    lines = by_line(answer)
    assert {line: result["status"] for line, result in lines.items()} == STATUSES
    counts = {status: answer[status] for status in ("created", "skipped", "invalid", "failed")}
    assert counts == {"created": 2, "skipped": 2, "invalid": 2, "failed": 0}
    assert answer["not_convertible"] == 3 and answer["dry_run"] is False

    assert "backup" in lines[8]["reason"] and lines[8]["position"] == 10
    assert lines[9]["reason"].startswith("hour: 25 is out of range")
    assert (lines[9]["position"], lines[9]["length"]) == (2, 2)
    assert "no such date" in lines[10]["reason"]
    assert "proxy" in lines[11]["reason"]
    assert all(lines[line]["id"] is None for line, s in STATUSES.items() if s != "created")


def test_a_line_becomes_the_job_that_it_describes(server, target):
    created = by_line(post_crontab(server, mixed(target)))[7]
    job = expect(server.get(f"/jobs/{created['id']}"), 200).json
    wanted = {
        "name": f"crontab line 7: 127.0.0.1:{target.port}/ok/put",
        "schedule": "0 5 1 1 *",
        "timezone": "Asia/Kolkata",
        "method": "PUT",
        "api": target.url("/ok/put?x=1"),
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": "a=100%",
        "timeout_ms": 2500,
    }
    assert {name: job[name] for name in wanted} == wanted
    assert all(created[name] == job[name] for name in ("name", "schedule", "api", "method"))
    assert job["next_runs"][0].endswith("-12-31T23:30:00.000Z")

    assert wait_for_end(server, trigger(server, job), 10)["status"] == "SUCCESS"
    (arrival,) = target.arrivals("/ok/put?x=1")
    assert (arrival.method, arrival.body) == ("PUT", b"a=100%")


def test_a_dry_run_says_the_same_and_writes_nothing(server, target):
    tried = post_crontab(server, mixed(target), "?dry_run=1")
    assert tried["dry_run"] is True and tried["would_create"] == 2 and tried["created"] == 0
    assert job_count(server) == 0
    done = post_crontab(server, mixed(target))
    assert job_count(server) == 2
    for dry, wet in zip(tried["results"], done["results"], strict=True):
        assert dry["status"] == wet["status"].replace("created", "would_create")
        assert {**dry, "status": 0, "id": 0} == {**wet, "status": 0, "id": 0}


def test_zone_and_users_can_be_said_beside_the_crontab(shared_server):
    text = "0 5 1 1 * www-data curl http://127.0.0.1:4/\nCRON_TZ=Nowhere/City\n"
    query = "?dry_run=1&system=1&timezone=Europe/Paris"
    job, zone = post_crontab(shared_server, text, query)["results"]
    assert (job["status"], job["timezone"]) == ("would_create", "Europe/Paris")
    assert (zone["status"], zone["position"]) == ("invalid", 8)


def post_object(server, crontab, values, query="?dry_run=1"):
    return server.post(f"/import{query}", {"crontab": crontab, "set": values})


def test_variables_can_be_set_beside_a_crontab(shared_server):
    text = "B=http://127.0.0.1:4/file\n0 5 1 1 * curl -H 'X: 1' $B/$KEY\n"
    assert post_crontab(shared_server, text, "?dry_run=1")["not_convertible"] == 1
    answer = expect(post_object(shared_server, text, {"KEY": "k3y"}), 200).json
    variable, job = answer["results"]
    assert (job["line"], job["api"]) == (2, "http://127.0.0.1:4/file/k3y")
    assert variable["status"] == "skipped"
    both = {"KEY": "", "B": "http://127.0.0.1:4/set"}
    answer = expect(post_object(shared_server, text, both), 200)
    variable, job = answer.json["results"]
    assert job["api"] == "http://127.0.0.1:4/set/"
    assert "beside the crontab counts" in variable["reason"]
    for values in [{"1": "x"}, {"A": 1}, [], {f"V{n}": "x" for n in range(101)}, {"A": "\0"}]:
        assert expect(post_object(shared_server, text, values), 400).json["error"]
    for body in [{"crontab": 1}, {"crontab": None}, {"crontab": text, "jobs": []}]:
        assert expect(shared_server.post("/import", body), 400).json["error"]


def test_what_is_a_job_already_can_be_skipped(server):
    text = "".join(f"{n % 60} 5 1 1 * curl http://127.0.0.1:4/{n}\n" for n in range(600))
    first = post_crontab(server, text, "?skip_existing=1")
    assert first["created"] == 600
    more = "0 5 1 1 * curl -X PUT http://127.0.0.1:4/0\n1 5 1 1 * curl http://127.0.0.1:4/0\n" * 2
    tried = post_crontab(server, text + more, "?skip_existing=1&dry_run=1")
    assert (tried["skipped"], tried["would_create"]) == (600, 4)
    again = post_crontab(server, text + more, "?skip_existing=1")
    assert (again["skipped"], again["created"]) == (600, 4)
    ids = {result["id"] for result in first["results"]}
    skipped = [result for result in again["results"] if result["status"] == "skipped"]
    assert {result["id"] for result in skipped} == ids
    assert skipped[0]["reason"] == (
        f"job {skipped[0]['id']} has the same schedule, time zone, method and URL"
    )
    elsewhere = post_crontab(server, text, "?skip_existing=1&timezone=Asia/Kolkata&dry_run=1")
    assert elsewhere["would_create"] == 600
    assert post_crontab(server, text, "?dry_run=1")["would_create"] == 600

    export = expect(server.get("/export"), 200)
    assert expect(server.post("/import?skip_existing=1", export.body), 200).json["skipped"] == 604


def test_hundreds_of_lines_are_created_each_once(server):
    lines = [f"{n % 60} 5 1 1 * curl http://127.0.0.1:4/{n}\n" for n in range(700)]
    answer = post_crontab(server, "".join(lines))
    assert answer["created"] == 700
    assert len({result["id"] for result in answer["results"]}) == 700
    exported = expect(server.get("/export"), 200).json["jobs"]
    assert {job["api"] for job in exported} == {f"http://127.0.0.1:4/{n}" for n in range(700)}


def test_an_import_that_a_stop_cuts_short_tells_what_was_made(fleet, database):
    server = fleet.serve(database)
    text = "".join(f"0 5 1 1 * curl http://127.0.0.1:4/{n}\n" for n in range(5000))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post_crontab, server, text)
        server.wait_for_event("job.created")
        server.stop()
        results = answer.result()["results"]
    made = {result["id"]: result["api"] for result in results if result["status"] == "created"}
    assert dict(ledger.read(database, "SELECT id, api FROM jobs")) == made
    failed = [result for result in results if result["status"] == "failed"]
    assert len(made) + len(failed) == 5000
    assert {result["reason"] for result in failed} <= {"the server is shutting down"}


def test_an_import_has_a_bounded_number_of_jobs(shared_server):
    jobs = [{"schedule": "@yearly", "api": "x"}] * 10_000
    answer = expect(shared_server.post("/import?dry_run=1", {"jobs": jobs}), 200).json
    assert answer["invalid"] == len(answer["results"]) == 10_000
    for more in ([1] * 10_001, [1] * 300_000):
        refusal = expect(shared_server.post("/import?dry_run=1", {"jobs": more}), 400).json
        assert refusal["errors"][0]["pointer"] == "/jobs"
        assert "10000" in refusal["detail"]


# In time that rises with the square of the bytes, these take half a minute.
def test_bytes_that_are_no_utf_8_take_no_longer_than_others(server):
    line = b"* * * * * curl http://127.0.0.1:4/" + b"a" * 32_000 + b"\xff" + b"b" * 32_000 + b"\n"
    connection = server.connect(10)
    headers = {"Content-Type": CRONTAB}
    path = "/import?dry_run=1"
    answer = server.request("POST", path, line * 15, headers, connection)
    assert expect(answer, 200).json["not_convertible"] == 15


def test_what_is_not_utf_8_is_no_body(shared_server):
    answer = post_crontab(shared_server, b"@daily curl -d '\xff' http://127.0.0.1:4/", "?dry_run=1")
    assert answer["results"][0]["status"] == "invalid"
    assert "UTF-8" in answer["results"][0]["reason"]


@pytest.mark.parametrize(
    "query, kind, body, status",
    [
        ("", "text/html", b"x", 415),
        ("?dry_run=perhaps", CRONTAB, b"", 400),
        ("?timezone=Nowhere/City", CRONTAB, b"", 400),
        ("?unknown=1", CRONTAB, b"", 400),
        ("", CRONTAB, b"\n" * 10001, 400),
        ("", "application/json", b"", 400),
        ("", "application/json", b"[]", 400),
        ("", "application/json", b'{"jobs":{}}', 400),
        ("", "application/json", b'{"version":2,"jobs":[]}', 400),
        ("", "application/json", b'{"jobs":[],"job":1}', 400),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_whole(shared_server, query, kind, body, status):
    response = shared_server.post(f"/import{query}", body, headers={"Content-Type": kind})
    assert expect(response, status).json["error"]


# --- An export -----------------------------------------------------------------------------------

JOBS = [
    {"schedule": "0 5 1 1 *"},
    {"schedule": "@every 90d", "type": "ATMOST_ONCE", "catch_up": "latest"},
    {
        "schedule": "0 0 4 L * *",
        "name": "ünïcode, \"quotes\" and a \\",
        "timezone": "America/New_York",
        "dst_gap": "skip",
        "dst_fold": "second",
        "method": "PATCH",
        "headers": {"X-One": "1", "Authorization": "Bearer t"},
        "body": '{"a":[1,2]}',
        "is_active": False,
        "paused_reason": "not yet",
        "paused_until": "2190-01-01T00:00:00.000Z",
        "timeout_ms": 1234,
        "max_retries": 0,
        "retry_strategy": "exponential",
        "tags": ["a", "b"],
    },
]


@pytest.fixture
def exported(fleet, tmp_path):
    """An export of some jobs, and an empty server."""
    full, empty = (fleet.serve(tmp_path / name) for name in ("full.db", "empty.db"))
    for job in JOBS:
        create_job(full, "http://127.0.0.1:4/x", **job)
    yield full, empty
    for server in full, empty:
        server.stop()


def in_order(export):
    """Jobs of one import get their ids in any order."""
    return sorted(export.json["jobs"], key=lambda job: job["schedule"])


def test_an_export_makes_the_same_jobs_on_another_server(exported):
    full, empty = exported
    export = expect(full.get("/export"), 200)
    assert export.json["version"] == 1 and len(export.json["jobs"]) == len(JOBS)
    for job, given in zip(export.json["jobs"], JOBS, strict=True):
        assert {name: job[name] for name in given} == given
        assert not {"id", "version", "created_at", "finished", "next_runs"} & set(job)

    answer = expect(empty.post("/import", export.body), 200).json
    assert answer["created"] == len(JOBS)
    assert [result["index"] for result in answer["results"]] == [0, 1, 2]
    again = expect(empty.get("/export"), 200)
    assert in_order(again) == in_order(export)


def test_an_export_can_be_read_in_pages(exported):
    full, _ = exported
    first = expect(full.get("/export?limit=2"), 200)
    assert len(first.json["jobs"]) == 2
    assert first.json["next_cursor"] in first.headers["Link"]
    second = expect(full.get(f"/export?limit=2&cursor={first.json['next_cursor']}"), 200).json
    assert second["next_cursor"] is None
    whole = expect(full.get("/export"), 200).json
    assert first.json["jobs"] + second["jobs"] == whole["jobs"]


def test_an_empty_server_exports_no_jobs_and_imports_them(server):
    export = expect(server.get("/export"), 200)
    assert export.json == {"version": 1, "jobs": [], "next_cursor": None}
    assert expect(server.post("/import", export.body), 200).json["results"] == []


def test_each_wrong_job_of_an_import_is_named_and_the_others_are_made(server):
    good = {"schedule": "0 5 1 1 *", "api": "http://127.0.0.1:4/"}
    jobs = [good, {**good, "schedule": "0 61 * * *"}, {**good, "x": 1}, "job", {**good, "id": 4}]
    jobs += [{**good, "api": "ftp://h/"}, {**good, "timezone": "Mars/Base"}, good]
    answer = expect(server.post("/import", {"jobs": jobs}), 200).json
    results = answer["results"]
    wrong = ["invalid"] * 6
    assert [result["status"] for result in results] == ["created", *wrong, "created"]
    assert [result.get("pointer") for result in results[1:6]] == [
        "/jobs/1/schedule",
        "/jobs/2/x",
        "/jobs/3",
        "/jobs/4/id",
        "/jobs/5/api",
    ]
    assert (results[1]["position"], results[1]["length"]) == (2, 2)
    assert job_count(server) == 2


# --- The command ---------------------------------------------------------------------------------


def import_crontab(server, tmp_path, text, *flags):
    path = tmp_path / "crontab"
    path.write_text(text)
    url = f"http://127.0.0.1:{server.port}"
    return run_to_end("import", "crontab", path, "--url", url, *flags)


def test_the_command_tells_what_became_of_each_line(server, target, tmp_path):
    text = f"@yearly curl {target.url('/ok/a')}\n@reboot x\n@daily y # curl\n"
    tried = import_crontab(server, tmp_path, text, "--dry-run", "--tz", "Asia/Kolkata")
    assert (tried.returncode, job_count(server)) == (0, 0)
    lines = tried.stdout.splitlines()
    assert lines[0].startswith("line 1: would_create: @yearly (Asia/Kolkata) GET http://127.0.0.1:")
    assert lines[1].startswith("line 2: not_convertible: @reboot")
    assert lines[-1] == "1 would be created, 2 not convertible"

    done = import_crontab(server, tmp_path, text)
    assert (done.returncode, job_count(server)) == (0, 1)
    assert done.stdout.startswith("line 1: created job 1: @yearly (UTC) GET ")
    assert done.stdout.splitlines()[-1] == "1 created, 2 not convertible"
    assert done.stderr == tried.stderr == ""


def test_the_command_sets_variables_and_skips_what_is_there(server, tmp_path, monkeypatch):
    text = "0 5 1 1 * curl http://127.0.0.1:4/$A/$B\n"
    monkeypatch.setenv("B", "b")
    for outcome in ["created job 1: ", "skipped job 1: "]:
        flags = ["--set", "A=x=1", "--set", "B", "--skip-existing"]
        end = import_crontab(server, tmp_path, text, *flags)
        assert end.returncode == 0
        job = "0 5 1 1 * (UTC) GET http://127.0.0.1:4/x=1/b"
        assert end.stdout.startswith(f"line 1: {outcome}{job}")
    for wrong in ["1=2", "a-b=c", "=x", "NOT_IN_THE_ENVIRONMENT"]:
        end = import_crontab(server, tmp_path, text, "--set", wrong)
        assert end.returncode == 2 and end.stderr
    twice = import_crontab(server, tmp_path, text, "--set", "A=1", "--set", "A=2")
    assert twice.returncode == 2 and "set twice" in twice.stderr
    assert job_count(server) == 1


def test_the_command_fails_when_a_line_is_invalid(server, tmp_path):
    end = import_crontab(server, tmp_path, "0 61 * * * curl http://127.0.0.1:4/\n")
    assert end.returncode == 2
    assert "line 1: invalid: hour: 61 is out of range" in end.stdout


def test_the_command_says_why_it_cannot_import(server, tmp_path):
    text = "@daily curl http://127.0.0.1:4/\n"
    refused = import_crontab(server, tmp_path, text, "--tz", "Mars/Base")
    assert refused.returncode == 2 and "Mars/Base" in refused.stderr
    elsewhere = import_crontab(server, tmp_path, text, "--url", f"http://127.0.0.1:{server.port}/x")
    assert elsewhere.returncode == 2 and "nothing at this path" in elsewhere.stderr
    unreachable = import_crontab(server, tmp_path, text, "--url", "http://127.0.0.1:4")
    assert unreachable.returncode == 1 and "127.0.0.1" in unreachable.stderr
    assert run_to_end("import", "crontab", "/no/such/file").returncode == 2
    assert run_to_end("import").returncode == 2
    assert job_count(server) == 0


# --- An export that is large ---------------------------------------------------------------------

LARGE = 80  # Jobs of 256 KiB each: more than all buffers on the way hold.


@pytest.fixture
def large(server):
    job = {"schedule": "@yearly", "api": "http://127.0.0.1:4/", "body": "x" * (256 * 1024)}
    create_jobs(server, [job] * LARGE)
    return server


def memory_kib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def ask_and_read_nothing(server):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    s.connect(("127.0.0.1", server.port))
    s.sendall(b"GET /export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert s.recv(15) == b"HTTP/1.1 200 OK"
    return s


def test_a_large_export_comes_in_pieces_and_waits_for_its_reader(large):
    before = memory_kib(large)
    readers = [ask_and_read_nothing(large) for _ in range(2)]
    third = expect(large.get("/export"), 503)
    assert third.json["type"] == "/problems/busy" and "Retry-After" in third.headers
    expect(large.get("/livez"), 200)  # Nobody else waits for them.
    expect(large.get("/jobs?limit=1"), 200)
    if "asan" not in str(BINARY):  # Which keeps what was freed.
        assert memory_kib(large) - before < 16 * 1024  # Neither text is held.

    data = b""
    while piece := readers[0].recv(1 << 20):
        data += piece
    assert data.endswith(b"0\r\n\r\n") and data.count(b'"schedule":"@yearly"') == LARGE
    for reader in readers:
        reader.close()
    wait_until(lambda: large.get("/export").status == 200, 10, "there is room for another")
    assert len(expect(large.get("/export"), 200).json["jobs"]) == LARGE


def test_a_page_of_an_export_is_bounded_too(large):
    head = expect(large.request("HEAD", "/export"), 200)
    assert head.body == b"" and head.headers["Content-Type"] == "application/json"
    page = expect(large.get("/export?limit=500"), 200)
    assert len(page.body) < 8.5 * 1024 * 1024 and page.json["next_cursor"]
    rest = expect(large.get(f"/export?cursor={page.json['next_cursor']}"), 200).json["jobs"]
    assert len(page.json["jobs"]) + len(rest) == LARGE
