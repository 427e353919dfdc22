#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The room check: does src/ keep to src/ROOMS?

src/ROOMS says which room may include which. This reads that table and every #include of src/, and
prints each line that breaks a rule:

- the rooms of the table are the folders of src/, one for one, and arrows only point down;
- a file includes its own room, the rooms its row allows, and nothing else;
- nor does it use a type or a function of another room that it got through a third one's header;
- a row allows only what is used;
- another room is entered by its front door only, <room>/<room>.h; `base` has many doors;
- a second door, which a line "door" names, is used by the rooms of that line, and by each of them;
- a header that is not the front door is named _priv.h, so that nobody takes it for one.
"""

import re
import sys
from pathlib import Path

SRC = Path("src")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
MANY_DOORS = {"base"}

# What a header declares and what a file uses: types, functions and macros with arguments.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
TYPE_DECLARED = re.compile(r"\b((?:struct|enum) \w+)(?: \{|;)")
ENUM_DECLARED = re.compile(r"^ENUM\((\w+),", re.M)  # In a .def file; see base/enum_words.h.
CALL_DECLARED = re.compile(r"^(?:#define |[A-Za-z_][\w *]*?\b)(\w+)\(", re.M)
OBJECT_DECLARED = re.compile(r"^extern [\w *]*?(\w+)[;\[]", re.M)
NAME_USED = re.compile(r"\b(?:struct|enum) \w+|\b\w+(?=\()|(?<=&)\w+|\b\w+_words\b")


def read_table(path):
    """{room: (level, rooms it may include)}, {second door: rooms that may use it}"""
    table = {}
    second_doors = {}
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == "door":
            second_doors[words[1]] = set(words[2:])
        elif words:
            table[words[0]] = (int(words[1]), set(words[2:]))
    return table, second_doors


def check_table(table):
    for room, (level, allowed) in table.items():
        for other in sorted(allowed):
            if other not in table:
                yield f"src/ROOMS: {room} may include {other}, which is not a room"
            elif table[other][0] >= level:
                yield f"src/ROOMS: the arrow from {room} to {other} does not point down"

    folders = {path.name for path in SRC.iterdir() if path.is_dir()}
    for room in sorted(set(table) - folders):
        yield f"src/ROOMS: there is no folder src/{room}"
    for room in sorted(folders - set(table)):
        yield f"src/{room}: this room is not in src/ROOMS"
    for room in sorted(set(table) & folders - MANY_DOORS - {"app"}):
        if not (SRC / room / f"{room}.h").exists():
            yield f"src/{room}: the front door {room}/{room}.h is missing"


def check_second_doors(second_doors, files):
    for door, users in second_doors.items():
        if not (SRC / door).exists():
            yield f"src/ROOMS: there is no door src/{door}"
        used_by = {path.parts[1] for path in files if f'#include "{door}"' in path.read_text()}
        for room in sorted(users - used_by):
            yield f"src/ROOMS: {room} does not use the door {door}"


def broken_rule(table, second_doors, room, target):
    """Why a file of `room` may not include `target`, or None."""
    if "/" not in target:
        return 'write it as "room/file.h"'
    if not (SRC / target).exists():
        return f"there is no src/{target}"
    other = target.split("/")[0]
    if other == room:
        return None
    if other not in table[room][1]:
        return f"src/ROOMS does not let {room} include {other}"
    if target in second_doors:
        return None if room in second_doors[target] else f"this door of {other} is not for {room}"
    if other not in MANY_DOORS and target != f"{other}/{other}.h":
        return f"enter {other} by {other}/{other}.h"
    if target.endswith("_priv.h"):
        return f"this header stays inside {other}"
    return None


def check_file(table, second_doors, path):
    room = path.parts[1]
    is_door = path in doors(room, second_doors) or room in MANY_DOORS
    if path.suffix == ".h" and not is_door and not path.name.endswith("_priv.h"):
        yield f"{path}: a second public header of {room}; name it _priv.h"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        reason = found and broken_rule(table, second_doors, room, found.group(1))
        if reason:
            yield f'{path}:{number}: "{found.group(1)}": {reason}'


def code_of(path):
    return NOT_CODE.sub("", path.read_text())


def doors(room, second_doors):
    if room in MANY_DOORS:
        return [path for path in (SRC / room).glob("*.h") if not path.name.endswith("_priv.h")]
    names = [f"{room}/{room}.h"] + [door for door in second_doors if door.startswith(f"{room}/")]
    return [SRC / name for name in names if (SRC / name).exists()]


def read_owners(table, second_doors):
    """{name: room whose header declares it}. The lowest room that mentions a type owns it."""
    owners = {}
    for room in sorted(table, key=lambda room: table[room][0]):
        for door in doors(room, second_doors):
            text = code_of(door)
            for pattern in (TYPE_DECLARED, CALL_DECLARED, OBJECT_DECLARED):
                for name in pattern.findall(text):
                    owners.setdefault(name, room)
        for table in (SRC / room).glob("*.def"):
            for tag in ENUM_DECLARED.findall(table.read_text()):
                owners.setdefault(f"enum {tag}", room)
                owners.setdefault(f"{tag}_words", room)
    return owners


def read_uses(files, owners):
    """{room: {room that it uses: (name, file)}}"""
    uses = {}
    for path in files:
        of_room = uses.setdefault(path.parts[1], {})
        text = path.read_text()
        code = NOT_CODE.sub("", text)
        for name in sorted(set(NAME_USED.findall(code)) - set(CALL_DECLARED.findall(code))):
            if name in owners:
                of_room.setdefault(owners[name], (name, path))
        for line in text.splitlines():
            if found := INCLUDE.match(line):
                of_room.setdefault(found.group(1).split("/")[0], (found.group(1), path))
    return uses


def check_uses(table, uses):
    for room, (_, allowed) in table.items():
        used = uses.get(room, {})
        for other in sorted(set(used) - allowed - {room}):
            name, path = used[other]
            yield f"{path}: {name} is of room {other}, which src/ROOMS does not let {room} use"
        for other in sorted(allowed - set(used)):
            yield f"src/ROOMS: the arrow from {room} to {other} is not used"


def main():
    table, second_doors = read_table(SRC / "ROOMS")
    problems = list(check_table(table))
    files = [path for path in sorted(SRC.glob("*/**/*.[ch]")) if path.parts[1] in table]
    for path in files:
        problems += check_file(table, second_doors, path)
    problems += check_second_doors(second_doors, files)
    problems += check_uses(table, read_uses(files, read_owners(table, second_doors)))
    good = f"rooms: {len(files)} files in {len(table)} rooms keep to src/ROOMS"
    print("\n".join(problems) or good)
    return 1 if problems else 0


sys.exit(main())
