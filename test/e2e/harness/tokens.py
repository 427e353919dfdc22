# SPDX-License-Identifier: MIT
"""Tokens, made and revoked on the command line, and a cluster that asks for them."""

from harness.cluster import Cluster
from harness.jobs import expect
from harness.program import run_to_end


def make_token(database, scope, *flags, name=None):
    what = ("--name", name or scope, "--scope", scope, *flags)
    end = run_to_end("tokens", "create", *what, "--db", database)
    assert end.returncode == 0, end
    return end.stdout.strip()


def revoke(database, name):
    assert run_to_end("tokens", "revoke", name, "--db", database).returncode == 0


def by(token):
    return {"Authorization": f"Bearer {token}"}


class TokenCluster(Cluster):
    """One whose harness has a token."""

    def __init__(self, url, token, **options):
        super().__init__(url, **options)
        self.token = token

    def seen_by(self, node):
        return expect(node.get("/cluster", headers=by(self.token)), 200).json
