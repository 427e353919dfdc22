# SPDX-License-Identifier: MIT
"""What is left of a disk that fills up is kept for executions. How much that is, a library tells
that stands in front of the server's libc."""

import sys
from pathlib import Path

from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.wait import wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from world import preload  # noqa: E402

MIB = 1 << 20


def store_health(server):
    answer = server.get("/observability/health")
    return answer.status, answer.json["store"]


def wait_for_store(server, status):
    def reached():
        code, store = store_health(server)
        return (code, store) if store["status"] == status else None

    return wait_until(reached, 20, f"the store is {status}")


def wait_for_alert(server, kind):
    def listed():
        return expect(server.get(f"/observability/alerts?kind={kind}"), 200).json["alerts"]

    (alert,) = wait_until(listed, 10, f"an alert of kind {kind}")
    return alert["message"]


def test_changes_stop_before_deliveries(fleet, target, database, tmp_path):
    room = tmp_path / "room"
    environment = preload("faults", FAULT_FILE=database, FAULT_ROOM=room)
    server = fleet.serve(database, "--disk-reserve", "100", environment=environment)
    job = create_job(server, target.url("/ok/fresh"), "* * * * * *")
    other = create_job(server, target.url("/ok/other"))
    path = f"/jobs/{job['id']}"
    assert store_health(server)[1]["disk_reserve_bytes"] == 100 * MIB

    room.write_text(str(100 * MIB - 4096))
    code, store = wait_for_store(server, "degraded")
    assert code == 200 and "99 MiB of the disk are left" in store["reason"]
    assert store["disk_free_bytes"] == 100 * MIB - 4096
    body = {"schedule": "@daily", "api": target.url("/ok/new")}
    for refused in (
        server.post("/jobs", body),
        server.post(f"{path}/trigger"),
        server.patch(path, {"name": "new"}),
        server.put(path, {"name": "new"}),
    ):
        assert expect(refused, 507).json["type"] == "/problems/storage-low"
        assert int(refused.headers["Retry-After"]) > 0
    imported = server.post("/import", {"jobs": [body]})
    assert imported.status == 507 or imported.json["created"] == 0, imported
    before = len(target.arrivals("/ok/fresh"))
    target.wait_for(before + 2, "/ok/fresh", 10)
    expect(server.post(f"/jobs/{other['id']}/pause"), 200)
    expect(server.delete(f"/jobs/{other['id']}"), 204)
    assert len(server.events("store.low")) == 1
    assert "99 MiB of the disk are left" in wait_for_alert(server, "disk_low")

    room.write_text(str(113 * MIB))
    wait_for_store(server, "ok")
    server.wait_for_event("store.room")
    assert "113 MiB of the disk are free again" in wait_for_alert(server, "disk_ok")
    wait_for_end(server, trigger(server, create_job(server, target.url("/ok/after"))), 10)
    server.stop()


def test_a_server_that_starts_on_a_full_disk_refuses_at_once(fleet, target, database, tmp_path):
    room = tmp_path / "room"
    room.write_text("0")
    environment = preload("faults", FAULT_FILE=database, FAULT_ROOM=room)
    server = fleet.serve(database, environment=environment)
    expect(server.post("/jobs", {"schedule": "@daily", "api": target.url("/")}), 507)
    server.stop()
    server = fleet.serve(database, "--disk-reserve", "0", environment=environment)
    create_job(server, target.url("/"))
    server.stop()
