"""`scripts/peer-suites` runs other queues' tests against ours, and lets no test be left out unnoticed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE

pytestmark = pytest.mark.checkout

SCRIPT = Path(__file__).parent.parent / "scripts" / "peer-suites"

SUITE = """
import janus


def test_passes():
    janus.Queue().sync_q.put(1)


class TestOfTheInside:
    def test_fails(self):
        janus.Queue()._parent

    def test_fails_too(self):
        janus.Queue()._parent
"""
"""What a peer's tests may look like."""


def load() -> Any:
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("peer_suites_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


peer_suites: Any = load()
JANUS: Any = peer_suites.PEERS[0]


def run(folder: Path, left_out: str) -> subprocess.CompletedProcess[str]:
    """Runs the suite above as janus' own, with a list of tests that are left out."""
    lists = folder / "lists"
    for path, text in (
        (folder / "suite" / JANUS.tests / "test_it.py", SUITE),
        (lists / "janus.txt", left_out),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    peer_suites.stand_in(JANUS, folder / "stand-in")
    program = (
        "import sys\n"
        f"sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(SCRIPT.parent)!r}]\n"
        "from pathlib import Path\n"
        "from test_peer_suites import JANUS, peer_suites\n"
        f"peer_suites.LISTS = Path({str(lists)!r})\n"
        f"sys.exit(peer_suites.run_inside(JANUS, Path({str(folder)!r})))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # this suite needs none
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


def last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def test_what_is_listed_is_left_out_and_the_rest_runs(tmp_path: Path) -> None:
    result = run(tmp_path, "# A list.\n\ntests/test_it.py::TestOfTheInside::*  # reads what is private\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert last_line(result.stdout) == (
        "janus 2.0.0: 1 ran, 1 passed, 0 failed; 0 skipped themselves, 2 left out"
    )


def test_a_test_that_fails_and_is_not_listed_is_a_failure(tmp_path: Path) -> None:
    result = run(tmp_path, "tests/test_it.py::TestOfTheInside::test_fails  # reads what is private\n")
    assert result.returncode == 1
    assert last_line(result.stdout) == (
        "janus 2.0.0: 2 ran, 1 passed, 1 failed; 0 skipped themselves, 1 left out"
    )


def test_a_listed_test_that_does_not_exist_is_a_failure(tmp_path: Path) -> None:
    result = run(
        tmp_path, "tests/test_it.py::TestOfTheInside  # private\ntests/test_it.py::test_pass  # gone\n"
    )
    assert result.returncode == 1
    assert last_line(result.stdout) == "  lists/janus.txt: tests/test_it.py::test_pass fits no test"


def test_a_list_that_leaves_nothing_to_run_is_a_failure(tmp_path: Path) -> None:
    assert run(tmp_path, "tests  # all\n").returncode == 1


def test_every_list_can_be_read_and_belongs_to_a_peer() -> None:
    lists = {path.stem: peer_suites.read_list(path.read_text()) for path in peer_suites.LISTS.glob("*.txt")}
    assert lists["janus"]
    assert set(lists) <= {peer.name for peer in peer_suites.PEERS}


@pytest.mark.parametrize("line", ["tests/test_it.py::test_x", "tests/test_it.py::test_x #", "a::b#c"])
def test_a_line_without_a_reason_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no reason"):
        peer_suites.read_list(line)


@pytest.mark.parametrize(
    ("pattern", "node", "does"),
    [
        ("t.py::test_a", "t.py::test_a", True),
        ("t.py::test_a", "t.py::test_a[x]", True),
        ("t.py::test_a", "t.py::test_ab", False),
        ("t.py::test_a[x]", "t.py::test_a[x]", True),
        ("t.py::test_a[x]", "t.py::test_a[y]", False),
        ("t.py::*[x*]", "t.py::test_a[x1]", True),
        ("t.py::*[x*]", "t.py::test_ax", False),
        ("t.py", "t.py::TestA::test_a", True),
        ("a", "a/t.py::test_a", True),
        ("a", "ab/t.py::test_a", False),
    ],
)
def test_a_line_means_a_test_or_what_begins_with_it(pattern: str, node: str, does: bool) -> None:
    assert peer_suites.fits(pattern, node) is does


def test_another_archive_than_the_one_in_the_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_suites, "FETCHED", tmp_path)
    (tmp_path / "janus-2.0.0.tar.gz").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="has the sha256"):
        peer_suites.fetched(JANUS, Path(sys.executable))


def test_only_the_tests_are_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "peer.tar.gz"
    names = ["p-1/tests/test_a.py", "p-1/tests/deep/b.py", "p-1/p/__init__.py", "p-1/tests/../../out.py"]
    with tarfile.open(archive, "w:gz") as members:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            members.addfile(member, io.BytesIO(b"x"))
    peer_suites.unpack(archive, JANUS, tmp_path / "suite")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.py")}
    assert found == {"suite/tests/test_a.py", "suite/tests/deep/b.py"}
