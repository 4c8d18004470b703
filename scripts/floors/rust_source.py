"""Rust source read as text: comments, strings and tests cut off, `use` trees taken apart.

It is no parser. It knows what this repository's formatted code looks like: a cycle that it names is real; macros could
hide one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      //[^\n]*
    | /\*.*?\*/
    | b?r(?P<hashes>\#*)".*?"(?P=hashes)
    | b?"(?:\\.|[^"\\])*"
    | b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'
    """,
    re.DOTALL | re.VERBOSE,
)
_TEST_ATTRIBUTE = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*")
_USE = re.compile(r"(?P<visibility>\bpub(?:\s*\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);")
_MOD = re.compile(r"\bmod\s+(?P<name>\w+)\s*(?P<end>[;{])")
_PATH = re.compile(r"(?<![\w:])(?P<path>\w+(?:::\w+)+)")


class Use(NamedTuple):
    """One leaf of a `use` tree: its path, the name it has here, whether it is handed on, and where it stands."""

    path: tuple[str, ...]
    name: str
    public: bool
    offset: int


def clean(text: str) -> str:
    """The text with comments, literals and tests blanked, every line still at its place."""
    text = _TOKEN.sub(lambda match: _blank(match[0]), text)
    while found := _TEST_ATTRIBUTE.search(text):
        end = _end_of_item(text, found.end())
        text = text[: found.start()] + _blank(text[found.start() : end]) + text[end:]
    return text


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _end_of_item(text: str, start: int) -> int:
    """The end of the item that begins at `start`: its semicolon, or the brace that closes its body."""
    depth = 0
    for offset in range(start, len(text)):
        match text[offset]:
            case "{" | "(" | "[":
                depth += 1
            case "}" | ")" | "]":
                depth -= 1
                if depth == 0 and text[offset] == "}":
                    return offset + 1
            case ";" if depth == 0:
                return offset + 1
    return len(text)


def uses(text: str) -> Iterator[Use]:
    """All leaves of all `use` trees of cleaned text."""
    for found in _USE.finditer(text):
        for path, name in _leaves(found["tree"].strip(), ()):
            yield Use(path, name, bool(found["visibility"]), found.start("tree"))


def _leaves(tree: str, prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    grouped = re.fullmatch(r"(?P<head>(?:::)?(?:\w+\s*::\s*)*)\{(?P<body>.*)\}", tree, re.DOTALL)
    if grouped:
        head = tuple(part.strip() for part in grouped["head"].split("::") if part.strip())
        for branch in _split(grouped["body"]):
            yield from _leaves(branch, prefix + head)
        return
    path, _, alias = (part.strip() for part in re.sub(r"\s+", " ", tree).partition(" as "))
    parts = prefix + tuple(part.strip() for part in path.split("::") if part.strip())
    if parts[-1] == "self" and len(parts) > 1:
        parts = parts[:-1]
    yield parts, alias or parts[-1]


def _split(body: str) -> Iterator[str]:
    depth = 0
    branch = ""
    for character in body:
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            if branch.strip():
                yield branch.strip()
            branch = ""
        else:
            branch += character
    if branch.strip():
        yield branch.strip()


def paths(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """All paths of cleaned text that stand outside `use`, with their offsets."""
    text = _USE.sub(lambda match: _blank(match[0]), text)
    for found in _PATH.finditer(text):
        yield tuple(found["path"].split("::")), found.start("path")


def declared_modules(text: str) -> set[str]:
    """The modules that cleaned text declares in files of their own (`mod name;`); tests are cut off already."""
    return {found["name"] for found in _MOD.finditer(text) if found["end"] == ";"}
