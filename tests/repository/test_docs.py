"""The pages name tests and files that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RUST = [path for part in ("rust/*/src", "rust/*/tests", "examples") for path in ROOT.glob(f"{part}/**/*.rs")]
PYTHON = [
    path for part in ("python", "tests", "benches", "scripts", "examples") for path in ROOT.glob(f"{part}/**/*.py")
]

page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def functions() -> set[str]:
    """The names of all functions."""
    return {name for path in RUST + PYTHON for name in re.findall(r"\b(?:fn|def) (\w+)", path.read_text())}


@pytest.fixture(scope="module")
def files() -> set[str]:
    """All source files, those of a crate also without its `src`, as pages name them."""
    names = {f"/{path.relative_to(ROOT).as_posix()}" for path in RUST + PYTHON}
    return names | {name.replace("/src/", "/") for name in names}


@page
def test_every_test_that_it_names_exists(page: Path, functions: set[str]) -> None:
    named = re.findall(r"\*([a-z0-9]+(?:_[a-z0-9]+)+)\*", page.read_text())
    assert [name for name in named if name not in functions] == []


@page
def test_every_source_file_that_it_names_exists(page: Path, files: set[str]) -> None:
    named = re.findall(r"`((?:\w+/)*\w+\.(?:rs|py))`", page.read_text())
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
