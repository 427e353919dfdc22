#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The purity check: can the pure rooms reach I/O, a clock, randomness or a lock?

`ledger`, `core`, `agenda`, `cron` and `crontab` are told the time and what happened, and answer
with what should be done. That is why the simulator can run them through days of faults
in a moment. This proves it from the machine code: it links their objects with those of `base`,
drops every function they do not reach, and looks at each symbol which the rest still wants from
outside. It must be in ALLOWED. What the pure rooms reach in `base` is thereby held to the same
rule, function by function. At the end the check shows that it can fail, on a function that asks the
time.

    tools/purity.py build/release
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PURE = ("ledger", "core", "agenda", "cron", "crontab")
ALLOWED = set(
    """
    memcpy memmove memset memcmp memchr strlen strcmp strncmp strchr strrchr strspn strcspn
    strstr strpbrk strcasecmp strncasecmp inet_pton malloc calloc realloc free qsort snprintf
    vsnprintf __assert_fail __stack_chk_fail __memcpy_chk __memmove_chk __memset_chk
    __snprintf_chk __vsnprintf_chk __popcountdi2 _GLOBAL_OFFSET_TABLE_
    """.split()
)
CULPRIT = "#include <time.h>\nlong culprit(void);\nlong culprit(void) { return time(NULL); }\n"


def run(*command):
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def symbols(files, *which):
    lines = run("nm", "--format=posix", *which, *files).splitlines()
    return {line.split()[0] for line in lines if len(line.split()) > 1}


def reached(pure, base, folder):
    """One object: everything that `pure` offers, and of the rest only what that reaches."""
    linked = Path(folder) / "reached.o"
    offered = symbols(pure, "--defined-only", "--extern-only")
    roots = [f"--undefined={name}" for name in sorted(offered)]
    run("ld", "-r", "--gc-sections", *roots, "-o", linked, *pure, *base)
    return linked


def offences(linked):
    """(function, symbol) of every relocation against an outside symbol that is not allowed."""
    outside = symbols([linked], "--undefined-only") - ALLOWED
    section = ""
    found = set()
    for line in run("readelf", "--relocs", "--wide", linked).splitlines():
        heading = re.match(r"Relocation section '\.rela?(\S+)'", line)
        if heading:
            section = heading.group(1)
        elif not section.startswith(".debug"):
            function = section.removeprefix(".text.")
            found |= {(function, name) for name in outside & set(line.split())}
    return sorted(found)


def check_that_it_can_fail(pure, base, folder):
    source = Path(folder) / "culprit.c"
    source.write_text(CULPRIT)
    culprit = source.with_suffix(".o")
    run("cc", "-c", "-O2", "-ffunction-sections", "-o", culprit, source)
    if ("culprit", "time") not in offences(reached(pure + [culprit], base, folder)):
        sys.exit("purity: the check did not see a call of time(); it proves nothing")


def main():
    build = Path(sys.argv[1])
    sources = [path for room in PURE for path in sorted(Path("src", room).rglob("*.c"))]
    if {path.parts[1] for path in sources} != set(PURE):
        sys.exit("purity: a pure room without source files")
    pure = [build / path.with_suffix(".o") for path in sources]
    base = [build / path.with_suffix(".o") for path in sorted(Path("src/base").rglob("*.c"))]
    with tempfile.TemporaryDirectory() as folder:
        bad = offences(reached(pure, base, folder))
        check_that_it_can_fail(pure, base, folder)
    for function, symbol in bad:
        print(f"purity: {function} uses {symbol}")
    if bad:
        return 1
    rooms = ", ".join(PURE)
    print(f"purity: {len(pure)} objects of {rooms} reach no I/O, clock, randomness or lock")
    return 0


sys.exit(main())
