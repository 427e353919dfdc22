# SPDX-License-Identifier: MIT
"""SIGTERM ends the program in order; a second one, or kill -9, at once. Nothing is lost."""

import http.client
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.program import BINARY, server_arguments
from harness.times import EVERY_SECOND, now_ms
from harness.wait import wait_until


def test_sigterm_lets_what_is_in_flight_finish(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/delay/1500/drain"))
    execution_id = trigger(server, job)
    target.wait_for(1, "/delay/1500/drain", 10)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.log_tail()

    server = fleet.serve(database)
    execution = expect(server.get(f"/executions/{execution_id}"), 200).json
    assert execution["status"] == "SUCCESS"
    assert len(target.arrivals("/delay/1500/drain")) == 1


def draining(server):
    """Whether the server refuses a new job because it is about to end."""
    try:
        response = server.post("/jobs", {"schedule": "@yearly", "api": "http://127.0.0.1:4/"})
    except (ConnectionError, http.client.HTTPException):
        return True
    if response.status == 201:
        return False
    assert response.status == 503 and response.headers["Retry-After"] == "1", response
    return True


def test_while_draining_nothing_new_is_started(fleet, database, target):
    server = fleet.serve(database)
    slow = create_job(server, target.url("/delay/3000/drain"))
    create_job(server, target.url("/ok/tick"), EVERY_SECOND)
    target.wait_for(1, "/ok/tick", 10)
    trigger(server, slow)
    target.wait_for(1, "/delay/3000/drain", 10)
    server.signal(signal.SIGTERM)
    wait_until(lambda: draining(server), 3, "new jobs are refused")
    draining_ms = now_ms()
    assert server.wait() == 0, server.log_tail()
    assert [a for a in target.arrivals("/ok/tick") if a.at_ms > draining_ms] == []


def test_a_second_sigterm_ends_the_program_at_once(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/hang/drain"))
    execution_id = trigger(server, job)
    target.wait_for(1, "/hang/drain", 10)
    server.signal(signal.SIGTERM)
    wait_until(lambda: draining(server), 10, "new jobs are refused")
    server.signal(signal.SIGTERM)
    server.wait(seconds=5)

    fleet.serve(database)
    arrivals = target.wait_for(2, "/hang/drain", 10)
    assert {a.key for a in arrivals} == {execution_id}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_with_0(fleet, database, number):
    server = fleet.serve(database)
    server.signal(number)
    assert server.wait(10) == 0, server.log_tail()


def test_every_answered_write_survives_kill_9(fleet, database, target):
    """Creates, changes, deletes and triggers jobs, and kills the server right after each answer."""
    server = fleet.serve(database)
    job = create_job(server, target.url("/ok/durable"), name="created")
    server.kill()

    server = fleet.serve(database)
    expect(server.put(f"/jobs/{job['id']}", {"name": "changed"}), 200)
    server.kill()

    server = fleet.serve(database)
    assert server.get(f"/jobs/{job['id']}").json["name"] == "changed"
    execution_id = trigger(server, job)
    server.kill()

    server = fleet.serve(database)
    assert wait_for_end(server, execution_id, 10)["status"] == "SUCCESS"
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    server.kill()

    server = fleet.serve(database)
    assert not server.get(f"/jobs/{job['id']}").json["is_active"]
    expect(server.delete(f"/jobs/{job['id']}"), 204)
    server.kill()

    server = fleet.serve(database)
    expect(server.get(f"/jobs/{job['id']}"), 404)
    assert create_job(server, target.url("/ok/next"))["id"] > job["id"]  # Ids are not given twice.


# --- What is said, and SIGHUP --------------------------------------------------------------------


def test_a_stop_says_what_it_waits_for(fleet, database, target):
    server = fleet.serve(database, "--drain-timeout", "20s")
    trigger(server, create_job(server, target.url("/delay/1000/said")))
    target.wait_for(1, "/delay/1000/said", 10)
    server.stop()
    assert server.events("server.stopping")[0]["signal"] == "TERM"
    (draining_event,) = server.events("server.draining")
    assert (draining_event["attempts"], draining_event["waits_ms"]) == (1, 20000)
    assert draining_event["second_signal"] == "ends at once"
    assert server.events("server.stopped")[0]["attempts_abandoned"] == 0


def test_a_hangup_reloads_the_zone_files_and_ends_nothing(server):
    server.signal(signal.SIGHUP)
    reloaded = server.wait_for_event("server.reloaded")
    assert reloaded["zones_changed"] == 0
    expect(server.get("/livez"), 200)
    server.stop()


# Becomes a program for which another folder stands in the place of the zone files.
ZONES_INSTEAD = ("unshare", "--mount", "--map-root-user", "sh", "-c",
                 'mount --bind "$0" /usr/share/zoneinfo && exec "$@"')  # fmt: skip


def test_after_a_hangup_the_rules_of_changed_zone_files_hold(fleet, database, tmp_path):
    system, zones = Path("/usr/share/zoneinfo"), tmp_path / "zones"
    (zones / "Europe").mkdir(parents=True)
    shutil.copy(system / "Europe/Paris", zones / "Europe/Paris")
    if subprocess.run([*ZONES_INSTEAD, zones, "true"], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    server = fleet.serve(database, prefix=(*ZONES_INSTEAD, zones))
    asked = {"schedule": "0 12 1 7 *", "timezone": "Europe/Paris", "count": 1}
    before = expect(server.post("/schedules/preview", asked), 200).json["next_runs"][0]["local"]
    create_job(server, "http://127.0.0.1/", schedule="@yearly", timezone="Europe/Paris")

    shutil.copy(system / "Asia/Tokyo", zones / "new")
    (zones / "new").rename(zones / "Europe/Paris")
    server.signal(signal.SIGHUP)
    assert server.wait_for_event("server.reloaded")["zones_changed"] == 1
    assert server.wait_for_event("zone.changed")["timezone"] == "Europe/Paris"
    after = expect(server.post("/schedules/preview", asked), 200).json["next_runs"][0]["local"]
    assert (before[-6:], after[-6:]) == ("+02:00", "+09:00")
    server.stop()


def test_a_hangup_during_a_stop_ends_nothing(fleet, database, target):
    server = fleet.serve(database)
    execution_id = trigger(server, create_job(server, target.url("/delay/1500/hangup")))
    target.wait_for(1, "/delay/1500/hangup", 10)
    server.signal(signal.SIGTERM)
    server.wait_for_event("server.draining")
    server.signal(signal.SIGHUP)
    assert server.wait() == 0, server.log_tail()
    server = fleet.serve(database)
    assert expect(server.get(f"/executions/{execution_id}"), 200).json["status"] == "SUCCESS"


def test_a_server_in_a_terminal_stops_in_order_when_that_is_closed(database):
    terminal, theirs = pty.openpty()
    arguments = server_arguments(database)
    with subprocess.Popen([BINARY, *map(str, arguments)], stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while b"server.listening" not in said:
            said += os.read(terminal, 4096)
        process.send_signal(signal.SIGHUP)
        while b"server.stopped" not in said:
            said += os.read(terminal, 4096)
        assert process.wait(30) == 0
    os.close(terminal)
    assert b'"signal":"HUP"' in said


def test_who_ignores_a_hangup_is_left_alone(fleet, database):
    """As nohup does it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = fleet.serve(database)
    finally:
        signal.signal(signal.SIGHUP, before)
    server.signal(signal.SIGHUP)
    expect(server.get("/livez"), 200)
    server.stop()
    assert server.events("server.reloaded") == []
