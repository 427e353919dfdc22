# SPDX-License-Identifier: MIT
"""Clients that change one job at the same time: each is answered 200, and each change is there."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from harness.jobs import create_job, expect

ROUNDS = 20


def put_name(server, resource, number, connection):
    return server.put(resource, {"name": f"name {number}"}, connection=connection)


def put_timeout(server, resource, number, connection):
    return server.put(resource, {"timeout_ms": 1000 + number}, connection=connection)


def patch_tags(server, resource, number, connection):
    return server.patch(resource, {"tags": [f"tag {number}"]}, connection=connection)


def patch_retries(server, resource, number, connection):
    return server.patch(resource, {"max_retries": number % 100}, connection=connection)


def pause(server, resource, number, connection):
    reason = {"reason": f"reason {number}"}
    return server.post(f"{resource}/pause", reason, connection=connection)


SHOWN = {
    put_name: lambda job, number: job["name"] == f"name {number}",
    put_timeout: lambda job, number: job["timeout_ms"] == 1000 + number,
    patch_tags: lambda job, number: job["tags"] == [f"tag {number}"],
    patch_retries: lambda job, number: job["max_retries"] == number % 100,
    pause: lambda job, number: job["paused_reason"] == f"reason {number}",
}


@pytest.mark.parametrize(
    "changes",
    [
        (put_name, put_timeout),
        (put_name, pause),
        (patch_tags, patch_retries),
        tuple(SHOWN) * 4,  # More than the server would ever try again for one of them.
    ],
    ids=["put-put", "put-pause", "patch-patch", "twenty"],
)
def test_changes_of_one_job_side_by_side_are_all_there(server, changes):
    job = create_job(server, "http://127.0.0.1:4/")
    resource = f"/jobs/{job['id']}"
    together = Barrier(len(changes), timeout=60)

    def change_often(change):
        try:
            return change_and_look(change, server.connect())
        except BaseException:
            together.abort()  # The others would wait for ever.
            raise

    def change_and_look(change, connection):
        answers = []
        for number in range(ROUNDS):
            together.wait()
            answers.append(change(server, resource, number, connection))
            together.wait()
            if change is changes[0]:
                shown = expect(server.get(resource, connection=connection), 200).json
                assert all(SHOWN[c](shown, number) for c in changes), shown
        connection.close()
        return answers

    with ThreadPoolExecutor(len(changes)) as clients:
        answers = [a for share in clients.map(change_often, changes) for a in share]
    assert [a for a in answers if a.status != 200] == []
    versions = sorted(a.json["version"] for a in answers)
    assert versions == list(range(2, 2 + ROUNDS * len(changes)))  # One after the other.


def test_of_two_clients_that_named_the_version_one_is_told(server):
    job = create_job(server, "http://127.0.0.1:4/")
    resource = f"/jobs/{job['id']}"
    version = job["version"]
    for number in range(ROUNDS):
        together = Barrier(2)

        def change(member):
            together.wait()
            match = {"If-Match": f'"{version}"'}
            return server.patch(resource, {member: 1 + number}, headers=match)

        with ThreadPoolExecutor(2) as clients:
            answers = list(clients.map(change, ["max_retries", "jitter_ms"]))
        assert sorted(a.status for a in answers) == [200, 412], answers
        version = max(a.json["version"] for a in answers if a.status == 200)
