"""The promises of the scripts that use Wine, with programs in its place."""

import os
import shutil
from pathlib import Path

import pytest
from test_scripts import ROOT, SCRIPTS, executable, run, with_programs

pytestmark = pytest.mark.checkout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose wheel for Windows is an empty file, with a Wine whose pytest says $STATUS."""
    root = tmp_path / "project"
    (root / "scripts").mkdir(parents=True)
    for name in ("test-windows", "machines", "wine.bash", "debian.bash"):
        shutil.copy(SCRIPTS / name, root / "scripts")
    shutil.copy(ROOT / "pyproject.toml", root)
    (tmp_path / "python").mkdir()
    interpreter = f"readonly SERIES=3.13\necho {tmp_path}/python/python.exe"
    executable(root / "scripts" / "windows-python", interpreter)
    executable(root / "scripts" / "rust-with-source", "echo toolchain")
    executable(root / "scripts" / "python", "echo 3.13")
    programs = tmp_path / "bin"
    executable(programs / "dpkg-query", "echo installed")
    executable(programs / "apt-get", "exit 1")
    executable(programs / "cargo", "exit 1")
    executable(
        programs / "wine",
        """case "$1" in
            wineboot) test -z "$BROKEN" && mkdir -p "$WINEPREFIX/drive_c/windows/system32" ;;
            *) test -z "$ABORTS" || exit "$ABORTS"; echo "$STATUS" >"$3"; exit "$STATUS" ;;
        esac""",
    )
    executable(programs / "wineserver", f'echo "$WINEPREFIX $*" >>{tmp_path}/servers')
    executable(programs / "x86_64-w64-mingw32-gcc", "exit 0")
    executable(
        programs / "python3",
        f"""case "$*" in
            "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp {programs}/maturin "$3/bin" ;;
            *" --target "*) while [ "$1" != --target ]; do shift; done; mkdir -p "$2/bin" ;;
        esac""",
    )
    executable(
        programs / "maturin",
        """test -z "$UNCOMPILED" || exit 1
        while [ "$1" != --out ]; do shift; done; mkdir "$2"; touch "$2"/a.whl""",
    )
    return root


def servers(tmp_path: Path) -> list[list[str]]:
    """What Wine's server was asked for: folder and words."""
    return [line.split() for line in (tmp_path / "servers").read_text().splitlines()]


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_python_that_is_aborted_has_not_passed(project: Path, tmp_path: Path, status: str) -> None:
    """Under Wine it may end with 0. On Windows it ends with 3, which would say that there is no Windows."""
    result = run(project / "scripts" / "test-windows", PATH=with_programs(tmp_path), ABORTS=status)
    assert result.returncode == 1
    assert result.stderr.endswith("Python has ended before pytest did\n")


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (2, 2), (3, 1), (5, 5)])
def test_an_error_within_pytest_does_not_look_like_a_missing_windows(
    project: Path, tmp_path: Path, status: int, expected: int
) -> None:
    result = run(project / "scripts" / "test-windows", PATH=with_programs(tmp_path), STATUS=str(status))
    assert result.returncode == expected, result.stderr
    prefixes = {prefix for prefix, *_ in servers(tmp_path)}
    assert len(prefixes) == 1
    assert not Path(*prefixes).exists()
    assert servers(tmp_path)[-1][1] == "--kill"


def test_where_wine_does_not_run_the_script_says_so(project: Path, tmp_path: Path) -> None:
    result = run(project / "scripts" / "test-windows", PATH=with_programs(tmp_path), BROKEN="yes")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (1, "test-windows: Wine does not run here")


def test_without_wine_and_a_compiler_the_tests_are_not_available(project: Path, tmp_path: Path) -> None:
    """Also if an interpreter is in the cache."""
    executable(tmp_path / "bin" / "dpkg-query", "exit 1")
    executable(tmp_path / "bin" / "sudo", "exit 1")
    result = run(project / "scripts" / "test-windows", PATH=with_programs(tmp_path))
    assert result.returncode == 3, result.stderr
    assert "wine" in result.stderr


@pytest.mark.parametrize(("results", "status"), [(2, 0), (1, 1), (0, 1)])
def test_each_program_of_the_crate_has_to_tell_its_result(
    project: Path, tmp_path: Path, results: int, status: int
) -> None:
    """An emulator may abort one with the exit status 0."""
    told = "echo 'test result: ok. 7 passed'; " * results
    executable(
        tmp_path / "bin" / "cargo", f'test "$1" != test || {{ echo " Running a"; echo " Running b"; {told} }}'
    )
    script = project / "scripts" / "machines"
    result = run(script, "x86_64-pc-windows-gnu", PATH=with_programs(tmp_path))
    assert result.returncode == status, result.stdout
    assert f"{14 if status == 0 else 0:5} tests passed" in result.stdout


@pytest.mark.parametrize("script", ["test-windows", "machines"])
def test_a_windows_of_the_caller_s_is_left_alone(project: Path, tmp_path: Path, script: str) -> None:
    """Even if something fails before the script has made its own."""
    mine = tmp_path / "mine"
    mine.mkdir()
    result = run(
        project / "scripts" / script,
        *(["x86_64-pc-windows-gnu"] if script == "machines" else []),
        PATH=with_programs(tmp_path),
        WINEPREFIX=os.fspath(mine),
        UNCOMPILED="yes",
    )
    assert result.returncode == 1, result.stderr
    assert not (tmp_path / "servers").exists()
