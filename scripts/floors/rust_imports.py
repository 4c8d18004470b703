"""The imports between the modules of one Rust crate, one node a file.

A name that a module only re-exports (`pub use`) is followed to the module that defines it, so that a face such as
`lib.rs` is no node of its own. Re-exporting is no import either: the face does not need what it hands on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from floors import rust_source
from floors.graph import Import, Module

_FOLLOW_AT_MOST = 8


@dataclass
class _File:
    path: Path
    text: str
    children: set[str]
    exports: dict[str, tuple[str, ...]] = field(default_factory=dict)


def imports(source: Path, root: Path) -> Iterator[Import]:
    """All imports inside the crate whose `src` folder is `source`; places are written relative to `root`."""
    files = _files(source)
    for file in files.values():
        for use in rust_source.uses(file.text):
            file.exports[use.name] = use.path
    for module, file in files.items():
        place = file.path.relative_to(root)
        for path, offset in _used(file):
            target = _resolve(files, module, path)
            if target is not None:
                yield Import(module, target, f"{place}:{file.text.count(chr(10), 0, offset) + 1}")


def _used(file: _File) -> Iterator[tuple[tuple[str, ...], int]]:
    yield from ((use.path, use.offset) for use in rust_source.uses(file.text) if not use.public)
    yield from rust_source.paths(file.text)


def _files(source: Path) -> dict[Module, _File]:
    """The module tree from `lib.rs` down, along `mod name;`: what only tests declare is not in it."""
    found: dict[Module, _File] = {}
    waiting: list[tuple[Module, Path, Path]] = [((), source / "lib.rs", source)]
    while waiting:
        module, path, folder = waiting.pop()
        if not path.is_file():
            continue
        text = rust_source.clean(path.read_text(encoding="utf-8"))
        file = _File(path, text, rust_source.declared_modules(text))
        found[module] = file
        for name in file.children:
            below = folder / name
            waiting.append(
                ((*module, name), below / "mod.rs" if (below / "mod.rs").is_file() else folder / f"{name}.rs", below)
            )
    return found


def _resolve(files: dict[Module, _File], module: Module, path: tuple[str, ...]) -> Module | None:
    """The module that defines what `path`, written in `module`, means; None outside this crate."""
    for _ in range(_FOLLOW_AT_MOST):
        base = _base(files, module, path)
        if base is None:
            return None
        at, rest = base
        while rest and rest[0] in files[at].children and (*at, rest[0]) in files:
            at, rest = (*at, rest[0]), rest[1:]
        if not rest or rest[0] not in files[at].exports:
            return at
        # A name that this module got from elsewhere: go on from there.
        onward = files[at].exports[rest[0]]
        if (at, onward) == (module, path):
            return None
        module, path = at, onward
    return None


def _base(files: dict[Module, _File], module: Module, path: tuple[str, ...]) -> tuple[Module, tuple[str, ...]] | None:
    first = path[0]
    if first in ("crate", "$crate"):
        return (), path[1:]
    if first == "self":
        return module, path[1:]
    if first == "super":
        up = 0
        while up < len(path) and path[up] == "super":
            up += 1
        return (module[: len(module) - up], path[up:]) if up <= len(module) else None
    if first in files[module].children:
        return module, path
    return None
