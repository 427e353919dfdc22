# SPDX-License-Identifier: MIT
"""Finds every place of a C file where a small bug could be put, for tools/random_mutants.py.

No C is parsed. The layout that clang-format gives is enough: a function's body lies between a `{`
and a `}` that stand alone in the first column, and operators have blanks around them. Comments,
strings and assertions are blanked first, so nothing is changed there. No mutation changes how many
lines there are.
"""

import re
from typing import NamedTuple

FLIPS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
ASSERTION = re.compile(r"\bassert\(")
COMPARISON = re.compile(r" (<=|>=|==|!=|<|>) ")
LOGIC = re.compile(r" (&&|\|\|)(?=[ \n])")
CONDITION = re.compile(r"\b(?:if|while) \(")
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
BOUND = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:MAX|MIN|MS|S|BYTES|PAGES|COUNT)\b")
STEP = re.compile(r"\+\+|--")
SUM = re.compile(r" ([+-]) ")
ARRAY = re.compile(  # Declared: one place more or less changes nothing.
    r"^ +(?!return )(?:static |const )*(?:(?:struct|enum|unsigned) )?\w+ \**\w+\[[^\n]*"
    r"(?:;| = [^\n]*) *$",
    re.M,
)
STATEMENT_END = re.compile(r"[;{}:]\s*\Z|\)\s*\Z|\belse\s*\Z")
CALL = re.compile(r"^ +(?:\(void\))?[A-Za-z_]\w*(?:(?:->|\.)\w+)*(?=\()", re.M)
NO_CALL = re.compile(r"^ +(?:if|for|while|switch|return|sizeof|[A-Z]+_FOREACH\w*)\b")
TOP_STATEMENT = re.compile(r"^    (?=[A-Za-z_*(])(?!case |default:|else\b|goto |\w+:)", re.M)
HEAD = re.compile(
    r"^(?:(?:static|inline) )*((?:const )?(?:struct |enum |unsigned )?\w+ \**)(\w+)\("
)


class Mutation(NamedTuple):
    """The text from `start` to `end` of the file becomes `text`. `was` and `bug` are the lines in
    which that is, before and after, with their blanks squeezed."""

    file: str
    function: str
    line: int
    kind: str
    start: int
    end: int
    text: str
    was: str
    bug: str

    def applied_to(self, text):
        return text[: self.start] + self.text + text[self.end :]


class Function(NamedTuple):
    name: str
    returns: str  # Its type.
    start: int  # Of its body, behind the brace.
    end: int


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def closing(text, opening):
    """Where the parenthesis that opens at `opening` closes; None if it does not."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return None


def code_of(text):
    """The same text, with blanks for all that is no code of the product's own."""
    code = NOT_CODE.sub(blank, text)
    for match in list(ASSERTION.finditer(code)):
        end = closing(code, match.end() - 1)
        if end:
            hidden = re.sub(r"[^\n]", " ", code[match.start() : end])
            code = code[: match.start()] + hidden + code[end:]
    return ARRAY.sub(blank, code)


def functions_of(code):
    for body in re.finditer(r"^\{\n(.*?)^\}", code, re.M | re.S):
        head = re.split(r"\n\s*\n|[;}]\n|^#[^\n]*\n", code[: body.start()], flags=re.M)[-1]
        known = HEAD.match(" ".join(head.split()))
        if known:
            yield Function(known[2], known[1].strip(), body.start(1), body.end(1))


# --- Kinds: each yields (start, end, new text) for its places in the body of a function ----------


def flipped_comparisons(code, function):
    for match in COMPARISON.finditer(code, function.start, function.end):
        for other in FLIPS[match[1]]:
            yield match.start(1), match.end(1), other


def swapped_logic(code, function):
    for match in LOGIC.finditer(code, function.start, function.end):
        yield match.start(1), match.end(1), "||" if match[1] == "&&" else "&&"


def negated_conditions(code, function):
    for match in CONDITION.finditer(code, function.start, function.end):
        end = closing(code, match.end() - 1)
        if end and code[match.end() : end].strip():
            yield match.end(), end, ("!(", ")")


def numbers_off_by_one(code, function):
    for match in NUMBER.finditer(code, function.start, function.end):
        yield match.start(), match.end(), str(int(match[0]) + 1)
    for match in BOUND.finditer(code, function.start, function.end):
        yield match.start(), match.end(), f"({match[0]} + 1)"
    for match in STEP.finditer(code, function.start, function.end):
        yield match.start(), match.end(), "--" if match[0] == "++" else "++"
    for match in SUM.finditer(code, function.start, function.end):
        yield match.start(1), match.end(1), "-" if match[1] == "+" else "+"


def dropped_calls(code, function):
    for match in CALL.finditer(code, function.start, function.end):
        end = closing(code, match.end())
        begins = STATEMENT_END.search(code[function.start : match.start()].rstrip() or "{")
        if begins and end and code[end + 1 : end + 2] == ";" and not NO_CALL.match(match[0]):
            start = match.end() - len(match[0].lstrip())
            yield start, end + 1, "(void)0" + "\n" * code.count("\n", start, end)


def early_returns(code, function):
    value = "" if function.returns == "void" else f" ({function.returns}){{0}}"
    for match in TOP_STATEMENT.finditer(code, function.start, function.end):
        before = code[function.start : match.start()].rstrip()
        if not before or before[-1] in ";}":
            yield match.end(), match.end(), f"return{value}; "


KINDS = {
    "comparison": flipped_comparisons,
    "logic": swapped_logic,
    "condition": negated_conditions,
    "off by one": numbers_off_by_one,
    "call": dropped_calls,
    "return": early_returns,
}


def squeezed(text, start, end):
    """The whole lines from `start` to `end`, as one."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return " ".join(text[first : len(text) if last < 0 else last].split())


def mutation(file, text, function, kind, place):
    start, end, new = place
    if isinstance(new, tuple):  # Goes around what is there.
        new = new[0] + text[start:end] + new[1]
    whole = text[:start] + new + text[end:]
    return Mutation(
        file=file,
        function=function.name,
        line=text.count("\n", 0, start) + 1,
        kind=kind,
        start=start,
        end=end,
        text=new,
        was=squeezed(text, start, end),
        bug=squeezed(whole, start, start + len(new)),
    )


def mutations_of(file, text):
    """Every mutation of a file whose text is given, in the order of the text for each kind."""
    code = code_of(text)
    for kind, places in KINDS.items():
        for function in functions_of(code):
            for place in places(code, function):
                yield mutation(file, text, function, kind, place)
