"""The floors of the workspace: what each crate depends on, and what must not stand in the crates without IO."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from floors import rules, rust_imports, rust_source
from floors.graph import cycles

_OURS = "sfu-"


def problems(root: Path) -> Iterator[str]:
    """Everything that is wrong with the crates under `root`/rust."""
    for manifest in sorted((root / "rust").glob("*/Cargo.toml")):
        crate = manifest.parent.name
        place = manifest.relative_to(root)
        if crate not in rules.CRATES:
            yield f"{place}: the crate `{crate}` has no floor; give it one in scripts/floors/rules.py"
            continue
        yield from _dependencies(crate, tomllib.loads(manifest.read_text(encoding="utf-8")), str(place))
        yield from _forbidden_code(crate, manifest.parent / "src", root)
        for cycle in cycles(rust_imports.imports(manifest.parent / "src", root)):
            yield f"import cycle in the crate `{crate}`: {cycle}"


def _dependencies(crate: str, manifest: dict[str, Any], place: str) -> Iterator[str]:
    tables = [manifest, *manifest.get("target", {}).values()]
    for table in tables:
        for kind in ("dependencies", "build-dependencies", "dev-dependencies"):
            allowed = rules.CRATES[crate] | (rules.FOR_TESTS if kind == "dev-dependencies" else set())
            for name in table.get(kind, {}):
                if name.startswith(_OURS) and name.removeprefix(_OURS) not in allowed:
                    yield f"{place}: upward import: `{crate}` must not depend on `{name}`"
                elif crate in rules.SANS_IO and name in rules.FORBIDDEN_CRATES:
                    yield f"{place}: `{name}` has no place below `runtime`"


def _forbidden_code(crate: str, source: Path, root: Path) -> Iterator[str]:
    if crate not in rules.SANS_IO:
        return
    patterns = rules.FORBIDDEN_CODE | (rules.FORBIDDEN_IN_CORE if crate == "core" else {})
    for path in sorted(source.rglob("*.rs")):
        if path.name == "tests.rs":
            continue
        text = rust_source.clean(path.read_text(encoding="utf-8"))
        for pattern, why in patterns.items():
            for found in re.finditer(pattern, text):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path.relative_to(root)}:{line}: `{found[0]}`: {why}"
