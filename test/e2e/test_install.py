# SPDX-License-Identifier: MIT
"""`make install`: what it leaves, that it names the right folder, and that the pages are whole."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.program import BINARY, run_to_end

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Under a prefix of its own, with the program under test instead of one that make builds."""
    target = tmp_path_factory.mktemp("install")
    tree = target / "tree"
    tree.mkdir()
    for name in ("Makefile", "LICENSE", "README.md", "CHANGELOG.md", "VERSION", "deploy", "docs"):
        (tree / name).symlink_to(ROOT / name)
    (tree / "build").mkdir()
    shutil.copy(BINARY, tree / "build" / "carillon")
    place = (f"DESTDIR={target}", "PREFIX=/opt/bells")
    command = ["make", "-s", "-o", "build", "-o", "build/carillon", "install", *place]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    subprocess.run(command, cwd=tree, env=environment, check=True, timeout=60)
    return target / "opt" / "bells"


def documented_files():
    table = (ROOT / "docs" / "install.md").read_text().partition("| installed | what |")[2]
    return re.findall(r"^\| `([^`]+)` \|", table.partition("\n\n")[0], re.MULTILINE)


def test_what_is_installed_is_what_the_document_says(installed):
    files = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    documented = documented_files()
    assert len(documented) == 5
    for name in documented:
        assert name in files or any(file.startswith(f"{name}/") for file in files), name
    assert all(file.startswith(tuple(documented)) for file in files)
    assert os.access(installed / "bin" / "carillon", os.X_OK)


def test_the_unit_runs_the_installed_program_with_settings_that_exist(installed):
    text = (installed / "lib/systemd/system/carillon.service").read_text()
    (start,) = re.findall(r"^ExecStart=(\S+) serve$", text, re.MULTILINE)
    assert start == "/opt/bells/bin/carillon"
    assert "/usr/local" not in text
    variables = set(re.findall(r"^Environment=(\w+)=", text, re.MULTILINE))
    known = (ROOT / "docs" / "configuration.md").read_text()
    assert variables and all(f"`{name}`" in known for name in variables)


def test_the_manual_page_names_every_command(installed):
    page = (installed / "share/man/man1/carillon.1").read_text()
    plain = page.replace("\\-", "-")
    commands = re.findall(r"^  (\w+) +\S", run_to_end("help").stdout, re.MULTILINE)
    assert len(commands) > 8
    for command in commands:
        assert re.search(rf"^\.B {command}\b", plain, re.MULTILINE), command
        assert re.search(rf"^\.B carillon {command}\b", plain, re.MULTILINE), command
    assert "/usr/local" not in page


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_completion_offers_commands_and_flags(installed):
    script = installed / "share/bash-completion/completions/carillon"

    def offered(*words):
        code = f"""
            source {script}
            COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _carillon
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        path = f"{installed / 'bin'}:{os.environ['PATH']}"
        end = subprocess.run(
            ["bash", "-c", code], capture_output=True, text=True, env={"PATH": path}, timeout=60
        )
        return end.stdout.split()

    assert offered("carillon", "ba") == ["backup"]
    assert offered("carillon", "cron", "n") == ["next"]
    assert offered("carillon", "serve", "--log-l") == ["--log-level"]
    assert offered("carillon", "serve", "--log-level", "w") == ["warn"]
    assert offered("carillon", "cron", "next", "--co") == ["--count"]
    assert "Europe/Paris" in offered("carillon", "cron", "next", "--tz", "Europe/Pa")
