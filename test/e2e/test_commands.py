# SPDX-License-Identifier: MIT
"""The commands beside the server: their help, their complaints, their exit codes."""

import re

import pytest
from harness.program import run_to_end

COMMANDS = (
    "serve",
    "demo",
    "cron",
    "cron next",
    "cron explain",
    "cron lint",
    "import",
    "import crontab",
    "tokens",
    "tokens create",
    "tokens list",
    "tokens revoke",
    "backup",
    "restore",
    "move",
    "doctor",
    "secrets",
    "secrets new-key",
    "secrets rotate",
)


# --- Help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_by_three_ways(command):
    words = command.split()
    ways = [[*words, "--help"], [*words, "-h"], ["help", *words]]
    first, *others = [run_to_end(*way) for way in ways]
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"Usage: carillon {command}")
    assert max(map(len, first.stdout.splitlines())) <= 90
    for other in others:
        assert (other.returncode, other.stdout) == (0, first.stdout)


def test_the_general_help_names_every_command():
    texts = {run_to_end(*way).stdout for way in (["--help"], ["-h"], ["help"])}
    (text,) = texts
    named = set(re.findall(r"^  (\w+) ", text, re.MULTILINE))
    assert {command.split()[0] for command in COMMANDS} <= named


def test_the_version_has_a_letter_too():
    assert run_to_end("-V").stdout == run_to_end("--version").stdout == run_to_end("version").stdout


# --- Did you mean? -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, meant",
    [
        (["serv"], "serve"),
        (["doc"], "doctor"),
        (["cron", "nxt"], "next"),
        (["secrets", "new-kye"], "new-key"),
        (["help", "bakcup"], "backup"),
        (["import", "crontb"], "crontab"),
        (["doctor", "--bd", "x"], "--db"),
        (["cron", "next", "--form", "x"], "--from"),
        (["import", "crontab", "--dryrun"], "--dry-run"),
        (["cron", "lint", "--sistem"], "--system"),
    ],
)
def test_a_misspelt_word_leads_to_the_right_one(arguments, meant):
    end = run_to_end(*arguments)
    assert (end.returncode, end.stdout) == (2, "")
    assert end.stderr.endswith(f"did you mean {meant}?\n")
    assert len(end.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"cron", "secrets", "serve", "demo"}))
def test_an_unknown_flag_leads_to_the_help(command):
    end = run_to_end(*command.split(), "--zzzzzz")
    assert end.returncode == 2
    assert "unknown flag --zzzzzz" in end.stderr and "--help)" in end.stderr


# --- carillon cron next --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression, why",
    [
        ("0 0 30 2 *", "no such date exists before 2200"),
        ("0 9 30W 2 *", "no such date exists before 2200"),
        ("0 0 0 1 1 * 2020", "all its dates are in the past"),
        ("2020-01-01T00:00:00Z", "this time is in the past"),
    ],
)
def test_what_never_runs_is_said_and_is_no_success(expression, why):
    end = run_to_end("cron", "next", expression)
    assert (end.returncode, end.stdout) == (1, "")
    assert why in end.stderr
    end = run_to_end("cron", "explain", expression)
    assert end.returncode == 0 and f"warning: it never runs: {why}" in end.stderr


def test_a_named_zone_is_shown_beside_utc():
    flags = ("--from", "2027-03-27T12:00:00Z", "--count", "2")
    end = run_to_end("cron", "next", "0 9 * * *", "--tz", "Europe/Berlin", *flags)
    assert end.returncode == 0
    assert end.stdout.splitlines() == [
        "2027-03-28T07:00:00Z  2027-03-28T09:00:00+02:00",
        "2027-03-29T07:00:00Z  2027-03-29T09:00:00+02:00",
    ]
    end = run_to_end("cron", "next", "0 9 * * *", *flags)
    assert end.stdout.splitlines() == ["2027-03-28T09:00:00Z", "2027-03-29T09:00:00Z"]


def test_words_without_quotes_are_told_with_them():
    end = run_to_end("cron", "next", "0", "9", "*", "*", "MON-FRI")
    assert end.returncode == 2 and "quote it: '0 9 * * MON-FRI'" in end.stderr
    end = run_to_end("cron", "explain", "0", "9", "a.txt", "b.txt", "MON-FRI")
    assert end.returncode == 2 and "quote it: '* * * * *'" in end.stderr


def test_names_of_files_among_the_fields_are_the_shells_work(tmp_path):
    (tmp_path / "demo").touch()
    end = run_to_end("cron", "next", "0 9 demo demo MON", folder=tmp_path)
    assert end.returncode == 2 and "has the shell replaced a star by names of files?" in end.stderr
    assert "the shell" not in run_to_end("cron", "next", "0 9 demo demo MON").stderr


def test_a_range_is_expected_once():
    end = run_to_end("cron", "next", "x * * * *")
    assert end.stderr.count("expected") == 1 and end.stderr.count("0-59") == 1


# --- carillon secrets ----------------------------------------------------------------------------


def test_a_new_key_is_a_line_for_the_file_of_keys(tmp_path):
    first, second = [run_to_end("secrets", "new-key") for _ in range(2)]
    assert first.returncode == 0 and first.stdout != second.stdout
    assert re.fullmatch(r"\d{8}-[0-9a-f]{8}:[A-Za-z0-9+/]{43}=\n", first.stdout)
    assert run_to_end("secrets").returncode == 2


# --- carillon doctor -----------------------------------------------------------------------------


def test_the_doctor_finds_the_database_as_the_backup_does(fleet, database, tmp_path):
    fleet.serve(database).stop()
    variable = {"CARILLON_DB": str(database)}
    for arguments, environment in (
        ([database], {}),
        (["--db", database], {}),
        ([], variable),
        (["--db", database], {"CARILLON_DB": "/no/such/file"}),
    ):
        end = run_to_end("doctor", *arguments, environment=environment)
        assert end.returncode == 0 and end.stdout.endswith(f"{database} is sound\n")
    end = run_to_end("doctor", "--db", database, database)
    assert end.returncode == 2 and "one file is expected" in end.stderr
    end = run_to_end("doctor", environment={"CARILLON_DB": "/no/such/file"})
    assert end.returncode == 2 and "/no/such/file" in end.stderr
    assert run_to_end("backup", tmp_path / "copy.db", environment=variable).returncode == 0


def test_a_folder_and_an_empty_name_are_no_database(tmp_path):
    backup = tmp_path / "backup.db"
    assert "the database's path is empty" in run_to_end(
        "serve", "--listen", "127.0.0.1:0", "--db", "", folder=tmp_path
    ).stderr
    end = run_to_end("restore", backup, "--db", "", folder=tmp_path)
    assert end.returncode == 1 and "the database's path is empty" in end.stderr
    end = run_to_end("doctor", tmp_path)
    assert end.returncode == 2 and "this is no file but a folder" in end.stderr
    assert list(tmp_path.iterdir()) == []
