# SPDX-License-Identifier: MIT
"""Jobs and executions through the API, one or many at a time."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from .times import NEVER_SOON
from .wait import wait_until

TERMINAL = {"SUCCESS", "FAILED", "MISSED", "CANCELLED", "SKIPPED"}
CONNECTIONS = 8
LIMIT_MAX = 500


def expect(response, status):
    assert response.status == status, response
    return response


def create_job(server, api, schedule=NEVER_SOON, **fields):
    """The job as the API answers it. By default it never fires, only when triggered."""
    body = {"schedule": schedule, "api": api, **fields}
    return expect(server.post("/jobs", body), 201).json


def for_each(server, items, act):
    """[act(connection, item), ...] on a few connections at a time; in the order of `items`."""

    def act_on_share(first):
        connection = server.connect()
        try:
            return [act(connection, item) for item in items[first::CONNECTIONS]]
        finally:
            connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [list(reversed(share)) for share in pool.map(act_on_share, range(CONNECTIONS))]
    return [shares[i % CONNECTIONS].pop() for i in range(len(items))]


def create_jobs(server, bodies):
    def create(connection, body):
        return expect(server.post("/jobs", body, connection=connection), 201).json

    return for_each(server, bodies, create)


def pause_jobs(server, jobs):
    """The jobs as they are after all of them were paused."""

    def pause(connection, job):
        response = server.post(f"/jobs/{job['id']}/pause", connection=connection)
        return expect(response, 200).json

    return for_each(server, jobs, pause)


def trigger(server, job, body=None):
    """The id of the execution that was asked for."""
    return expect(server.post(f"/jobs/{job['id']}/trigger", body), 202).json["execution_id"]


def get_execution(server, execution_id, connection=None):
    return expect(server.get(f"/executions/{execution_id}", connection=connection), 200).json


def wait_for_end(server, execution_id, seconds):
    """The execution once it is terminal. It may not even be planned yet."""

    def ended():
        response = server.get(f"/executions/{execution_id}")
        if response.status == 404:
            return None
        execution = expect(response, 200).json
        return execution if execution["status"] in TERMINAL else None

    return wait_until(ended, seconds, f"execution {execution_id} has ended")


def list_executions(server, job, connection=None, **filters):
    """Every execution of the job which the filters let through, newest first, page by page."""
    executions = []
    filters.setdefault("limit", LIMIT_MAX)
    while True:
        path = f"/jobs/{job['id']}/executions?{urlencode(filters)}"
        page = expect(server.get(path, connection=connection), 200).json
        executions += page["executions"]
        if not page.get("next_cursor"):
            return executions
        filters["cursor"] = page["next_cursor"]


def executions_of(server, jobs):
    """{job id: its executions, oldest first}."""

    def of_one(connection, job):
        return job["id"], list_executions(server, job, connection)[::-1]

    return dict(for_each(server, jobs, of_one))
