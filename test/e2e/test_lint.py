# SPDX-License-Identifier: MIT
"""`carillon cron lint`: a crontab is checked without a server."""

import subprocess

from harness.program import BINARY, run_to_end


def lint(tmp_path, text, *flags):
    path = tmp_path / "crontab"
    path.write_text(text)
    return path, run_to_end("cron", "lint", path, *flags)


def test_a_sound_crontab_passes(tmp_path):
    text = "MAILTO=me\n\n# c\n30 2 * * * curl http://a/\n@reboot x\n@daily tar cf a.tar .\n"
    path, end = lint(tmp_path, text)
    assert end.returncode == 0
    notes = end.stderr.splitlines()
    assert [note.split(": note: ")[0] for note in notes] == [f"{path}:5:1", f"{path}:6:8"]
    assert "error" not in end.stderr and "warning" not in end.stderr
    assert end.stdout.startswith("3 entries read, 1 of them convertible to jobs; 0 errors")


def test_errors_have_a_place_a_hint_and_a_caret(tmp_path):
    text = "@daily x\n\t5/15 4 * * * x\nhello\nCRON_TZ=Mars/Base\n0 0 30 2 * x\n* * * * *\n"
    path, end = lint(tmp_path, text)
    assert end.returncode == 2
    lines = end.stderr.splitlines()
    step = lines.index("\t5/15 4 * * * x")
    assert lines[step - 1].startswith(f"{path}:2:2: minute: a step needs")
    assert lines[step - 1].endswith("(try: 5-59/15)")
    assert lines[step + 1] == "\t^"
    for place in ("2:2", "3:1", "4:9", "5:1", "6:10"):
        assert any(line.startswith(f"{path}:{place}: ") for line in lines), place
    assert end.stdout.endswith("5 errors, 0 warnings\n")


def test_each_warning_of_a_schedule_is_shown(tmp_path):
    path, end = lint(tmp_path, "0 0 */2 * * curl http://a/\n")
    assert end.returncode == 0
    warnings = [line for line in end.stderr.splitlines() if line.startswith(f"{path}:1:1: warning")]
    assert len(warnings) == 2 and warnings[0] != warnings[1], end.stderr
    assert "0 errors, 2 warnings" in end.stdout


def test_a_bad_zone_is_an_error_of_its_own_line_alone(tmp_path):
    path, end = lint(tmp_path, "CRON_TZ=Mars/Base\nTZ=Europe/Paris\nTZ=\n@daily curl http://a/\n")
    assert end.returncode == 2
    errors = [line for line in end.stderr.splitlines() if "unknown time zone" in line]
    assert len(errors) == 1 and errors[0].startswith(f"{path}:1:9: ")


def test_lint_and_import_say_the_same_of_a_line(server, tmp_path):
    text = """A=http://127.0.0.1:4/x
0 5 1 1 * sleep 5; curl $A >> x.log || true
0 5 1 1 * root curl http://127.0.0.1:4/
0 5 1 1 * curl http://127.0.0.1:4/$B
0 5 1 1 * curl -w "%{http_code}" http://127.0.0.1:4/
0 5 1 1 * curl -s \\
  http://127.0.0.1:4/
"""
    path, end = lint(tmp_path, text)
    imported = run_to_end(
        "import", "crontab", path, "--dry-run", "--url", f"http://127.0.0.1:{server.port}"
    )
    said = {
        int(line.split(":")[1]): line.split("note: ")[-1].removeprefix("not convertible: ")
        for line in end.stderr.splitlines()
        if line.startswith(f"{path}:")
    }
    lines = imported.stdout.splitlines()
    for number in range(2, 7):
        (line,) = [line for line in lines if line.startswith(f"line {number}: ")]
        assert line.endswith(said[number]), (line, said[number])
    assert "cron joins no lines" in lines[6] and "7:1: this is no entry" in end.stderr


def test_what_may_surprise_is_a_warning_and_no_error(tmp_path):
    path, end = lint(tmp_path, "0 0 13 * 5 x\n* */4 * * * w\n*/7 * * * * y")
    assert end.returncode == 0
    assert f"{path}:1:1: warning: day and weekday are both set" in end.stderr
    assert f"{path}:2:1: warning: it runs every minute of the hours" in end.stderr
    assert f"{path}:3:1: warning: " in end.stderr
    assert "the last line does not end" in end.stderr
    assert end.stdout.endswith("0 errors, 4 warnings\n")


def test_a_crontab_may_come_from_standard_input_or_from_the_system():
    text = "0 5 * * * root curl http://a/\n"
    command = [BINARY, "cron", "lint", "-", "--system"]
    end = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30)
    assert (end.returncode, end.stderr) == (0, "")
    assert end.stdout.startswith("1 entries read, 1 of them")


def test_variables_can_be_set(tmp_path):
    text = "@daily curl http://a/$KEY\n"
    path, end = lint(tmp_path, text)
    assert f"{path}:1:22: note: not convertible: it uses the variable $KEY" in end.stderr
    assert "(try: --set KEY=VALUE)" in end.stderr
    _, end = lint(tmp_path, text, "--set", "KEY=1")
    assert end.stdout.startswith("1 entries read, 1 of them convertible")


def test_wrong_usage_is_named():
    wrong = [[], ["a", "b"], ["--what", "a"], ["/no/such/file"]]
    wrong += [["--tz", "Mars/Base", "-"], ["--set", "1=2", "-"]]
    for arguments in wrong:
        end = run_to_end("cron", "lint", *arguments)
        assert end.returncode == 2 and end.stderr and not end.stdout
