"""Floors and cycles: the check sees what is planted, and nothing where there is nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(root: Path) -> tuple[int, str]:
    """The exit code and the output of the floors check on the tree at `root`."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "check_floors.py", root], capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree without a fault."""
    write(
        tmp_path,
        {
            "rust/wire/Cargo.toml": '[package]\nname = "sfu-wire"\n',
            "rust/wire/src/lib.rs": "mod error;\npub mod rtcp;\npub use error::ParseError;\n",
            "rust/wire/src/error.rs": "pub struct ParseError;\n",
            "rust/wire/src/rtcp/mod.rs": "mod pli;\nmod report;\npub use pli::Pli;\npub use report::Report;\n",
            "rust/wire/src/rtcp/pli.rs": "use crate::ParseError;\nuse super::Report;\npub struct Pli;\n",
            "rust/wire/src/rtcp/report.rs": "use crate::error::ParseError;\npub struct Report;\n",
            "rust/core/Cargo.toml": '[package]\nname = "sfu-core"\n[dependencies]\nsfu-wire = { workspace = true }\n',
            "rust/core/src/lib.rs": "mod room;\n",
            "rust/core/src/room.rs": "use sfu_wire::rtcp::Pli;\n",
            "python/sfu/__init__.py": "from sfu.server import Server\n",
            "python/sfu/_core.pyi": "",
            "python/sfu/errors.py": "",
            "python/sfu/session.py": "from sfu.errors import SfuError\nfrom sfu import _core\n",
            "python/sfu/server.py": "from .session import Session\n",
        },
    )
    return tmp_path


def test_a_clean_tree_passes(tree: Path) -> None:
    assert check(tree) == (0, "floors: clean\n")


def test_two_modules_that_import_each_other_are_named_file_by_file(tree: Path) -> None:
    write(tree, {"rust/wire/src/error.rs": "use crate::rtcp::Pli;\npub struct ParseError;\n"})
    code, output = check(tree)
    assert code == 1
    assert "import cycle in the crate `wire`" in output
    assert "rust/wire/src/error.rs:1 imports rtcp.pli" in output
    assert "rust/wire/src/rtcp/pli.rs:1 imports error" in output


def test_a_cycle_deep_in_a_folder_is_seen(tree: Path) -> None:
    write(tree, {"rust/wire/src/rtcp/report.rs": "pub struct Report;\nfn f() { super::pli::parse(); }\n"})
    code, output = check(tree)
    assert code == 1
    assert "rust/wire/src/rtcp/report.rs:2 imports rtcp.pli" in output
    assert "rust/wire/src/rtcp/pli.rs:2 imports rtcp.report" in output


def test_two_folders_in_a_circle_are_a_cycle_though_no_two_files_are(tree: Path) -> None:
    write(
        tree,
        {
            "rust/core/src/lib.rs": "mod room;\nmod track;\n",
            "rust/core/src/room.rs": "mod a;\nmod b;\n",
            "rust/core/src/room/a.rs": "use crate::track::c::C;\n",
            "rust/core/src/room/b.rs": "",
            "rust/core/src/track/mod.rs": "mod c;\nmod d;\n",
            "rust/core/src/track/c.rs": "",
            "rust/core/src/track/d.rs": "use crate::{room::{b::{self as other}}};\n",
        },
    )
    code, output = check(tree)
    assert code == 1
    assert "rust/core/src/room/a.rs:1 imports track.c" in output
    assert "rust/core/src/track/d.rs:1 imports room.b" in output


def test_a_file_and_its_own_child_can_be_a_cycle(tree: Path) -> None:
    write(
        tree,
        {
            "rust/wire/src/rtcp/mod.rs": (
                "mod pli;\nmod report;\npub use report::Report;\npub struct Header;\nfn f() { pli::f() }\n"
            ),
            "rust/wire/src/rtcp/pli.rs": "use super::Header;\n",
        },
    )
    code, output = check(tree)
    assert code == 1
    assert "rust/wire/src/rtcp/mod.rs:5 imports rtcp.pli" in output


def test_comments_strings_and_tests_are_no_imports(tree: Path) -> None:
    write(
        tree,
        {
            "rust/wire/src/error.rs": (
                "// use crate::rtcp::Pli;\n"
                "/* use crate::rtcp::Pli; */\n"
                'const TEXT: &str = "use crate::rtcp::Pli;";\n'
                "pub struct ParseError;\n"
                "#[cfg(test)]\nmod tests {\n    use crate::rtcp::Pli;\n    fn f() { let now = Instant::now(); }\n}\n"
            ),
        },
    )
    assert check(tree)[0] == 0


def test_a_crate_that_depends_on_a_higher_one_is_an_upward_import(tree: Path) -> None:
    write(tree, {"rust/wire/Cargo.toml": '[dependencies]\nsfu-core = { path = "../core" }\n'})
    code, output = check(tree)
    assert code == 1
    assert "rust/wire/Cargo.toml: upward import: `wire` must not depend on `sfu-core`" in output


def test_tests_of_a_crate_may_use_the_peer_and_nothing_else_from_above(tree: Path) -> None:
    write(tree, {"rust/core/Cargo.toml": "[dev-dependencies]\nsfu-peer = { workspace = true }\n"})
    assert check(tree)[0] == 0
    write(tree, {"rust/core/Cargo.toml": "[dev-dependencies]\nsfu-runtime = { workspace = true }\n"})
    assert check(tree)[0] == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("fn f() { let now = std::time::Instant::now(); }", "the time is an argument"),
        ("fn f() { let now = SystemTime::now(); }", "the time is an argument"),
        ("use std::net::UdpSocket;", "sockets belong to `runtime`"),
        ("fn f() { std::thread::spawn(|| ()); }", "threads belong to `runtime`"),
        ("use std::sync::Mutex;", "holds no locks"),
    ],
)
def test_the_core_has_no_clock_socket_thread_or_lock(tree: Path, code: str, reason: str) -> None:
    write(tree, {"rust/core/src/room.rs": f"\n{code}\n"})
    exit_code, output = check(tree)
    assert exit_code == 1
    assert "rust/core/src/room.rs:2: " in output
    assert reason in output


@pytest.mark.parametrize("crate", ["pyo3", "tokio", "socket2"])
def test_the_core_depends_on_no_interpreter_and_no_io(tree: Path, crate: str) -> None:
    write(tree, {"rust/core/Cargo.toml": f'[dependencies]\n{crate} = "1"\n'})
    code, output = check(tree)
    assert code == 1
    assert f"rust/core/Cargo.toml: `{crate}` has no place below `runtime`" in output


def test_a_crate_without_a_floor_is_told_to_get_one(tree: Path) -> None:
    write(tree, {"rust/attic/Cargo.toml": ""})
    code, output = check(tree)
    assert code == 1
    assert "the crate `attic` has no floor" in output


@pytest.mark.parametrize(
    "statement",
    [
        "from sfu.server import Server",
        "from .server import Server",
        "from . import server",
        "import sfu.server",
        "def late():\n    from sfu.server import Server",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sfu.server import Server",
    ],
)
def test_python_upward_imports_count_wherever_they_stand(tree: Path, statement: str) -> None:
    write(tree, {"python/sfu/session.py": f"{statement}\n"})
    code, output = check(tree)
    assert code == 1
    assert "upward import: `session` must not import `server`" in output
    assert "import cycle in python/sfu" in output


def test_a_python_cycle_on_one_floor_is_named_file_by_file(tree: Path) -> None:
    write(
        tree,
        {
            "python/sfu/signaling/__init__.py": "",
            "python/sfu/signaling/ws.py": "from sfu.signaling import whip\n",
            "python/sfu/signaling/whip.py": "from sfu.signaling.ws import parse\n",
        },
    )
    code, output = check(tree)
    assert code == 1
    assert "python/sfu/signaling/ws.py:1 imports signaling.whip" in output
    assert "python/sfu/signaling/whip.py:1 imports signaling.ws" in output


def test_nobody_inside_imports_the_face_of_the_package(tree: Path) -> None:
    write(tree, {"python/sfu/session.py": "import sfu\n"})
    code, output = check(tree)
    assert code == 1
    assert "python/sfu/session.py:1: upward import" in output


def test_a_python_module_without_a_floor_is_told_to_get_one(tree: Path) -> None:
    write(tree, {"python/sfu/attic.py": ""})
    code, output = check(tree)
    assert code == 1
    assert "python/sfu/attic: this module has no floor" in output


def test_faults_planted_in_a_copy_of_this_repository_are_caught(tmp_path: Path) -> None:
    leave_out = shutil.ignore_patterns("target", "__pycache__", "*.so")
    for part in ("rust", "python"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=leave_out)
    _, before = check(tmp_path)
    library = tmp_path / "rust/core/src/lib.rs"
    library.write_text(library.read_text() + "\nmod planted_one;\nmod planted_two;\n")
    write(
        tmp_path,
        {
            "rust/core/src/planted_one.rs": "use crate::planted_two::Two;\npub struct One;\n",
            "rust/core/src/planted_two.rs": "use crate::planted_one::One;\npub struct Two;\n",
        },
    )
    errors = tmp_path / "python/sfu/errors.py"
    errors.write_text(errors.read_text() + "\nfrom sfu.server import Server\n")
    code, after = check(tmp_path)
    assert code == 1
    assert "planted" not in before
    assert "rust/core/src/planted_one.rs:1 imports planted_two" in after
    assert "rust/core/src/planted_two.rs:1 imports planted_one" in after
    assert "upward import: `errors` must not import `server`" in after
