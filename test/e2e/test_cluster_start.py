# SPDX-License-Identifier: MIT
"""What keeps a node of a cluster from starting: one clear sentence, and nothing is written."""

import pytest
from harness.cluster import Cluster
from harness.jobs import expect
from harness.program import Program, run_to_end
from harness.wait import wait_until

LISTEN = ("--listen", "127.0.0.1:0")
TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


def refuse(url, *arguments):
    """The one error of a node that does not start."""
    end = run_to_end("serve", *LISTEN, "--db", url, *arguments)
    assert end.returncode in (1, 2), end
    errors = [line for line in end.stderr.splitlines() if " INFO " not in line]
    assert len(errors) == 1, end.stderr
    return errors[0]


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--role", "master"], "--role master: there are all, api, worker and executor"),
        (["--role", "worker"], "--role worker needs a database that nodes share"),
        (["--redis", "redis://127.0.0.1"], "--redis is for a cluster"),
        (["--db", "mysql://ann:s3cret@host/db"], "--db mysql://...: give the path of a file"),
        (["--db", "postgresql://h/d", "--node-name", "a b"], "--node-name: "),
        (["--lease-ttl", "1s"], "out of range 2000 to 60000 ms"),
        (["--lease-ttl", "61s"], "out of range 2000 to 60000 ms"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path, arguments, named):
    unused = {"CARILLON_DB": str(tmp_path / "unused.db")}
    end = run_to_end("serve", *LISTEN, *arguments, environment=unused)
    assert end.returncode == 2 and named in end.stderr, end
    assert len(end.stderr.splitlines()) == 1 and "s3cret" not in end.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_reached(tmp_path):
    words = refuse(f"postgresql://ann:s3cret@/carillon?host={tmp_path}")
    assert str(tmp_path) in words and "s3cret" not in words
    words = refuse("postgresql://ann:s3cret@127.0.0.1:1/carillon?passfile=/dev/null")
    assert "127.0.0.1" in words and "refused" in words and "s3cret" not in words
    words = refuse("postgresql://ann:s3cret@127.0.0.1:port/carillon")
    assert "s3cret" not in words


def test_a_database_of_another_program(postgres, cluster_url):
    name = cluster_url.split("/")[3].split("?")[0]
    postgres.ask("CREATE TABLE invoices (id int)", name)
    assert "another program" in refuse(cluster_url)
    assert postgres.ask(TABLES, name) == [["1"]]


def test_a_database_that_is_read_only(postgres, cluster_url):
    name = cluster_url.split("/")[3].split("?")[0]
    postgres.ask(f"ALTER DATABASE {name} SET default_transaction_read_only = on", "postgres")
    assert "read-only" in refuse(cluster_url)


def test_a_database_in_another_encoding(postgres):
    url = postgres.make_database("ascii", "ENCODING 'SQL_ASCII' TEMPLATE template0")
    assert "UTF-8" in refuse(url)
    assert postgres.ask(TABLES, "ascii") == [["0"]]


def test_a_database_with_another_number_of_shards(postgres, cluster_url):
    name = cluster_url.split("/")[3].split("?")[0]
    with Cluster(cluster_url, apis=0, workers=0, alls=1, balancer=False) as cluster:
        cluster.alls[0].stop()
    postgres.ask("UPDATE carillon SET shards = 16", name)
    words = refuse(cluster_url)
    assert "16 shards" in words and "256" in words


def test_two_nodes_of_one_name(cluster_url):
    """The first one goes on."""
    with Cluster(cluster_url, apis=0, workers=0, alls=1, balancer=False) as cluster:
        before = cluster.look()
        words = refuse(cluster_url, "--node-name", "all-1", "--lease-ttl", "2s")
        assert "all-1" in words and "name" in words
        after = cluster.look()
        assert [n["id"] for n in after["nodes"]] == [n["id"] for n in before["nodes"]]
        assert after["lease"]["held"]


def test_a_name_is_free_again_when_its_node_was_killed(cluster_url):
    with Cluster(cluster_url, apis=0, workers=0, alls=1, balancer=False) as cluster:
        cluster.alls[0].kill()
        cluster.alls[0].start()
        cluster.wait_until_shared()


def test_redis_that_is_down_is_warned_of(cluster_url, tmp_path):
    node = Program(
        *("serve", *LISTEN, "--log-format", "json"),
        *("--db", cluster_url, "--redis", f"unix://{tmp_path}/none"),
    )
    try:
        node.wait_until_listening()
        wait_until(lambda: node.get("/readyz").status == 200, 30, "the node is ready")
        wait_until(
            lambda: any(event["event"].startswith("redis.") for event in node.events()),
            30,
            "Redis is in the log",
        )
        expect(node.get("/cluster"), 200)
    finally:
        node.kill()
