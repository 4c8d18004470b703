"""The imports between the modules of `python/sfu`, and their floors.

Imports for type checkers only and imports inside functions count like all others: a module that names a type knows the
module it comes from, whenever the interpreter reads it. What two modules both need belongs below both.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from floors import rules
from floors.graph import Import, Module, cycles


def problems(root: Path) -> Iterator[str]:
    """Everything that is wrong with the imports of `root`/python/sfu."""
    package = root / "python" / "sfu"
    found = sorted(set(_imports(package, root)))
    floors = {name: floor for floor, names in enumerate(rules.PYTHON_FLOORS) for name in names}
    for name in sorted({module[0] for module in _modules(package) if module} - floors.keys()):
        yield f"python/sfu/{name}: this module has no floor; give it one in scripts/floors/rules.py"
    for importer, imported, place in found:
        if not importer or importer[0] not in floors:
            continue
        if not imported:
            yield f"{place}: upward import: no module of the package imports its face, `{rules.PYTHON_FACE}`"
        elif floors.get(imported[0], 0) > floors[importer[0]]:
            yield f"{place}: upward import: `{'.'.join(importer)}` must not import `{'.'.join(imported)}`"
    for cycle in cycles(found):
        yield f"import cycle in python/sfu: {cycle}"


def _modules(package: Path) -> dict[Module, Path]:
    modules: dict[Module, Path] = {}
    for path in sorted(package.rglob("*.py*")):
        if path.suffix in (".py", ".pyi"):
            parts = path.relative_to(package).with_suffix("").parts
            modules.setdefault(parts[:-1] if parts[-1] == "__init__" else parts, path)
    return modules


def _imports(package: Path, root: Path) -> Iterator[Import]:
    modules = _modules(package)
    for module, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        own_package = module if path.stem == "__init__" else module[:-1]
        for node in ast.walk(tree):
            if path.name == "__init__.pyi" and _names_submodules(node):
                continue
            for target in _targets(node, own_package):
                known = _longest_known(target, modules)
                if known is not None and known != module:
                    yield Import(module, known, f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}")


def _names_submodules(node: ast.AST) -> bool:
    """`from . import x as x` in the stub of a compiled package: it says that there is a submodule, and runs nothing."""
    return isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is None


def _targets(node: ast.AST, own_package: Module) -> Iterator[Module]:
    """What one import statement names, from the package's root; nothing for other packages."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            parts = tuple(alias.name.split("."))
            if parts[0] == rules.PYTHON_FACE:
                yield parts[1:]
    elif isinstance(node, ast.ImportFrom):
        named = tuple(node.module.split(".")) if node.module else ()
        if node.level:
            base = own_package[: len(own_package) - node.level + 1] + named
        elif named and named[0] == rules.PYTHON_FACE:
            base = named[1:]
        else:
            return
        for alias in node.names:
            yield (*base, alias.name)


def _longest_known(target: Module, modules: dict[Module, Path]) -> Module | None:
    while target not in modules:
        if not target:
            return None
        target = target[:-1]
    return target
