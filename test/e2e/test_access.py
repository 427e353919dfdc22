# SPDX-License-Identifier: MIT
"""Who may use the API: the first token closes the server, a scope is what a token may do, and a
revoked one is refused within a second."""

import json
import re
import socket
import time

import pytest
from harness.jobs import create_job, expect
from harness.program import Program, run_to_end
from harness.redis import Redis
from harness.times import EVERY_SECOND, NEVER_SOON
from harness.tokens import TokenCluster, by, make_token, revoke
from harness.wait import wait_until

REVOKED_SECONDS = 1
OPEN = {"/", "/openapi.json", "/livez", "/readyz"}
UNKNOWN = "car_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAbQQqqD"


def is_closed(server):
    """What a server knows of tokens is half a second old at most."""
    wait_until(lambda: server.get("/jobs").status == 401, 10, "the server asks for a token")


# --- One server ----------------------------------------------------------------------------------


def test_a_server_of_this_machine_is_open_until_the_first_token(server, database, target):
    create_job(server, target.url("/ok"))
    admin = make_token(database, "admin")
    is_closed(server)
    refused = expect(server.get("/jobs"), 401)
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="carillon"'
    assert refused.json["type"] == "/problems/token-missing"
    assert len(expect(server.get("/jobs", headers=by(admin)), 200).json["jobs"]) == 1
    assert expect(server.get("/jobs", headers=by(UNKNOWN)), 401).headers["WWW-Authenticate"] == (
        'Bearer realm="carillon", error="invalid_token"'
    )


def test_a_token_does_what_its_scope_says(fleet, database, target):
    tokens = {scope: make_token(database, scope) for scope in ("read", "trigger", "write", "admin")}
    server = fleet.serve(database)
    job = {"schedule": NEVER_SOON, "api": target.url("/ok")}
    made = expect(server.post("/jobs", job, headers=by(tokens["write"])), 201).json
    path = f"/jobs/{made['id']}"
    asked = {
        "read": ("GET", path, 200),
        "trigger": ("POST", f"{path}/trigger", 202),
        "write": ("POST", f"{path}/pause", 200),
        "admin": ("POST", "/admin/clock/accept", 204),
    }
    order = list(tokens)
    for needed, (method, where, status) in asked.items():
        for scope, token in tokens.items():
            is_enough = order.index(scope) >= order.index(needed)
            answer = server.request(method, where, headers=by(token))
            assert answer.status == (status if is_enough else 403), (scope, needed, answer)
            if not is_enough:
                assert answer.json["type"] == "/problems/scope-lacking"
                assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]


def routes_of(server):
    paths = expect(server.get("/openapi.json"), 200).json["paths"]
    for path, operations in paths.items():
        for method in operations:
            if method in ("get", "post", "put", "patch", "delete"):
                yield method.upper(), re.sub(r"\{\w+\}", "1", path), path


def test_no_route_answers_without_a_token(fleet, database):
    """Neither do they say what there is: a job that is not there is 401 as well."""
    make_token(database, "admin")
    server = fleet.serve(database)
    seen = 0
    for method, path, pattern in routes_of(server):
        answer = server.request(method, path)
        if pattern in OPEN:
            assert answer.status == 200, (path, answer)
        elif pattern.startswith("/ping/"):  # The address itself is as good as a token.
            assert answer.status == 404, (path, answer)
        elif pattern.startswith("/executions/"):  # "1" is no id of an execution.
            assert answer.status in (401, 404), (path, answer)
        else:
            assert answer.status == 401, (method, path, answer)
        seen += 1
    assert seen > 20


def test_an_address_that_fails_too_often_has_to_wait(fleet, database):
    known = make_token(database, "read")
    server = fleet.serve(database)
    expect(server.get("/jobs", headers=by(known)), 200)
    answers = [server.get("/jobs", headers=by(UNKNOWN)) for _ in range(40)]
    assert answers[0].status == 401 and answers[-1].status == 429
    assert answers[-1].json["type"] == "/problems/too-many-failures"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 4
    expect(server.get("/jobs", headers=by(known)), 200)
    (line,) = server.events("access.refused")  # Once a minute.
    assert line["address"] == "127.0.0.1" and UNKNOWN not in server.log_tail()
    text = expect(server.get("/metrics", headers=by(known)), 200).body.decode()
    assert int(re.search(r"access_refused_total (\d+)", text).group(1)) >= 20


def test_requests_are_limited_by_token_and_by_address(fleet, database):
    token = make_token(database, "read")
    server = fleet.serve(database, "--rate-per-token", "2", "--rate-per-address", "500")
    answers = [server.get("/jobs", headers=by(token)) for _ in range(30)]
    first, last = answers[0], answers[-1]
    assert first.headers["RateLimit-Policy"] == '"token";q=4;w=2'
    assert re.fullmatch(r'"token";r=\d;t=[12]', first.headers["RateLimit"])
    expect(last, 429)
    assert last.json["type"] == "/problems/rate-limited" and last.headers["Retry-After"] == "1"
    expect(server.get("/livez"), 200)  # Probes are not limited.


def test_a_job_names_the_token_that_created_it(fleet, database, target):
    """Whoever changes or imports it: a change keeps its creator, and an import is a creation."""
    first, second = (by(make_token(database, "write", name=name)) for name in ("first", "second"))
    server = fleet.serve(database)
    job = {"schedule": NEVER_SOON, "api": target.url("/ok/created"), "key": "mine"}
    made = expect(server.post("/jobs", job, headers=first), 201).json
    assert made["created_by"] == 1
    path = f"/jobs/{made['id']}"
    expect(server.patch(path, {"name": "x"}, headers=second), 200)
    assert expect(server.put("/jobs/by-key/mine", job, headers=second), 200).json["created_by"] == 1
    refused = server.put(path, {**job, "created_by": 2}, headers=second)
    assert "created_by" in expect(refused, 400).json["error"]
    operations = [{"op": "create", "job": {**job, "key": None}}]
    bulk = {"operations": operations, "atomic": True}
    result = expect(server.post("/jobs/bulk", bulk, headers=second), 200).json["results"][0]
    assert server.get(f"/jobs/{result['id']}", headers=first).json["created_by"] == 2
    exported = expect(server.get("/export", headers=first), 200).json
    assert all("created_by" not in each for each in exported["jobs"])
    exported["jobs"][0]["key"] = "theirs"
    expect(server.post("/import", exported, headers=second), 200)
    theirs = expect(server.get("/jobs/by-key/theirs", headers=first), 200).json
    assert theirs["created_by"] == 2


def test_a_job_that_nobody_was_asked_for_has_no_creator(server, target):
    job = create_job(server, target.url("/ok/open"))
    assert job["created_by"] is None
    again = expect(server.put(f"/jobs/{job['id']}", job), 200).json
    assert again["created_by"] is None


def limited(answer):
    refused = expect(answer, 429)
    assert refused.json["type"] == "/problems/rate-limited"
    assert "executions_per_second" in refused.json["detail"]
    return int(refused.headers["Retry-After"])


def test_what_a_token_causes_is_limited_by_its_own_number(fleet, database, target):
    admin = by(make_token(database, "admin"))
    server = fleet.serve(database)
    wish = {"name": "busy", "scope": "write", "executions_per_second": 1}
    made = expect(server.post("/tokens", wish, headers=admin), 201).json
    assert made["executions_per_second"] == 1
    command_line = by(
        make_token(database, "write", "--executions-per-second", "2", name="command-line")
    )
    tokens = expect(server.get("/tokens", headers=admin), 200).json["tokens"]
    assert [t["executions_per_second"] for t in tokens] == [None, 1, 2]
    busy = by(made["secret"])
    job = {"schedule": NEVER_SOON, "api": target.url("/ok/limited")}
    path = f"/jobs/{expect(server.post('/jobs', job, headers=busy), 201).json['id']}"

    trigger = f"{path}/trigger"
    assert all(server.post(trigger, headers=command_line).status == 202 for _ in range(4))
    answers = [server.post(trigger, headers=busy) for _ in range(2)]
    execution_id = expect(answers[0], 202).json["execution_id"]
    limited(server.post(trigger, headers=busy))
    limited(server.post("/jobs/test", job, headers=busy))
    limited(server.post(f"/executions/{execution_id}/replay", headers=busy))
    limited(server.post(f"/executions/replay?status=SUCCESS&job_id={path[6:]}", headers=busy))
    expect(server.get(path, headers=busy), 200)  # What causes nothing is not counted.
    expect(server.post(trigger, headers=admin), 202)


def test_a_backfill_counts_as_many_executions_as_it_makes(fleet, database, target):
    server = fleet.serve(database)
    job = {"schedule": "0 * * * * *", "api": target.url("/ok/backfilled")}
    path = f"/jobs/{expect(server.post('/jobs', job), 201).json['id']}"
    span = {"from": "2026-01-01T00:00:30Z", "to": "2026-01-01T01:00:30Z"}
    token = by(make_token(database, "trigger", "--executions-per-second", "1"))
    is_closed(server)
    expect(server.post(f"{path}/backfill", {**span, "dry_run": True}, headers=token), 200)
    made = expect(server.post(f"{path}/backfill", span, headers=token), 202).json
    assert made["count"] == 60
    assert 40 <= limited(server.post(f"{path}/trigger", headers=token)) <= 60


# --- Beyond this machine -------------------------------------------------------------------------


def test_a_server_that_others_reach_needs_an_admin(fleet, database):
    make_token(database, "write")
    refused = run_to_end("serve", "--listen", "0.0.0.0:0", "--db", database)
    assert refused.returncode == 1
    assert "carillon tokens create --name admin --scope admin" in refused.stderr
    admin = make_token(database, "admin")
    server = fleet.serve(database, "--listen", "0.0.0.0:0")
    expect(server.get("/jobs"), 401)
    expect(server.get("/jobs", headers=by(admin)), 200)
    revoke(database, "admin")
    revoke(database, "write")
    wait_until(lambda: server.get("/jobs", headers=by(admin)).status == 401, 10, "nobody gets in")
    expect(server.get("/jobs"), 401)
    expect(server.get("/livez"), 200)


def test_an_executor_that_others_reach_answers_probes_alone(fleet):
    with Redis() as redis:
        what = ("--role", "executor", "--redis", redis.url, "--log-format", "json")
        executor = Program("serve", "--listen", "0.0.0.0:0", *what).wait_until_listening()
        try:
            expect(executor.get("/livez"), 200)
            refused = expect(executor.get("/metrics"), 403)
            assert refused.json["type"] == "/problems/no-tokens"
        finally:
            executor.kill()


# --- Tokens by the API ---------------------------------------------------------------------------


def test_an_administrator_makes_and_revokes_tokens(server, database):
    first = expect(server.post("/tokens", {"name": "ops", "scope": "admin"}), 201)
    assert first.headers["Cache-Control"] == "no-store"
    admin = by(first.json["secret"])
    wish = {"name": "deploy", "scope": "trigger", "tag": "web", "expires_in_s": 3600}
    made = expect(server.post("/tokens", wish, headers=admin), 201)
    assert made.headers["Location"] == f"/tokens/{made.json['id']}"
    assert made.json["tag"] == "web" and made.json["is_live"]
    assert expect(server.post("/tokens", wish, headers=admin), 409).json["type"] == (
        "/problems/token-name-taken"
    )
    deploy = by(made.json["secret"])
    expect(server.get("/jobs", headers=deploy), 200)
    expect(server.get("/tokens", headers=deploy), 403)
    listed = expect(server.get("/tokens", headers=admin), 200).json["tokens"]
    assert [token["name"] for token in listed] == ["ops", "deploy"]
    assert "secret" not in str(listed)
    wait_until(
        lambda: server.get("/tokens", headers=admin).json["tokens"][1]["last_address"], 10, "used"
    )
    expect(server.delete(f"/tokens/{made.json['id']}", headers=admin), 204)
    expect(server.delete(f"/tokens/{made.json['id']}", headers=admin), 404)
    expect(server.delete("/tokens/none", headers=admin), 404)
    wait_until(lambda: server.get("/jobs", headers=deploy).status == 401, 10, "it is refused")
    (line,) = server.events("token.revoked")
    assert line["by"] == "ops" and line["address"] == "127.0.0.1"
    make_token(database, "read")
    entries = expect(server.get("/audit", headers=admin), 200).json["entries"]
    told = [(entry["action"], entry["subject"], entry["token"]) for entry in entries]
    assert told == [
        ("token.create", "read", None),
        ("token.revoke", "deploy", "ops"),
        ("token.create", "deploy", "ops"),
        ("token.create", "ops", None),
    ]
    assert entries[0]["address"].startswith("command:uid=")
    assert entries[2]["after"]["tag"] == "web" and "car_" not in str(entries)


@pytest.mark.parametrize(
    "wish, member",
    [
        ({"scope": "read"}, "/name"),
        ({"name": "x"}, "/scope"),
        ({"name": "x", "scope": "none"}, "/scope"),
        ({"name": "x" * 101, "scope": "read"}, "/name"),
        ({"name": "x\x1b[2J", "scope": "read"}, "/name"),
        ({"name": "x", "scope": "read", "tag": "a\nb"}, "/tag"),
        ({"name": "x", "scope": "admin", "tag": "a"}, "/tag"),
        ({"name": "x", "scope": "read", "expires_in_s": 0}, "/expires_in_s"),
        ({"name": "x", "scope": "read", "secret": "mine"}, "/secret"),
    ],
)
def test_a_token_that_cannot_be_is_refused(server, wish, member):
    refused = expect(server.post("/tokens", wish), 400).json
    assert refused["errors"][0]["pointer"] == member
    assert expect(server.get("/tokens"), 200).json == {"tokens": []}  # And so it is still open.


# --- A token that is bound to a tag --------------------------------------------------------------


def test_a_token_bound_to_a_tag_sees_and_changes_jobs_with_it_alone(fleet, database, target):
    admin = by(make_token(database, "admin"))
    bound = by(make_token(database, "write", "--tag", "web"))
    server = fleet.serve(database)
    job = {"schedule": NEVER_SOON, "api": target.url("/ok")}
    other = expect(server.post("/jobs", {**job, "key": "other"}, headers=admin), 201).json["id"]
    shared = {**job, "tags": ["web", "night"]}
    seen = expect(server.post("/jobs", shared, headers=admin), 201).json["id"]
    own = expect(server.post("/jobs", {**job, "key": "own"}, headers=bound), 201).json
    assert own["tags"] == ["web"]
    put = expect(server.put("/jobs/by-key/put", {**job, "tags": ["x"]}, headers=bound), 201).json
    assert put["tags"] == ["x", "web"]
    listed = [j["id"] for j in server.get("/jobs", headers=bound).json["jobs"]]
    assert listed == [seen, own["id"], put["id"]]
    listed = [j["id"] for j in server.get("/jobs?tag=night", headers=bound).json["jobs"]]
    assert listed == [seen]

    run = expect(server.post(f"/jobs/{other}/trigger", headers=admin), 202).json["execution_id"]
    unknown = [
        ("GET", f"/jobs/{other}"),
        ("PATCH", f"/jobs/{other}"),
        ("DELETE", f"/jobs/{other}"),
        ("POST", f"/jobs/{other}/trigger"),
        ("POST", f"/jobs/{other}/pause"),
        ("GET", f"/jobs/{other}/executions"),
        ("GET", f"/jobs/{other}/alerts"),
        ("GET", "/jobs/by-key/other"),
        ("DELETE", "/jobs/by-key/other"),
        ("GET", f"/executions?job_id={other}"),
        ("GET", f"/executions/{run}"),
        ("GET", f"/observability/alerts?job_id={other}"),
        ("GET", f"/jobs/{other}/explain"),
        ("POST", f"/executions/{run}/cancel"),
        ("POST", f"/executions/{run}/replay"),
        ("POST", f"/executions/replay?job_id={other}&status=SUCCESS"),
        ("POST", f"/jobs/{other}/resume"),
    ]
    for method, path in unknown:
        body = {"name": "mine"} if method == "PATCH" else None
        answer = server.request(method, path, body, headers=bound)
        assert answer.status == 404, (method, path, answer)
    expect(server.put("/jobs/by-key/other", job, headers=bound), 404)
    past = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    expect(server.post(f"/jobs/{other}/backfill", past, headers=bound), 404)
    assert expect(server.get("/upcoming", headers=bound), 200).json["runs"] and not [
        r for r in server.get("/upcoming", headers=bound).json["runs"] if r["job_id"] == other
    ]
    closed = ("/executions", "/export", "/metrics", "/cluster", "/observability/alerts", "/events")
    for path in (*closed, "/audit", "/tokens", "/observability/executions/recent"):
        expect(server.get(path, headers=bound), 403)
    expect(server.post("/executions/replay?status=SUCCESS", headers=bound), 403)
    expect(server.post("/jobs/bulk", {"operations": []}, headers=bound), 403)
    expect(server.post("/import", {"jobs": []}, headers=bound), 403)

    path = f"/jobs/{seen}"
    refused = expect(server.patch(path, {"tags": ["night"]}, headers=bound), 400)
    assert refused.json["errors"][0]["pointer"] == "/tags"
    changed = expect(server.patch(path, {"tags": ["web"]}, headers=bound), 200).json
    assert changed["tags"] == ["web"]
    own_run = expect(server.post(f"{path}/trigger", headers=bound), 202).json["execution_id"]
    expect(server.get(f"/executions/{own_run}", headers=bound), 200)
    expect(server.get(f"/executions?job_id={seen}", headers=bound), 200)
    expect(server.get("/observability/health", headers=bound), 200)
    expect(server.delete(path, headers=bound), 204)


def test_a_repeated_request_is_not_answered_with_what_another_team_made(fleet, database, target):
    admin = by(make_token(database, "admin"))
    web, night = (by(make_token(database, "write", "--tag", t, name=t)) for t in ("web", "night"))
    server = fleet.serve(database)
    job = {"schedule": NEVER_SOON, "api": target.url("/ok"), "body": "ours"}
    key = {"Idempotency-Key": "deploy-1"}
    made = expect(server.post("/jobs", job, headers=web | key), 201)
    other = expect(server.post("/jobs", job, headers=night | key), 201)
    assert "Idempotency-Replayed" not in other.headers
    assert other.json["id"] != made.json["id"] and other.json["tags"] == ["night"]
    again = expect(server.post("/jobs", job, headers=web | key), 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["id"] == made.json["id"]
    expect(server.post("/jobs", {**job, "name": "x"}, headers=web | key), 422)
    # A job that is the team's no more is not shown for the sake of an old key.
    expect(server.patch(f"/jobs/{made.json['id']}", {"tags": []}, headers=admin), 200)
    expect(server.post("/jobs", job, headers=web | key), 404)


def test_health_names_no_host_to_a_team(fleet, database):
    admin = by(make_token(database, "admin"))
    bound = by(make_token(database, "read", "--tag", "night", name="night"))
    server = fleet.serve(database)
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # Nobody listens, so connections are refused.
        host = f"127.0.0.1:{dead.getsockname()[1]}"
        job = {"schedule": EVERY_SECOND, "api": f"http://{host}/", "max_retries": 0}
        for _ in range(60):
            expect(server.post("/jobs", job, headers=admin), 201)
        path = "/observability/health"
        wait_until(lambda: server.get(path, headers=admin).json["dispatch"]["down"], 20, "is down")
        told = expect(server.get(path, headers=bound), 200)
        assert told.json["dispatch"]["status"] == "degraded" and told.json["dispatch"]["hosts_down"]
        assert host not in told.body.decode()


# --- Clients of our own --------------------------------------------------------------------------


def test_an_import_sends_its_token(fleet, database, tmp_path):
    token = make_token(database, "write")
    server = fleet.serve(database)
    crontab, file = tmp_path / "crontab", tmp_path / "token"
    crontab.write_text("0 3 * * * curl -s http://127.0.0.1:8080/x\n")
    file.write_text(f"{token}\n")
    words = ("import", "crontab", crontab, "--url", f"http://127.0.0.1:{server.port}")
    refused = run_to_end(*words)
    assert refused.returncode == 2 and "needs a token" in refused.stderr
    assert run_to_end(*words, "--token-file", file).returncode == 0
    assert run_to_end(*words, environment={"CARILLON_TOKEN": token}).returncode == 0
    assert len(expect(server.get("/jobs", headers=by(token)), 200).json["jobs"]) == 2


# --- A cluster -----------------------------------------------------------------------------------


def test_a_revoked_token_is_refused_by_every_node_within_a_second(cluster_url):
    admin, writer = make_token(cluster_url, "admin"), make_token(cluster_url, "write")
    with TokenCluster(cluster_url, admin, apis=2, workers=1, balancer=False) as cluster:
        for node in cluster.apis:
            expect(node.get("/jobs", headers=by(writer)), 200)
        revoke(cluster_url, "write")
        revoked = time.monotonic()
        for node in cluster.apis:
            wait_until(lambda n=node: n.get("/jobs", headers=by(writer)).status == 401, 10, "401")
        assert time.monotonic() - revoked < REVOKED_SECONDS
        for node in cluster.nodes:
            assert expect(node.get("/metrics", headers=by(admin)), 200)
            expect(node.get("/metrics"), 401)


@pytest.mark.parametrize("text", ["", "Basic eDp5", "Bearer", "Bearer ", "bearer x", "Bearer " * 3])
def test_what_is_no_token_is_refused(fleet, database, text):
    make_token(database, "admin")
    server = fleet.serve(database)
    answer = server.get("/jobs", headers={"Authorization": text})
    assert answer.status in (400, 401) and json.loads(answer.body)["error"]
