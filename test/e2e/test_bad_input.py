# SPDX-License-Identifier: MIT
"""Bad input: the right status, a clear sentence, nothing lost, and the server still well.

The module has a server of its own with a job that fires every second: it must go on firing.
"""

import gzip
import json

import pytest
from conftest import Fleet
from harness.jobs import create_job, expect, list_executions
from harness.raw import send_raw
from harness.target import Target
from harness.times import EVERY_SECOND, now_ms, parse_ms, seconds_between

API = "http://127.0.0.1:4/"
GOOD = {"schedule": "@daily", "api": API}


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server with a job of every second; at the end, no second of the whole module is missing."""
    fleet = Fleet()
    try:
        with Target() as target:
            server = fleet.serve(tmp_path_factory.mktemp("bad") / "carillon.db")
            job = create_job(server, target.url("/ok/still"), EVERY_SECOND)
            yield server
            target.wait_for(2, "/ok/still", 10)
            paused = expect(server.post(f"/jobs/{job['id']}/pause"), 200).json
            paused_ms = parse_ms(paused["updated_at"])
            owed = seconds_between(parse_ms(job["created_at"]), paused_ms - 1000)
            done = [e for e in list_executions(server, job) if e["status"] == "SUCCESS"]
            assert set(owed) <= {parse_ms(e["scheduled_at"]) for e in done}
            assert now_ms() >= paused_ms
            server.stop()
    finally:
        fleet.end()


def check_problem(response, status, kind):
    """The answer is a problem in words, says nothing about the server's insides, and it is well."""
    expect(response, status)
    assert response.headers["Content-Type"].startswith("application/problem+json")
    problem = response.json
    assert problem["type"] == f"/problems/{kind}"
    assert problem["status"] == status
    assert problem["title"] and problem["detail"] and problem["instance"]
    assert len(problem["error"].split()) >= 2
    for word in ("sqlite", "SELECT", ".c:", "/src/", "null pointer"):
        assert word not in json.dumps(problem)
    return problem


def check_well(server):
    assert expect(server.get("/observability/health"), 200).json["status"] == "ok"


# --- The body as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, offset",
    [
        ('{"schedule": "@daily", "api": }', 30),
        ('{"schedule": "@daily"', None),
        ("", None),
        ("not json", None),
        ('{"schedule":"@daily","schedule":"@hourly","api":"http://127.0.0.1/"}', None),
        (json.dumps(GOOD) + " x", None),
        (json.dumps(GOOD) + json.dumps(GOOD), None),
        (b'{"schedule":"@daily","api":"http://127.0.0.1/\xff"}', None),
        ('{"body":' + "[" * 40 + "]" * 40 + "}", None),
    ],
)
def test_what_is_not_json_is_refused_with_the_place(busy, body, offset):
    problem = check_problem(busy.post("/jobs", body), 400, "invalid-json")
    (error,) = problem["errors"]
    assert isinstance(error["position"], int)
    assert 0 <= error["position"] <= len(body)
    if offset is not None:
        assert abs(error["position"] - offset) <= 1
    check_well(busy)


@pytest.mark.parametrize("body", ["[]", '"@daily"', "7", "null", "true"])
def test_a_body_must_be_an_object(busy, body):
    expect(busy.post("/jobs", body), 400)
    check_well(busy)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_a_body_must_be_called_json(busy, kind):
    response = busy.post("/jobs", json.dumps(GOOD), headers={"Content-Type": kind})
    assert "json" in check_problem(response, 415, "unsupported-media-type")["error"].lower()
    check_well(busy)


# --- Fields --------------------------------------------------------------------------------------

BAD_FIELDS = [
    ({"api": API}, "schedule"),
    ({"schedule": "@daily"}, "api"),
    ({**GOOD, "shedule": "@daily"}, "shedule"),
    ({**GOOD, "id": 7}, "id"),
    ({**GOOD, "type": "EXACTLY_ONCE"}, "type"),
    ({**GOOD, "type": 1}, "type"),
    ({**GOOD, "method": "TRACE"}, "method"),
    ({**GOOD, "retry_strategy": "hope"}, "retry_strategy"),
    ({**GOOD, "catch_up": "some"}, "catch_up"),
    ({**GOOD, "timeout_ms": 99}, "timeout_ms"),
    ({**GOOD, "timeout_ms": 3600001}, "timeout_ms"),
    ({**GOOD, "timeout_ms": "30000"}, "timeout_ms"),
    ({**GOOD, "timeout_ms": 1000.5}, "timeout_ms"),
    ({**GOOD, "timeout_ms": 10**19}, "timeout_ms"),
    ({**GOOD, "max_retries": -1}, "max_retries"),
    ({**GOOD, "max_retries": 101}, "max_retries"),
    ({**GOOD, "redirects": 11}, "redirects"),
    ({**GOOD, "redirects": True}, "redirects"),
    ({**GOOD, "response_excerpt_bytes": 65537}, "response_excerpt_bytes"),
    ({**GOOD, "tls_verify": 1}, "tls_verify"),
    ({**GOOD, "fresh_connection": "no"}, "fresh_connection"),
    ({**GOOD, "tls_ca": "x" * 32769}, "tls_ca"),
    ({**GOOD, "tls_ca": "/etc/ssl/certs/ca.pem"}, "tls_ca"),
    ({**GOOD, "tls_ca": ""}, "tls_ca"),
    ({**GOOD, "success_body": ""}, "success_body"),
    ({**GOOD, "success_body": "x" * 1001}, "success_body"),
    ({**GOOD, "success_body": ["a"]}, "success_body"),
    ({**GOOD, "failure_body": "/a(b/"}, "failure_body"),
    ({**GOOD, "max_in_flight": 0}, "max_in_flight"),
    ({**GOOD, "max_rate_per_host": -1}, "max_rate_per_host"),
    ({**GOOD, "max_rate_per_host": 1000001}, "max_rate_per_host"),
    ({**GOOD, "max_rate_per_host": 0.5}, "max_rate_per_host"),
    ({**GOOD, "alert_recover_after": 0}, "alert_recover_after"),
    ({**GOOD, "alert_remind_s": 59}, "alert_remind_s"),
    ({**GOOD, "alert_rate": "3"}, "alert_rate"),
    ({**GOOD, "alert_rate": "3/61"}, "alert_rate"),
    ({**GOOD, "alert_rate": "11/10"}, "alert_rate"),
    ({**GOOD, "alert_late_ms": -1}, "alert_late_ms"),
    ({**GOOD, "alert_slow_ms": 86400001}, "alert_slow_ms"),
    ({**GOOD, "alert_silent_s": 31536001}, "alert_silent_s"),
    ({**GOOD, "completion_timeout_s": 604801}, "completion_timeout_s"),
    ({**GOOD, "auto_pause_after": 1001}, "auto_pause_after"),
    ({**GOOD, "auto_pause_after": "5"}, "auto_pause_after"),
    ({**GOOD, "name": 7}, "name"),
    ({**GOOD, "name": "zero\u0000byte"}, "name"),
    ({**GOOD, "tags": "one"}, "tags"),
    ({**GOOD, "tags": [1]}, "tag"),
    ({**GOOD, "alert_channels": "one"}, "alert_channels"),
    ({**GOOD, "alert_channels": [1]}, "alert_channels"),
    ({**GOOD, "alert_channels": [""]}, "alert_channels"),
    ({**GOOD, "alert_channels": ["c"] * 11}, "alert_channels"),
    ({**GOOD, "headers": ["X-A: b"]}, "headers"),
    ({"schedule": 5, "api": API}, "schedule"),
    ({"schedule": "@daily", "api": None}, "api"),
]


@pytest.mark.parametrize(
    "path, kind", [("/jobs", "application/json"), ("/import", "text/x-crontab")]
)
def test_a_body_that_is_compressed_is_not_read(busy, path, kind):
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    response = busy.request("POST", path, gzip.compress(b"@daily curl http://a/"), headers)
    problem = check_problem(response, 415, "unsupported-media-type")
    assert "Content-Encoding" in problem["error"]
    headers["Content-Encoding"] = "identity"
    expect(busy.request("POST", f"{path}?nothing", b"{}", headers), 400)
    check_well(busy)


@pytest.mark.parametrize("body, field", BAD_FIELDS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_bad_field_is_refused_by_name(busy, body, field):
    problem = check_problem(busy.post("/jobs", body), 400, "invalid-field")
    assert field in problem["error"]
    assert problem["errors"][0]["pointer"].startswith(f"/{field}")
    check_well(busy)


@pytest.mark.parametrize("text, place", [("999", "999"), ("200,099", "099"), ("2xx", "2xx")])
def test_a_status_that_is_none_is_shown(busy, text, place):
    problem = check_problem(
        busy.post("/jobs", {**GOOD, "success_status": text}), 400, "invalid-field"
    )
    assert f'at "{place}"' in problem["error"]


def test_a_bad_type_is_told_what_types_there_are(busy):
    problem = check_problem(busy.post("/jobs", {**GOOD, "type": "ONCE"}), 400, "invalid-field")
    assert "ATLEAST_ONCE" in problem["error"] and "ATMOST_ONCE" in problem["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Bad Name": "x"},
        {"": "x"},
        {"X-Line": "a\r\nInjected: yes"},
        {"Host": "elsewhere/path"},
        {"TE": "trailers"},
        {"Content-Length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"Idempotency-Key": "mine"},
        {"Carillon-Job": "1"},
    ],
    ids=lambda headers: next(iter(headers)) or "empty",
)
def test_a_bad_or_reserved_header_is_refused(busy, headers):
    check_problem(busy.post("/jobs", {**GOOD, "headers": headers}), 400, "invalid-header")
    check_well(busy)


# --- Schedules and zones -------------------------------------------------------------------------

BAD_SCHEDULES = [
    ("60 * * * *", 0, None),
    ("* * * *", 0, None),
    ("5/15 * * * *", 0, "5-59/15"),
    ("*/0 * * * *", 2, None),
    ("*/90 * * * *", 2, "@every 90m"),
    ("0 22-2 * * *", 2, "22-23,0-2"),
    ("0 0 * * FRI-MON", 8, "FRI-SUN,MON"),
    ("0 0 * * MONDAY", 8, "MON"),
    ("1,,2 * * * *", 2, None),
    ("0 0 * * 5#6", 10, None),
    ("4294967296 * * * *", 0, None),
    ("@Daily", 0, "@daily"),
    ("@reboot", 0, None),
    ("0 0 30 2 *", 0, None),
    ("\u00a0* * * * *", 0, None),
    ("* * * * *\n", 9, None),
    ("", 0, None),
    ("* " * 200, None, None),
]


@pytest.mark.parametrize("schedule, position, hint", BAD_SCHEDULES)
def test_a_bad_schedule_is_refused_with_place_and_hint(busy, schedule, position, hint):
    body = {"schedule": schedule, "api": API}
    problem = check_problem(busy.post("/jobs", body), 400, "invalid-schedule")
    error = problem["errors"][0]
    assert error["pointer"] == "/schedule"
    if position is not None:
        assert error["position"] == position
    if hint is not None:
        assert hint in error["hint"]
    check_well(busy)


def test_a_schedule_that_can_never_fire_is_refused_as_such(busy):
    body = {"schedule": "0 0 30 2 *", "api": API}
    problem = check_problem(busy.post("/jobs", body), 400, "invalid-schedule")
    assert "no such date" in problem["error"] or "never" in problem["error"]


@pytest.mark.parametrize(
    "zone, suggestion",
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Mars/Base", None),
        ("", None),
        ("../../etc/passwd", None),
        ("/etc/localtime", None),
        ("posix/Europe/Berlin", None),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_names(busy, zone, suggestion):
    problem = check_problem(busy.post("/jobs", {**GOOD, "timezone": zone}), 400, "invalid-timezone")
    if suggestion:
        assert suggestion in json.dumps(problem)
    check_well(busy)


# --- URLs ----------------------------------------------------------------------------------------

BAD_URLS = [
    "",
    "not a url",
    "example.com/path",
    "ftp://example.com/",
    "file:///etc/passwd",
    "http://",
    "http:///path",
    "http://user:secret@example.com/",
    "http://example.com/#part",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:80x/",
    "http://exa mple.com/",
    "http://exam ple.com/",
    "http://example.com/a ",
    "http://münchen.example/",
    "http://example.com/" + "a" * 8000,
    "http://example.com/\n",
    "http://example.com/\u0000",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://[::1/",
    "http://exa_mple..com/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_refused(busy, url):
    body = {"schedule": "@daily", "api": url}
    response = busy.post("/jobs", body)
    problem = expect(response, 400).json
    assert problem["type"] in ("/problems/invalid-url", "/problems/invalid-field")
    assert problem["errors"][0]["pointer"] == "/api"
    assert len(problem["error"].split()) >= 3
    check_well(busy)


# --- Ids, routes, methods, parameters ------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["999999", "0", "-1", "x", "1x", "01", "9" * 30, "1.0"])
@pytest.mark.parametrize("rest", ["", "/executions", "/alerts"])
def test_an_unknown_job_is_not_found(busy, job_id, rest):
    check_problem(busy.get(f"/jobs/{job_id}{rest}"), 404, "not-found")


@pytest.mark.parametrize("execution_id", ["1-1", "1", "x", "1-m999", "1-", "-", "1-2-g", "a" * 200])
def test_an_unknown_execution_is_not_found(busy, execution_id):
    check_problem(busy.get(f"/executions/{execution_id}"), 404, "not-found")


@pytest.mark.parametrize("path", ["/job", "/jobs/1/unknown", "/observability", "/jobs//1"])
def test_an_unknown_path_is_not_found(busy, path):
    check_problem(busy.get(path), 404, "not-found")


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("DELETE", "/jobs", {"GET", "POST"}),
        ("POST", "/jobs/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("GET", "/jobs/1/trigger", {"POST"}),
        ("PUT", "/jobs/1/executions", {"GET"}),
        ("POST", "/observability/health", {"GET"}),
        ("BREW", "/jobs", {"GET", "POST"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(busy, method, path, allowed):
    response = busy.request(method, path)
    check_problem(response, 405, "method-not-allowed")
    assert allowed <= set(response.headers["Allow"].split(", "))
    assert method not in response.headers["Allow"].split(", ")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=-1", "cursor=nonsense", "status=DONE", "from=today"],
)
def test_a_bad_parameter_is_refused(busy, query):
    job = create_job(busy, API)
    response = busy.get(f"/jobs/{job['id']}/executions?{query}")
    problem = check_problem(response, 400, "invalid-parameter")
    assert query.partition("=")[0] in problem["error"]


# --- Sizes ---------------------------------------------------------------------------------------

MEBIBYTE = 1 << 20


def padded_job(size):
    """A good job whose JSON has exactly `size` bytes."""
    body = json.dumps({**GOOD, "name": "largest"})
    return body[:-1] + " " * (size - len(body)) + "}"


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_refused(busy):
    expect(busy.post("/jobs", padded_job(MEBIBYTE)), 201)
    answer = send_raw(
        busy.port,
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (MEBIBYTE + 1)
        + padded_job(MEBIBYTE + 1).encode(),
    )
    assert answer.status == 413, answer
    check_well(busy)


def test_a_chunked_body_has_the_same_limit(busy):
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = send_raw(
        busy.port,
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 17
        + b"0\r\n\r\n",
    )
    assert answer.status == 413, answer
    check_well(busy)


def test_a_long_uri_is_refused(busy):
    answer = send_raw(busy.port, b"GET /jobs?q=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 3)
    assert answer.status == 414, answer
    check_well(busy)


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"X-%d: y\r\n" % n for n in range(120)),
        b"X-Long: " + b"y" * 17000 + b"\r\n",
    ],
    ids=["too many", "too long"],
)
def test_too_large_a_head_is_refused(busy, headers):
    answer = send_raw(busy.port, b"GET /jobs HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n", 3)
    assert answer.status == 431, answer
    check_well(busy)


# --- Framing -------------------------------------------------------------------------------------

LENGTH = b"Content-Length: 2\r\n"
TYPE = b"Content-Type: application/json\r\n"
BAD_FRAMING = {
    "two lengths": b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + TYPE + LENGTH + b"Content-Length: 3\r\n",
    "equal lengths": b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + TYPE + LENGTH + LENGTH,
    "length list": b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + TYPE + b"Content-Length: 2, 2\r\n",
    "length and chunks": b"POST /jobs HTTP/1.1\r\nHost: x\r\n"
    + TYPE
    + LENGTH
    + b"Transfer-Encoding: chunked\r\n",
    "gzip": b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + TYPE + b"Transfer-Encoding: gzip\r\n",
    "signed length": b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + TYPE + b"Content-Length: +2\r\n",
    "no host": b"POST /jobs HTTP/1.1\r\n" + TYPE + LENGTH,
    "two hosts": b"POST /jobs HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + TYPE + LENGTH,
    "space before colon": b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n",
    "folded line": b"POST /jobs HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n" + LENGTH,
    "NUL": b"POST /jobs HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n" + LENGTH,
}


@pytest.mark.parametrize("head", BAD_FRAMING.values(), ids=BAD_FRAMING.keys())
def test_ambiguous_framing_ends_the_connection(busy, head):
    smuggled = b"GET /observability/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = send_raw(busy.port, head + b"\r\n{}" + smuggled, 3)
    assert answer.status == 400, answer
    assert answer.closed
    assert b"HTTP/1.1 200" not in answer.body  # What was smuggled in was not answered.
    check_well(busy)


def test_a_control_character_in_the_path_is_refused(busy):
    check_problem(busy.get("/jobs/%00"), 400, "malformed-request")


@pytest.mark.parametrize(
    "data",
    [b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"A" * 100_000, b"\0" * 100],
    ids=["blank", "no path", "tls", "long line", "zeros"],
)
def test_noise_on_the_port_is_harmless(busy, data):
    send_raw(busy.port, data, 1)
    check_well(busy)
