"""What `sfu` exports: sorted, complete, documented."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import sfu
from sfu import errors, events, stats

PACKAGE = Path(sfu.__file__).parent


def test_all_is_sorted_and_true() -> None:
    assert sfu.__all__ == sorted(sfu.__all__)
    for name in sfu.__all__:
        assert getattr(sfu, name) is not None


def test_nothing_public_is_missing_from_all() -> None:
    public = {
        name for name, value in vars(sfu).items() if inspect.isclass(value) and value.__module__.startswith("sfu.")
    }
    assert public <= set(sfu.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sfu.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", [errors, events, stats])
def test_every_error_event_and_statistic_is_exported(module: object) -> None:
    classes = {name for name in module.__all__ if inspect.isclass(getattr(module, name))}  # type: ignore[attr-defined]
    assert classes <= set(sfu.__all__)


def test_the_tree_of_exceptions_is_the_one_in_the_docstring() -> None:
    branch = re.compile(r"^    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)", re.MULTILINE)
    drawn = [(len(match[1]) // 4, match[2]) for match in branch.finditer(errors.__doc__ or "")]
    assert {name for _, name in drawn} == set(errors.__all__)
    path: list[str] = []
    for depth, name in drawn:
        path[depth:] = [name]
        if depth:
            assert getattr(errors, path[depth - 1]) in getattr(errors, name).__bases__, name


def test_every_public_thing_has_a_docstring() -> None:
    bare = []
    for name in sfu.__all__:
        thing = getattr(sfu, name)
        if not inspect.isclass(thing):
            continue
        if not inspect.getdoc(thing):
            bare.append(name)
        for member, value in vars(thing).items():
            documented = inspect.isfunction(value) or isinstance(value, property | classmethod)
            if documented and not member.startswith("_") and not inspect.getdoc(value):
                bare.append(f"{name}.{member}")
    assert bare == []


def test_statistics_have_the_fields_of_the_data_plane() -> None:
    stub = ast.parse((PACKAGE / "_core" / "__init__.pyi").read_text())
    native = {
        node.name: {
            item.target.id if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) else item.name  # type: ignore[attr-defined]
            for item in node.body
            if isinstance(item, ast.AnnAssign | ast.FunctionDef)
        }
        for node in stub.body
        if isinstance(node, ast.ClassDef)
    }
    renamed = {"ServerStats": "SfuStats"}
    for name in stats.__all__:
        ours = set(getattr(stats, name).__dataclass_fields__)
        assert ours - {"identity"} == native[renamed.get(name, name)], name


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
