#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The style rules of CONTRIBUTING.md which clang-format does not know.

A file opens with its license and a comment that says what it is for. Lines end at 100 columns. A
function's body has at most 70 lines, between its opening brace, which clang-format puts on a line
of its own, and its closing one. Work that was left for later is not marked in the source: it is
done, or it is an issue. Assertions are counted, and nothing is demanded of their number. A comment
names its subject: none begins with a word that only points to something (It, They, Those, One) nor
with a genitive that lacks its noun (Of the thread.).
"""

import re
import sys
from pathlib import Path

LINE_COLUMNS_MAX = 100
BODY_LINES_MAX = 70
LICENSE = "// SPDX-License-Identifier: MIT"
ASSERTED = ("core", "engine", "dispatch", "store")  # Where owners meet; ten are a good measure.
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def check_head(lines):
    if lines[:1] != [LICENSE]:
        yield 1, f"the first line must be: {LICENSE}"
    elif len(lines) < 2 or not re.match(r"// \S+.* \S+", lines[1]):
        yield 2, "below the license, a comment must say what this file is for"


def check_lines(lines):
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            yield number, f"{len(line)} columns; the limit is {LINE_COLUMNS_MAX}"


def check_left_over(lines):
    for number, line in enumerate(lines, 1):
        if LEFT_OVER.search(line):
            yield number, "do it, or file it; do not mark it"


def comment_on(line):
    """The text of the comment on this line, and whether code stands before it; None, False."""
    found = COMMENT.match(line)
    return (found.group(2), bool(found.group(1).strip())) if found else (None, False)


def check_comments(lines):
    goes_on = False
    for number, line in enumerate(lines, 1):
        text, is_behind_code = comment_on(line)
        if text is not None and (is_behind_code or not goes_on) and NO_SUBJECT.match(text):
            yield number, f'a comment that begins with "{text.split()[0]}" names no subject'
        goes_on = text is not None


def check_bodies(lines):
    opened = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            opened = number
        elif line == "}" and opened:
            body = number - opened - 1
            if body > BODY_LINES_MAX:
                yield opened, f"a function body of {body} lines; the limit is {BODY_LINES_MAX}"
            opened = None


# Up to a comment, strings are skipped: a URL in one is no comment.
COMMENT = re.compile(r"""((?:[^"'/]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|/(?!/))*)// ?(.*)""")
NO_SUBJECT = re.compile(r"(Of|It|Its|They|Those|One|That|Both|Theirs|Whoever)\b")

C_CHECKS = (check_head, check_lines, check_left_over, check_comments, check_bodies)
CHECKS = {".c": C_CHECKS, ".h": C_CHECKS, ".def": C_CHECKS, ".py": (check_lines,)}


def check_file(path):
    lines = path.read_text().splitlines()
    for check in CHECKS[path.suffix]:
        for number, problem in check(lines):
            yield f"{path}:{number}: {problem}"


def assertions(room):
    """How many assertions the .c files of a room have to the thousand lines."""
    text = "".join(path.read_text() for path in Path("src", room).rglob("*.c"))
    return 1000 * len(re.findall(r"\bassert\(", text)) / max(text.count("\n"), 1)


def main():
    files = [
        path
        for folder in ("src", "test", "bench", "tools")
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in CHECKS and "node_modules" not in path.parts
    ]
    problems = [problem for path in files for problem in check_file(path)]
    print("\n".join(problems) or f"style: {len(files)} files keep to the rules")
    dense = ", ".join(f"{room} {assertions(room):.1f}" for room in ASSERTED)
    print(f"style: assertions to the thousand lines: {dense}")
    return 1 if problems else 0


sys.exit(main())
