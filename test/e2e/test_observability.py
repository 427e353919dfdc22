# SPDX-License-Identifier: MIT
"""Health, metrics, recent and failed executions, alerts across jobs."""

from harness.jobs import create_job, expect, trigger, wait_for_end


def test_health_tells_the_state_of_each_part(shared_server):
    health = expect(shared_server.get("/observability/health"), 200).json
    assert health["status"] == "ok"
    assert health["version"]
    assert {"store", "planner", "dispatch", "clock", "cluster", "alerts"} <= health.keys()
    expect(shared_server.get("/livez"), 200)
    expect(shared_server.get("/readyz"), 200)


def test_a_server_that_is_alone_is_a_cluster_of_one(shared_server):
    cluster = expect(shared_server.get("/cluster"), 200).json
    assert cluster["kind"] == "solo" and cluster["lease"]["held"]
    assert cluster["shards"] == {"all": 1, "own": 1, "unowned": 0}
    (node,) = cluster["nodes"]
    assert node["role"] == "all" and node["self"] and node["leader"]
    health = expect(shared_server.get("/observability/health"), 200).json
    assert node["version"] == health["version"]
    assert health["cluster"]["shards_owned"] == 1
    metrics = expect(shared_server.get("/metrics"), 200).body.decode()
    assert "\ncarillon_shards_owned 1\n" in metrics


def test_metrics_count_what_happens(server, target):
    before = expect(server.get("/observability/metrics"), 200).json
    job = create_job(server, target.url("/ok/metrics"))
    wait_for_end(server, trigger(server, job), 10)
    after = expect(server.get("/observability/metrics"), 200).json

    def increase(name):
        return after[name] - before[name]

    assert increase("executions_succeeded") == 1
    assert increase("triggers") == 1
    assert increase("attempts_started") == 1
    assert after["jobs"] == 1


def test_metrics_speak_prometheus_when_asked(server, target):
    job = create_job(server, target.url("/ok/prometheus"))
    wait_for_end(server, trigger(server, job), 10)
    asked = server.get("/observability/metrics", headers={"Accept": "text/plain"})
    for answer in (asked, server.get("/metrics")):
        expect(answer, 200)
        assert answer.headers["Content-Type"].startswith("text/plain")
        samples = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
        values = dict(line.rsplit(" ", 1) for line in samples if line)
        assert float(values["carillon_executions_succeeded_total"]) == 1
        assert float(values["carillon_jobs"]) == 1
        prefix = "carillon_lateness_seconds_bucket"
        buckets = [float(value) for name, value in values.items() if name.startswith(prefix)]
        assert buckets and buckets == sorted(buckets)
        assert float(values["carillon_lateness_seconds_count"]) == buckets[-1]


def test_recent_and_failed_executions_are_listed_across_jobs(server, target):
    good = create_job(server, target.url("/ok/recent"))
    bad = create_job(server, target.url("/status/500/recent"), max_retries=0)
    ids = [trigger(server, job) for job in (good, bad, good)]
    for execution_id in ids:
        wait_for_end(server, execution_id, 10)

    def listed(name):
        answer = expect(server.get(f"/observability/executions/{name}"), 200)
        return [e["id"] for e in answer.json["executions"]]

    assert listed("recent") == ids[::-1]
    assert listed("failed") == [ids[1]]


def test_alerts_are_listed_newest_first_across_jobs_and_by_job(server, target):
    jobs = [create_job(server, target.url(f"/status/500/{n}"), max_retries=0) for n in range(2)]
    ids = []
    for job in jobs:
        ids.append(trigger(server, job))
        wait_for_end(server, ids[-1], 10)

    alerts = expect(server.get("/observability/alerts"), 200).json["alerts"]
    assert [alert["execution_id"] for alert in alerts] == ids[::-1]
    for job, execution_id in zip(jobs, ids):
        (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
        assert (alert["job_id"], alert["execution_id"]) == (job["id"], execution_id)
        assert alert["kind"] == "failure"
        assert "500" in alert["message"]


def test_an_alert_is_acknowledged_once_and_for_all(server, target):
    job = create_job(server, target.url("/status/500"), max_retries=0)
    wait_for_end(server, trigger(server, job), 10)
    (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts?kind=failure"), 200).json["alerts"]
    assert alert["acknowledged_at"] is None
    path = f"/alerts/{alert['id']}"
    seen = expect(server.post(f"{path}/ack"), 200).json
    changed = {name for name in alert if seen[name] != alert[name]}
    assert seen["acknowledged_at"] and changed <= {"acknowledged_at", "telling"}
    assert expect(server.post(f"{path}/ack"), 200).json == seen
    assert expect(server.get(path), 200).json == seen


def test_alerts_are_listed_by_kind(server, target):
    job = create_job(server, target.url("/status/500"), max_retries=0)
    wait_for_end(server, trigger(server, job), 10)
    path = "/observability/alerts?kind="
    assert len(expect(server.get(f"{path}failure,missed"), 200).json["alerts"]) == 1
    assert expect(server.get(f"{path}clock"), 200).json["alerts"] == []
    assert expect(server.get(f"{path}junk"), 400).json["errors"][0]["pointer"] == "/kind"


def test_alerts_are_listed_by_incident(server, target):
    def ids_of(path):
        return [alert["id"] for alert in expect(server.get(path), 200).json["alerts"]]

    jobs = [create_job(server, target.url("/status/500"), max_retries=0) for _ in range(2)]
    for job in jobs + jobs[:1]:
        wait_for_end(server, trigger(server, job), 10)
    ids = ids_of(f"/jobs/{jobs[0]['id']}/alerts")
    query = f"alerts?incident_id={ids[1]}"
    assert len(ids) == 2
    assert ids_of(f"/observability/{query}") == ids
    assert ids_of(f"/jobs/{jobs[0]['id']}/{query}") == ids
    assert ids_of(f"/jobs/{jobs[1]['id']}/{query}") == []
    refused = expect(server.get("/observability/alerts?incident_id=0"), 400).json
    assert refused["errors"][0]["pointer"] == "/incident_id"
    expect(server.post("/alerts/99/ack"), 404)
    expect(server.get("/alerts/x"), 404)


def test_executions_are_listed_by_answer_and_lateness(server, target):
    good, bad = (
        create_job(server, target.url(path), max_retries=0) for path in ("/ok", "/status/503")
    )
    for job in (good, bad):
        wait_for_end(server, trigger(server, job), 10)

    def jobs_of(query):
        page = expect(server.get(f"/executions?{query}"), 200).json
        return [execution["job_id"] for execution in page["executions"]]

    assert jobs_of("http_status=503") == [bad["id"]]
    assert jobs_of("http_status=200") == [good["id"]]
    assert jobs_of("min_lateness_ms=600000") == []
    expect(server.get("/executions?http_status=99"), 400)
    expect(server.get("/executions?min_lateness_ms=-1"), 400)
