# SPDX-License-Identifier: MIT
"""A command that becomes a job calls what /bin/sh would have called, and calls it once.

Commands are put together at random, from a seed, of what people write around a call. Those that an
import takes are run by /bin/sh with a curl that only writes its arguments down. The job must be the
one that a plain call with these arguments becomes.
"""

import os
import random
import re
import shlex
import subprocess

import pytest
from harness.jobs import expect

COMMANDS = 200
VARIABLES = {"X": "val x", "Y": "why", "E": "", "O": "-s -S"}
CURL = "#!/bin/sh\nprintf '%s\\0' $# \"$@\" >> \"$RECORD\"\n"
SUDO = '#!/bin/sh\nshift 2\nexec "$@"\n'  # sudo -u USER COMMAND
LOGGER = "#!/bin/sh\ncat > /dev/null\n"

# fmt: off
WORDS = ["a", "'a b'", '"a b"', '"$X"', "$X", "${Y}", '"${Y}z"', "'$X'", "\\$X", "a\\ b",
         '"a\\"b"', "it\\'s", "''", '""', "$E", '"$E"', "x#y", "$", "5$", '"$"', "A=$Y", '"a  b"$X',
         "*", "{a,b}", '"a;b|c&d>e"', "'(x)'", "\\(x\\)", "é", '"\\n"', '"\\\\"']
URLS = ["http://h/a", "'http://h/a?x=1&y=2'", '"http://h/$Y"', "http://h/$Y$E", "http://h/\\$",
        "http://h/'q'"]
REDIRECTIONS = ["", "", "", "> /dev/null", ">/dev/null 2>&1", "2>&1", ">> l.log", ">| /dev/null",
                "> x.log", "2>/dev/null", "1>>l.log", "2>&1 >l.log", "</dev/null", "> out.json"]
WRAPPERS = [*[""] * 6, "nice ", "nice -n 5 ", "env ", "timeout 5 ", "timeout -k 1 5s ", "LANG=C ",
            "sudo -u x ", "nohup ", "X=inner ", "flock -n lock "]
BESIDE = ["true", ":", "echo hi", 'echo "$X; x"', "cd /tmp", "sleep 0", "date", "X=loc",
          'X="l o c"', "export Y=exp", "umask 022", "echo a > /dev/null", "logger x", "Z=$X",
          "echo $(date) `date`"]
OTHERWISE = ["true", "echo no", "exit 1", "{ echo x; exit 1; }", "(false; curl http://other/)",
             "curl http://other/", 'echo "$(date)" | cat']
OUTPUTS = ["cat", "logger", "tee -a l.log", "cat > /dev/null"]
# fmt: on


class Author:
    """Writes commands."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def option(self):
        value = self.dice.choice(["b", "$X", "c d"])
        header = f'-H "A{self.dice.randrange(99)}: {value}"'
        flag = self.dice.choice(["-d ", "-A "]) + self.dice.choice(WORDS)
        return self.dice.choice(["-s", "-fsS", flag, flag, header, "-X POST", "$O", "-o /dev/null"])

    def call(self):
        parts = [self.option() for _ in range(self.dice.randrange(4))]
        parts.append(self.dice.choice(URLS))
        self.dice.shuffle(parts)
        call = self.dice.choice(WRAPPERS) + "curl " + " ".join(parts)
        quoted = re.sub(r'([\\"$])', r"\\\1", call)
        scripts = [f"sh -c {shlex.quote(call)}", f'sh -c "{quoted}"']
        call = self.dice.choice([*[call] * 6, *scripts])
        return f"{call} {self.dice.choice(REDIRECTIONS)}"

    def command(self):
        text = self.call()
        for _ in range(self.dice.choice([0, 0, 0, 1, 1, 2])):
            beside, then = self.dice.choice(BESIDE), self.dice.choice([" ; ", ";", " && "])
            shapes = [
                f"{beside}{then}{text}",
                f"{text}{then}{beside}",
                f"{text} || {self.dice.choice(OTHERWISE)}",
                f"( {text} ) {self.dice.choice(REDIRECTIONS)}",
                f"{{ {text}; }} {self.dice.choice(REDIRECTIONS)}",
                f"{text} # {self.dice.choice(WORDS)}",
                f"{text} | {self.dice.choice(OUTPUTS)}",
                f"{beside} || exit 1; {text}",
            ]
            text = self.dice.choice(shapes)
        return text


def jobs_of(server, commands):
    """What each command becomes, by its place in the list, if it becomes a job."""
    text = "".join(f"{name}={value}\n" for name, value in VARIABLES.items())
    text += "".join(f"* * 1 1 * {command}\n" for command in commands)
    answer = server.post("/import", text.encode(), headers={"Content-Type": "text/x-crontab"})
    results = expect(answer, 200).json["results"][len(VARIABLES) :]
    jobs = {job["id"]: job for job in expect(server.get("/jobs?limit=500"), 200).json["jobs"]}
    members = ("method", "api", "headers", "body", "timeout_ms", "max_retries")
    return {
        place: [jobs[result["id"]][member] for member in members]
        for place, result in enumerate(results)
        if result["status"] == "created"
    }


@pytest.fixture
def shell(tmp_path):
    """Runs a command by /bin/sh and returns the arguments of each call of curl."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in ("curl", CURL), ("sudo", SUDO), ("logger", LOGGER):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    record = tmp_path / "record"

    def run(command):
        record.write_bytes(b"")
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(record)}
        subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=tmp_path,
            env={**VARIABLES, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
        texts = record.read_bytes().decode().split("\0")[:-1]
        calls = []
        while texts:
            count = int(texts.pop(0))
            calls.append([texts.pop(0) for _ in range(count)])
        return calls

    return run


@pytest.mark.parametrize("seed", range(2))
def test_a_job_calls_what_a_shell_would_call(server, shell, seed):
    author = Author(seed)
    commands = [author.command() for _ in range(COMMANDS)]
    jobs = jobs_of(server, commands)
    assert len(jobs) > COMMANDS // 4
    plain = []
    for place in jobs:
        calls = shell(commands[place])
        assert len(calls) == 1, commands[place]
        wrapped = "timeout 5 " if re.search(r"\btimeout\b", commands[place]) else ""
        plain.append(wrapped + "curl " + shlex.join(calls[0]))
    again = jobs_of(server, plain)
    for number, place in enumerate(jobs):
        assert again.get(number) == jobs[place], (commands[place], plain[number])
