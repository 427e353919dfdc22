# SPDX-License-Identifier: MIT
"""The receivers of docs/receivers.md, run as they stand there, on requests of a server."""

import base64
import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from harness.jobs import create_job, trigger, wait_for_end
from harness.keys import new_keys, sealing

DOCUMENT = Path(__file__).parents[2] / "docs" / "receivers.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def block(language):
    (only,) = blocks(language)
    return only


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """[(secret, headers, body, whether it is to be believed), ...] of a request that was sent."""
    from harness.program import Program, server_arguments
    from harness.target import Target

    folder = tmp_path_factory.mktemp("receivers")
    arguments = server_arguments(folder / "c.db", *sealing(new_keys(folder / "keys")))
    server = Program(*arguments).wait_until_listening()
    try:
        with Target() as target:
            body = {"text": "gr\u00fc\u00dfe"}
            job = create_job(server, target.url("/ok/a"), signing=["new-ed25519", "new"], body=body)
            assert wait_for_end(server, trigger(server, job), 30)["status"] == "SUCCESS"
            arrival = target.arrivals("/ok/a")[0]
    finally:
        server.kill()
    secret, headers = job["signing"][1]["secret"], arrival.headers
    late = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
    return [
        (secret, headers, arrival.body, True),
        (secret, headers, arrival.body + b" ", False),
        (secret, {**headers, "webhook-id": "9-m9"}, arrival.body, False),
        (secret, late, arrival.body, False),
        ("whsec_" + "A" * 32, headers, arrival.body, False),
        (secret, {**headers, "webhook-signature": "v1,"}, arrival.body, False),
    ]


def as_json(cases):
    return json.dumps([[s, h, base64.b64encode(b).decode()] for s, h, b, _ in cases])


def run(command, folder, text=""):
    if not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]} here")
    end = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, timeout=600
    )
    assert end.returncode == 0, end.stderr
    return end.stdout


def expected(cases):
    return [believed for *_, believed in cases]


# --- Python --------------------------------------------------------------------------------------


def python():
    scope = {}
    exec(block("python"), scope)
    return scope


def test_the_receiver_in_python_verifies(cases):
    verify = python()["verify"]
    assert [verify(s, h, b) for s, h, b, _ in cases] == expected(cases)


def test_the_receiver_in_python_does_the_work_once_and_for_the_newest_sender(cases):
    begin = python()["begin"]
    db = sqlite3.connect(":memory:")
    db.executescript(block("sql"))
    headers = cases[0][1]
    steps = [
        ("1-1", 5, None),
        ("1-1", 5, 200),  # Again.
        ("1-2", 7, None),  # After a start.
        ("1-3", 6, 409),  # Of the server before it.
        ("1-3", 7, None),
        ("1-1", 8, 200),
    ]
    for id, fence, answer in steps:
        came = {**headers, "webhook-id": id, "carillon-fence": str(fence)}
        assert begin(db, came) == answer, (id, fence)


# --- JavaScript ----------------------------------------------------------------------------------

NODE_MAIN = """
const cases = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(cases.map(([s, h, b]) => verify(s, h, Buffer.from(b, "base64")))));
"""

# A database of two tables, which knows the two statements.
NODE_BEGIN = """
const fences = new Map(), seen = new Set();
async function run(statement, values) {
  if (statement.startsWith("INSERT INTO carillon_seen")) {
    if (seen.has(values[0])) return { rowCount: 0 };
    seen.add(values[0]);
    return { rowCount: 1 };
  }
  const [job, fence] = values.map(Number);
  if ((fences.get(job) ?? 0) > fence) return { rowCount: 0 };
  fences.set(job, fence);
  return { rowCount: 1 };
}
(async () => {
  const answers = [];
  for (const [id, fence] of [["1", 5], ["1", 5], ["2", 7], ["3", 6], ["3", 7]])
    answers.push(await begin(run, {
      "webhook-id": id, "carillon-fence": `${fence}`, "carillon-job": "1"
    }));
  console.log(JSON.stringify(answers));
})();
"""


def test_the_receiver_in_javascript_verifies(cases, tmp_path):
    (tmp_path / "main.js").write_text(block("javascript") + NODE_MAIN)
    assert json.loads(run(["node", "main.js"], tmp_path, as_json(cases))) == expected(cases)


def test_the_receiver_in_javascript_does_the_work_once(tmp_path):
    (tmp_path / "main.js").write_text(block("javascript") + NODE_BEGIN)
    assert json.loads(run(["node", "main.js"], tmp_path)) == [None, 200, None, 409, None]


# --- Go ------------------------------------------------------------------------------------------

GO_MAIN = """package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	var cases [][]any
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		h := http.Header{}
		for name, value := range c[1].(map[string]any) {
			h.Set(name, value.(string))
		}
		body, _ := base64.StdEncoding.DecodeString(c[2].(string))
		fmt.Println(Verify(c[0].(string), h, body))
	}
}
"""


def test_the_receiver_in_go_verifies(cases, tmp_path):
    (tmp_path / "receiver.go").write_text("package main\n\n" + block("go"))
    (tmp_path / "main.go").write_text(GO_MAIN)
    said = run(["go", "run", "main.go", "receiver.go"], tmp_path, as_json(cases))
    assert [line == "true" for line in said.split()] == expected(cases)


# --- Java ----------------------------------------------------------------------------------------

JAVA_MAIN = """
class Main {
    public static void main(String[] words) throws Exception {
        java.util.Map<String, String> headers = new java.util.HashMap<>();
        for (int i = 2; i < words.length; i += 2)
            headers.put(words[i], words[i + 1]);
        byte[] body = Base64.getDecoder().decode(words[1]);
        System.out.println(Carillon.verify(words[0], headers, body));
    }
}
"""


def test_the_receiver_in_java_verifies(cases, tmp_path):
    (tmp_path / "Main.java").write_text(block("java") + JAVA_MAIN)
    run(["javac", "Main.java"], tmp_path)
    for secret, headers, body, believed in cases:
        words = [secret, base64.b64encode(body).decode()]
        words += [word for item in headers.items() for word in item]
        assert run(["java", "-cp", ".", "Main", *words], tmp_path).strip() == str(believed).lower()


# --- PHP -----------------------------------------------------------------------------------------

PHP_MAIN = """
foreach (json_decode(file_get_contents('php://stdin'), true) as [$secret, $headers, $body]) {
    echo verify($secret, $headers, base64_decode($body)) ? "true\\n" : "false\\n";
}
"""


def test_the_receiver_in_php_verifies(cases, tmp_path):
    (tmp_path / "main.php").write_text(block("php") + PHP_MAIN)
    said = run(["php", "main.php"], tmp_path, as_json(cases))
    assert [line == "true" for line in said.split()] == expected(cases)
