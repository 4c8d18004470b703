"""Import graphs: which modules import which, at which place, and the shortest cycle through them.

A module is a tuple of names from the root of its crate or package; the empty tuple is the root itself.
Cycles are looked for between files, and then at every level of the tree: between the children of each module, each with
all that is below it, and the module's own file. So two folders that import each other are a cycle even where no two
files are.
"""

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

Module = tuple[str, ...]


class Import(NamedTuple):
    """One import: `importer` uses `imported`, seen at `place` ("path:line")."""

    importer: Module
    imported: Module
    place: str


# Node -> node -> the import that makes the edge.
_Edges = dict[Module, dict[Module, Import]]


def cycles(imports: Iterable[Import]) -> Iterator[str]:
    """One shortest cycle for each group of modules that reach each other, file by file."""
    found = [one for one in imports if one.importer != one.imported]
    seen: set[tuple[Module, Module]] = set()
    for cycle in _cycles(_edges_between_files(found)):
        seen.update(_at_its_level(one) for one in cycle)
        yield _written(cycle)
    for level, edges in sorted(_edges_by_level(found).items()):
        for cycle in _cycles(edges):
            # What the files already showed needs no second line.
            if not any((level, _child(level, one.importer)) in seen for one in cycle):
                yield _written(cycle)


def _edges_between_files(imports: list[Import]) -> _Edges:
    edges: _Edges = defaultdict(dict)
    for one in imports:
        edges[one.importer].setdefault(one.imported, one)
    return edges


def _edges_by_level(imports: list[Import]) -> dict[Module, _Edges]:
    levels: dict[Module, _Edges] = defaultdict(lambda: defaultdict(dict))
    for one in imports:
        level, source = _at_its_level(one)
        levels[level][source].setdefault(_child(level, one.imported), one)
    return levels


def _at_its_level(one: Import) -> tuple[Module, Module]:
    """The lowest module that holds both ends, and its child that holds the importer."""
    length = 0
    while length < min(len(one.importer), len(one.imported)) and one.importer[length] == one.imported[length]:
        length += 1
    level = one.importer[:length]
    return level, _child(level, one.importer)


def _child(level: Module, module: Module) -> Module:
    """The child of `level` that holds `module`; the own file of `level` stands apart from its children."""
    return (*level, "") if module == level else module[: len(level) + 1]


def _cycles(edges: _Edges) -> Iterator[list[Import]]:
    reported: set[Module] = set()
    for start in sorted(edges):
        path = [] if start in reported else _shortest_cycle(edges, start)
        if path:
            reported.update(source for source, _ in path)
            yield [one for _, one in path]


def _shortest_cycle(edges: _Edges, start: Module) -> list[tuple[Module, Import]]:
    """The way from `start` back to it: each node with the import that leaves it; empty if there is none."""
    came_from: dict[Module, Module] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for target in sorted(edges.get(node, {})):
            if target == start:
                way = [node, start]
                while way[0] != start:
                    way.insert(0, came_from[way[0]])
                return [(one, edges[one][other]) for one, other in itertools.pairwise(way)]
            if target not in came_from:
                came_from[target] = node
                queue.append(target)
    return []


def _written(cycle: list[Import]) -> str:
    return " -> ".join(f"{one.place} imports {'.'.join(one.imported) or 'the root module'}" for one in cycle)
