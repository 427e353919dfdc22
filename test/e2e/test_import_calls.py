# SPDX-License-Identifier: MIT
"""A command of a crontab and the job that it becomes send the same request.

Each command is run by /bin/sh as cron would, with the curl or wget of this machine, and then
imported and triggered. The target must see the same method, path, body and headers, but for what
each sender says about itself.
"""

import os
import re
import shutil
import subprocess
from urllib.parse import quote

import pytest
from harness.jobs import expect, trigger, wait_for_end

CURL = [
    "curl {url}",
    "curl -fsS -o /dev/null '{url}?a=1&b=2' > /dev/null 2>&1",
    "curl -X POST {url}",
    "curl -sXDELETE {url} -o-",
    "curl -d a=1 -d 'b=2 3' --data-raw @x --data-binary '\"c\"' {url}",
    "curl -d '' {url}",
    "curl -X PUT -H 'Content-Type: text/plain' -H X-One:1 -H 'X-None;' -d \"it's\" {url}",
    "curl -d x -H 'Content-Type: application/json' -H Accept:text/html {url}",
    "curl --data-urlencode 'a b&c/d~e' --data-urlencode =x=y --data-urlencode 'n=ü \"' {url}",
    "curl -G -d a=1 --data-urlencode 'b=c d' {url}",
    "curl -G -d a=1 '{url}?x=y'",
    "curl --json '{{\"a\": 1}}' {url}",
    "curl --json 1 --json 2 -H 'Accept: x/y' {url}",
    "curl -u 'user:pass word' -A agent/1 -e http://from/ -b k=v {url}",
    "curl -u a: {url}",
    "curl -d 100\\% {url}",
    "curl -d '\\%{{x\\}}' {url}",
    "curl -d @- {url}%one%two \\% three",
    "curl --data-binary @- {url}%one%two \\% three\\",
    "curl --data-urlencode in@- {url}%a b%",
    "curl -d a\\ b\\'c\"d\\\"e\\\\f\"'g\\h' {url} # -d no",
    "curl -d $ -d 5$. -d \"$\" -d a~b -d *? {url}",
    "curl -g '{url}{{a}}[1]'",
    "curl -m 20 --retry 1 -- {url}",
    "curl -L -r 0-3 --tlsv1.2 --http1.1 -4 {url}",
    "curl -s {url} >> x.log 2>&1 || true",
    "cd / && sleep 0; (curl -s {url}; echo done)",
    "LANG=C env X=1 nice -n 19 timeout 20s sh -c 'curl -sd \"5$\" {url}'",
    "X='a  b'; curl -d \"$X\" -H X-One:1 {url}",
    "X='-X PUT -d'; curl $X y {url}",
    "curl {url}a/../b/./c?x=../y",
    "curl --path-as-is {url}a/../b",
    "curl '{url}x?y=1#part' -o x.log",
    "curl http://us\\%20er:p\\%40ss@{host}x",
    "curl '{url}ü?q=서울'",
    "curl -I {url}",
    "curl -sI -G -d a=b {url}",
    "curl -X OPTIONS {url}",
    "curl -X OPTIONS -d x {url}",
    "curl -H 'Host: b.example:81' {url}",
    "curl -H 'Title: Über ✓' {url}",
]
WGET = [
    "wget -qO- {url}",
    "wget -q -O /dev/null '{url}?a=1&b=2' --tries=1 -T 10",
    "wget -nv -O- --post-data='a=1&b=2' {url} > /dev/null 2>&1",
    "wget -qO- --post-data= {url}",
    "wget -qO- --method=PUT --body-data 'x y' --header='X-One: 1' --header 'A: b' {url}",
    "wget -qO- --method=DELETE {url}",
    "wget -qO- -U agent/1 --referer=http://from/ {url}",
    "wget -qO- --user=a --password=b --auth-no-challenge {url}",
    "wget -qO- --no-cache {url}",
    "wget -q --spider {url}",
    "wget -qO- --header 'Host: b.example' {url}",
    "wget -q --delete-after -N -o /dev/null {url}",
    "wget -qO- '{url}a/../b/./x y|z{{}}?q=a b&r=\\%zz\\%20#part'",
    "wget -qO- '{url}\\%7ea/\\%2e\\%2e/b?\\%41=\\%2f\\%3F'",
    "wget -qO- '{url}ü?q=서울'",
    "wget -qO- --method=post --body-data=x {url}",
]
REDIRECTED = [
    "curl -L {url}",
    "curl -sIL {url}",
    "curl -L -d a=1 {url}",
    "curl -L -u a:b -H 'X-One: 1' {url}",
    "wget -qO- {url}",
    "wget -qO- --post-data=a=1 {url}",
    "wget -q --spider {url}",
]
# What a sender says about itself or its connection.
OWN = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}
GIVEN = {"agent/1", "application/json", "text/html", "x/y", "b.example", "b.example:81"}
CARILLONS = {"idempotency-key", "traceparent"}


def run_as_cron(command, folder):
    """The text up to the first percent sign that no backslash protects, with the rest as input."""
    at = 0
    while at < len(command) and command[at] != "%":
        at += 2 if command[at] == "\\" else 1
    script, rest = command[:at].replace("\\%", "%"), command[at + 1 :]
    text = rest.replace("\\%", "\0").replace("%", "\n").replace("\0", "%")
    if text and not text.endswith("\n"):
        text += "\n"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    subprocess.run(
        ["/bin/sh", "-c", script],
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        timeout=30,
        check=True,
    )


def said(arrival):
    """The headers that the command asked for."""
    return {
        name: value
        for name, value in arrival.headers.items()
        if not name.startswith(("carillon-", "webhook-")) and name not in CARILLONS
        if name not in OWN or value in GIVEN
    }


def encoded(path):
    """A job and wget send the codes of what is not ASCII, curl mostly the bytes."""
    quoted = quote(path.encode("latin-1"), safe="".join(map(chr, range(128))))
    return re.sub("%[0-9a-f]{2}", lambda code: code[0].upper(), quoted)


def send_both(shared_server, shared_target, folder, command, path, mark):
    """What arrives at paths with the mark when the job of the command runs, and when cron does."""
    url = shared_target.url(path)
    command = command.format(url=url, host=url.removeprefix("http://"))
    line = f"* * 1 1 * {command}\n".encode()
    answer = shared_server.post("/import", line, headers={"Content-Type": "text/x-crontab"})
    (result,) = expect(answer, 200).json["results"]
    if result["status"] == "not_convertible":
        pytest.fail(f"{command}: {result['reason']}")
    assert result["status"] == "created", result
    wait_for_end(shared_server, trigger(shared_server, result), 10)
    ours = [a for a in shared_target.arrivals() if mark in a.path]
    run_as_cron(command, folder)
    return ours, [a for a in shared_target.arrivals() if mark in a.path][len(ours) :]


def check_same(shared_server, shared_target, folder, command, path, mark=None, count=1):
    both = send_both(shared_server, shared_target, folder, command, path, mark or path)
    assert [len(arrivals) for arrivals in both] == [count, count]
    for ours, theirs in zip(*both, strict=True):
        assert (ours.method, ours.body) == (theirs.method, theirs.body)
        assert encoded(ours.path) == encoded(theirs.path)
        assert said(ours) == said(theirs)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("number", range(len(CURL)))
def test_a_job_sends_what_curl_sends(shared_server, shared_target, tmp_path, number):
    check_same(shared_server, shared_target, tmp_path, CURL[number], f"/ok/curl{number}/")


@pytest.mark.skipif(not shutil.which("wget"), reason="wget is not installed")
@pytest.mark.parametrize("number", range(len(WGET)))
def test_a_job_sends_what_wget_sends(shared_server, shared_target, tmp_path, number):
    check_same(shared_server, shared_target, tmp_path, WGET[number], f"/ok/wget{number}/")


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("wget"), reason="not installed")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("number", range(len(REDIRECTED)))
def test_a_job_goes_where_it_is_sent(shared_server, shared_target, tmp_path, number, status):
    mark = f"redirected-{number}-{status}"
    command, path = REDIRECTED[number], f"/redirect/{status}/redirect/{status}/ok/{mark}"
    check_same(shared_server, shared_target, tmp_path, command, path, mark, count=3)


def test_a_job_goes_no_further_than_told(shared_server, shared_target, tmp_path):
    path = "/redirect/302/redirect/302/ok/told"
    command = "wget -q --max-redirect=1 {url} || true"
    ours, theirs = send_both(shared_server, shared_target, tmp_path, command, path, "told")
    assert [a.path for a in ours] == [a.path for a in theirs] == [path, "/redirect/302/ok/told"]
