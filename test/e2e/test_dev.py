# SPDX-License-Identifier: MIT
"""`./dev` on machines that lack things: what it says, what it installs, whose files it leaves.

It runs a copy of `dev` in a folder of its own, with a PATH that holds the few commands that it may
use. Those that would change the machine are stubs which note how they were called.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REAL = "sh env dirname basename cat mktemp rm find head stat nproc grep cut setpriv getent".split()


class Machine:
    """`user`: the id of whoever runs ./dev there."""

    def __init__(self, folder, user=0):
        self.bin = folder / "bin"
        self.home = folder / "carillon"
        self.home.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "dev", self.home)
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name))
        self.stub("id", f"echo {user}")
        for name in ("gcc", "make", "pkg-config"):
            self.stub(name, f'echo "{name} $*" >>"$CALLS"')
        self.calls = folder / "calls"
        self.calls.touch()

    def stub(self, name, script):
        path = self.bin / name
        path.unlink(missing_ok=True)  # It may lead to the machine's own program.
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def dev(self, *arguments, **variables):
        paths = {"PATH": self.bin, "CALLS": self.calls, "TMPDIR": self.home}
        return subprocess.run(
            ["./dev", *arguments],
            cwd=self.home,
            env={**{name: str(path) for name, path in paths.items()}, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_what_apt_says_is_shown_only_when_it_fails(machine):
    many_lines = "i=0; while [ $i -lt 500 ]; do echo Unpacking; i=$((i+1)); done"
    machine.stub("apt-get", f'echo "apt-get $*" >>"$CALLS"; {many_lines}')
    machine.stub("pkg-config", "exit 1")
    end = machine.dev("build")
    assert end.returncode == 0, end
    assert end.stderr.startswith("dev: installing what is missing:")
    assert "libcurl4-openssl-dev" in end.stderr and "libsqlite3-dev" in end.stderr
    assert len((end.stdout + end.stderr).splitlines()) <= 3
    calls = machine.calls.read_text().splitlines()
    assert calls[0] == "apt-get -qq update"
    assert calls[1].startswith("apt-get -qq -y --no-install-recommends install ")
    assert calls[2].startswith("make -s ")

    machine.stub("apt-get", "echo E: Unable to locate package; exit 100")
    end = machine.dev("build")
    assert end.returncode == 1
    assert "E: Unable to locate package" in end.stderr and "could not install:" in end.stderr


def test_servers_that_are_installed_for_tests_do_not_run(tmp_path):
    """Debian would start them at once, and at each boot."""
    machine = Machine(tmp_path, user=os.getuid() or 1000)
    policy = tmp_path / "policy-rc.d"
    script = (machine.home / "dev").read_text().replace("/usr/sbin/policy-rc.d", str(policy))
    (machine.home / "dev").write_text(script.replace("/usr/lib/postgresql/", f"{tmp_path}/"))
    machine.stub("pkg-config", "exit 1")
    note = f'[ ! -e {policy} ] || echo "held while:" >>"$CALLS"; echo "$*" >>"$CALLS"'
    machine.stub("sudo", f'{note}; [ "$1" = systemctl ] || "$@"')
    for name in ("tee", "chmod"):
        (machine.bin / name).symlink_to(shutil.which(name))
    for name in ("apt-get", "systemctl"):
        machine.stub(name, "")
    machine.dev("mutants")
    assert not policy.exists()
    calls = machine.calls.read_text().splitlines()
    (install,) = [n for n, call in enumerate(calls) if " install " in call]
    (disable,) = [n for n, call in enumerate(calls) if "disable" in call]
    assert calls[install - 1] == "held while:" and "redis-server" in calls[disable]
    assert install < disable < calls.index(f"rm -f {policy}")

    machine.calls.write_text("")
    policy.write_text("of the machine's owner")
    machine.dev("mutants")
    assert policy.read_text() == "of the machine's owner"
    machine.calls.write_text("")
    machine.dev("build")
    assert "systemctl" not in machine.calls.read_text()


def test_the_demo_brings_what_its_banner_tells_to_type(machine):
    machine.stub("apt-get", 'echo "apt-get $*" >>"$CALLS"')
    (machine.home / "build").mkdir()
    (machine.home / "build" / "carillon").symlink_to(shutil.which("true"))
    assert machine.dev("demo").returncode == 0
    assert " curl" in machine.calls.read_text()
    machine.stub("curl", "")
    machine.calls.write_text("")
    assert machine.dev("demo").returncode == 0
    assert " curl" not in machine.calls.read_text()


def test_who_has_no_rights_is_told_a_line_that_works(tmp_path):
    machine = Machine(tmp_path, user=os.getuid() or 1000)
    machine.stub("pkg-config", "exit 1")
    machine.stub("apt-get", 'echo called >>"$CALLS"')
    end = machine.dev("build")
    assert end.returncode == 1
    assert "as root, run: apt-get update && apt-get install " in end.stderr
    assert machine.calls.read_text() == ""


def test_a_build_of_another_user_is_named_with_its_remedy(tmp_path):
    machine = Machine(tmp_path, user=os.getuid() + 1)
    (machine.home / "build" / "release").mkdir(parents=True)
    end = machine.dev("build")
    assert end.returncode == 1
    assert f"sudo rm -rf {machine.home}/build" in end.stderr
    assert "make -s" not in machine.calls.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_by_sudo_only_what_is_missing_is_roots():
    """The folder is a user's; root's files in it would be in that user's way."""
    caller = 65534
    with tempfile.TemporaryDirectory() as folder:  # One that the caller can reach, unlike tmp_path.
        machine = Machine(Path(folder))
        machine.stub("id", f"exec {shutil.which('id')} $*")
        machine.stub("make", 'echo "make as $(id -u)" >>"$CALLS"')
        for path in (folder, machine.home, machine.home / "dev", machine.calls):
            os.chown(path, caller, caller)
        end = machine.dev("build", SUDO_UID=str(caller), SUDO_GID=str(caller))
        assert end.returncode == 0, end
        assert machine.calls.read_text().endswith(f"make as {caller}\n")


def test_one_test_is_built_and_run_by_its_name(machine):
    end = machine.dev("test", "unit/no/such_test")
    assert end.returncode == 1 and "test/unit/no/such_test" in end.stderr
    end = machine.dev("test", "--what")
    assert end.returncode == 1 and "the name of a test" in end.stderr
