"""Import graphs: which modules import which, at which place, and the shortest cycle through them.

A module is a tuple of names from the root of its crate or package; the empty tuple is the root itself.
Cycles are looked for at every level of the tree: between the children of each module, each with all that is below it,
and the module's own file. So two folders that import each other are a cycle even where no two files are.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

Module = tuple[str, ...]


class Import(NamedTuple):
    """One import: `importer` uses `imported`, seen at `place` ("path:line")."""

    importer: Module
    imported: Module
    place: str


class _Edge(NamedTuple):
    source: Module
    target: Module
    place: str
    imported: str


def cycles(imports: Iterable[Import]) -> Iterator[str]:
    """One shortest cycle for each group of modules that reach each other, file by file."""
    levels: dict[Module, dict[Module, dict[Module, _Edge]]] = defaultdict(lambda: defaultdict(dict))
    for found in imports:
        if found.importer == found.imported:
            continue
        level = _common(found.importer, found.imported)
        source = _child(level, found.importer)
        target = _child(level, found.imported)
        levels[level][source].setdefault(target, _Edge(source, target, found.place, _written(found.imported)))
    for level in sorted(levels):
        edges = levels[level]
        reported: set[Module] = set()
        for start in sorted(edges):
            if start in reported:
                continue
            path = _shortest_cycle(edges, start)
            if path:
                reported.update(edge.source for edge in path)
                yield " -> ".join(f"{edge.place} imports {edge.imported}" for edge in path)


def _written(module: Module) -> str:
    return ".".join(module) or "the root module"


def _common(one: Module, other: Module) -> Module:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _child(level: Module, module: Module) -> Module:
    """The child of `level` that holds `module`; the own file of `level` stands apart from its children."""
    return (*level, "") if module == level else module[: len(level) + 1]


def _shortest_cycle(edges: dict[Module, dict[Module, _Edge]], start: Module) -> list[_Edge]:
    came_by: dict[Module, _Edge] = {}
    queue = deque([start])
    while queue:
        module = queue.popleft()
        for target, edge in sorted(edges.get(module, {}).items()):
            if target == start:
                path = [edge]
                while path[0].source != start:
                    path.insert(0, came_by[path[0].source])
                return path
            if target not in came_by:
                came_by[target] = edge
                queue.append(target)
    return []
