"""The promises of the scripts behind `make`: options are passed on, no broken interpreter is accepted."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import parts
import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command at the root, with some variables changed, and without the variables that make sets."""
    left_out = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith("ELASTICQ_PYTHON_")
    }
    return subprocess.run(
        command,
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def executable(path: Path, text: str) -> Path:
    """Writes a shell script that takes the place of an interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "options",
    [
        ["--", "--publishers", "2", "--messages", "2"],
        ["--", "--payload=64"],
        ["--", "--publishers", "2", "--payload=64"],
        ["ARGS=--publishers 2"],
    ],
)
def test_make_demo_hands_its_options_on(options: list[str]) -> None:
    """Options after -- and in ARGS reach the command line of the demo, even a repeated word."""
    words = [option.removeprefix("ARGS=") for option in options if option != "--"]
    result = run("make", "--dry-run", "demo", *options)
    assert result.returncode == 0, result.stderr
    command_line = result.stdout.splitlines()[1].rstrip()
    assert command_line.endswith(" ".join(["-m elasticq demo", *words]))


def test_make_runs_several_targets() -> None:
    """A target named after demo is a target, not an option."""
    result = run("make", "--dry-run", "demo", "lint")
    command_lines = [line.rstrip() for line in result.stdout.splitlines()[1:]]
    assert command_lines == [".venv-demo/bin/python -m elasticq demo", "scripts/test lint"]


def test_a_named_interpreter_that_is_not_the_right_one_is_an_error(tmp_path: Path) -> None:
    """The message has the variable, its value and the reason. Nothing goes to standard output."""
    wrong = executable(tmp_path / "python", 'echo "built with the GIL" >&2; exit 1')
    result = run(SCRIPTS / "python", "3.13t", ELASTICQ_PYTHON_3_13T=str(wrong))
    assert (result.returncode, result.stdout) == (1, "")
    assert f"ELASTICQ_PYTHON_3_13T={wrong}" in result.stderr
    assert "built with the GIL" in result.stderr


def test_a_shim_that_does_not_run_and_an_unfinished_build_are_passed_over(tmp_path: Path) -> None:
    """PATH is not trusted, and the newest build that has its marker is used."""
    executable(tmp_path / "bin" / "python3.13t", "exit 127")
    builds = tmp_path / ".cache" / "elasticq"
    for version in ("3.13.9", "3.13.10", "3.13.11"):
        executable(builds / f"cpython-{version}-free-threaded" / "bin" / "python3.13", 'echo "$0"')
    for version in ("3.13.9", "3.13.10"):
        (builds / f"cpython-{version}-free-threaded" / ".finished").touch()
    result = run(SCRIPTS / "python", "3.13t", **nothing_installed(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{builds}/cpython-3.13.10-free-threaded/bin/python3.13\n"


@pytest.mark.parametrize("place", [".pyenv/versions/3.14.9", ".local/share/uv/python/cpython-3.14.9-linux"])
def test_what_a_version_manager_has_installed_is_found(tmp_path: Path, place: str) -> None:
    """Before anything is downloaded."""
    executable(tmp_path / "bin" / "python3.14", "exit 127")
    installed = executable(tmp_path / place / "bin" / "python3.14", 'echo "$0"')
    result = run(SCRIPTS / "python", "3.14", **nothing_installed(tmp_path))
    assert (result.returncode, result.stdout) == (0, f"{installed}\n"), result.stderr


def test_an_interpreter_without_cpython_s_own_tests_is_used_if_there_is_no_other(tmp_path: Path) -> None:
    """As distributions have it. What is passed over is named, with the reason."""
    bare = executable(tmp_path / "bin" / "python3.14", 'case $1 in -c) exit 1 ;; esac; echo "$0"')
    result = run(SCRIPTS / "python", "3.14", **nothing_installed(tmp_path))
    assert (result.returncode, result.stdout) == (0, f"{bare}\n"), result.stderr
    assert "without CPython's own tests" in result.stderr
    whole = executable(tmp_path / ".pyenv" / "versions" / "3.14.9" / "bin" / "python3.14", 'echo "$0"')
    assert run(SCRIPTS / "python", "3.14", **nothing_installed(tmp_path)).stdout == f"{whole}\n"
    executable(tmp_path / "bin" / "python3.14", "echo there is no module ssl >&2; exit 1")
    result = run(SCRIPTS / "python", "3.14", **nothing_installed(tmp_path))
    assert (result.returncode, result.stdout) == (0, f"{whole}\n")
    assert f"{bare} is passed over: there is no module ssl" in result.stderr


def without_flock(folder: Path) -> str:
    """A PATH with what the scripts need until they lock, and without flock, as on macOS."""
    folder.mkdir(exist_ok=True)
    for name in ("bash", "basename", "dirname", "env", "sed", "sort", "tail"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def test_no_interpreter_can_be_got_where_nothing_can_be_locked(tmp_path: Path) -> None:
    """The status says that there is none, so `make test` goes on."""
    path = without_flock(tmp_path / "programs")
    result = run(SCRIPTS / "python", "3.99", **{**nothing_installed(tmp_path), "PATH": path})
    assert (result.returncode, result.stdout) == (3, ""), result.stderr
    assert "flock" in result.stderr


@pytest.mark.parametrize("words", [["3.13", "3.14"], ["--build"], ["3"], ["2.7"], ["3.14", "--fast"]])
def test_exactly_one_version_is_asked_for(words: list[str]) -> None:
    result = run(SCRIPTS / "python", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "usage: python VERSION" in result.stderr


def nothing_installed(home: Path) -> dict[str, str]:
    """Variables that make `home` the user's folder, and `home`/bin the first one on PATH."""
    return {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYENV_ROOT": str(home / ".pyenv"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
    }


def test_programs_whose_names_do_not_say_that_they_are_python_are_linted() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        linted = tomllib.load(file)["tool"]["ruff"]["extend-include"]
    programs = (path for path in SCRIPTS.iterdir() if path.is_file() and path.suffix != ".py")
    assert linted == sorted(
        f"scripts/{path.name}" for path in programs if b"python" in path.read_bytes()[:22]
    )


def test_an_unusable_interpreter_makes_no_environment(tmp_path: Path) -> None:
    """The message names the interpreter, and no half-made environment remains."""
    broken = executable(tmp_path / "python", "exit 1")
    result = run(SCRIPTS / "python-env", tmp_path / "env", broken)
    assert result.returncode == 1
    assert f"cannot use the interpreter {broken}" in result.stderr
    assert not (tmp_path / "env").exists()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of scripts and empty files, with a cargo that notes what it was asked for."""
    root = tmp_path / "project"
    (root / "scripts" / "build").mkdir(parents=True)
    for name in ("python-env", "test-python"):
        shutil.copy(SCRIPTS / name, root / "scripts")
    for name in ("rust", "rust-3.13t", "python", ".cargo"):
        (root / name).mkdir()
    for name in ("Cargo.toml", "Cargo.lock", "rust-3.13t/Cargo.toml", "README.md", "LICENSE"):
        (root / name).touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    executable(
        tmp_path / "bin" / "cargo",
        f'echo "${{PYO3_CONFIG_FILE##*/}}$PYO3_CROSS_PYTHON_VERSION $*" >>"{tmp_path}/cargo"',
    )
    executable(tmp_path / "bin" / "rustc", "echo rustc")
    return root


def with_programs(tmp_path: Path) -> str:
    return f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("source", ["rust-3.13t/Cargo.toml", "Cargo.lock", "rust/new"])
def test_the_wheel_is_built_anew_if_and_only_if_a_source_has_changed(
    project: Path, tmp_path: Path, source: str
) -> None:
    python = executable(
        tmp_path / "python",
        f"""case "$*" in
            "- "*) echo {tmp_path}/python; echo abi ;;
            "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin" ;;
            *" wheel "*) echo built >>{tmp_path}/log; mkdir env/wheel; touch env/wheel/some.whl ;;
        esac""",
    )

    def built() -> int:
        result = run(
            project / "scripts" / "python-env", project / "env", python, PATH=with_programs(tmp_path)
        )
        assert result.returncode == 0, result.stderr
        return len((tmp_path / "log").read_text().split())

    assert (built(), built()) == (1, 1)
    (project / source).write_text("changed")
    assert (built(), built()) == (2, 2)


@pytest.mark.parametrize(
    ("version", "told", "binding"),
    [
        ("3.13t", "pyo3-config.txt", "--manifest-path rust-3.13t/Cargo.toml"),
        ("3.14t", "3.14t", "--package elasticq-python"),
    ],
)
def test_without_an_interpreter_the_binding_is_compiled_with_the_pyo3_that_knows_it(
    project: Path, tmp_path: Path, version: str, told: str, binding: str
) -> None:
    executable(project / "scripts" / "python", "exit 3")
    result = run(project / "scripts" / "test-python", version, PATH=with_programs(tmp_path))
    assert result.returncode == 3, result.stderr
    assert f"{told} clippy --locked {binding} " in (tmp_path / "cargo").read_text()


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (2, 2), (3, 1), (5, 5)])
def test_an_error_within_pytest_does_not_look_like_a_missing_interpreter(
    project: Path, tmp_path: Path, status: int, expected: int
) -> None:
    executable(project / "scripts" / "python", "echo python")
    executable(project / "scripts" / "python-env", 'mkdir -p "$1/bin"; cp shim "$1/bin/python"')
    executable(project / "shim", f'exec {sys.executable} "$@"')
    (tmp_path / "pytest.py").write_text(
        f"class ExitCode:\n    INTERNAL_ERROR = 3\n\ndef main():\n    return {status}\n"
    )
    result = run(project / "scripts" / "test-python", "3.14", PYTHONPATH=str(tmp_path))
    assert result.returncode == expected, result.stderr


def commit_all(folder: Path) -> None:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    for command in (("add", "."), (*me, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *command], cwd=folder, check=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the scripts with one commit and no changes, like a shallow clone."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit_all(tmp_path)
    return tmp_path


def test_a_proof_that_was_stopped_has_found_no_flaw(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mutants"
    loader = importlib.machinery.SourceFileLoader(name, str(SCRIPTS / name))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    panic = "thread 'one' panicked at src/lib.rs:1:1:\nan item is lost\n"
    assert script.reason("lib::one", panic, 101) == "an item is lost"
    assert script.reason("lib::one", "(signal: 6, SIGABRT: process abort signal)", 101) == "exit status 101"
    with pytest.raises(SystemExit, match="lib::one was killed"):
        script.reason("lib::one", "process didn't exit successfully (signal: 9, SIGKILL: kill)", 101)
    monkeypatch.setattr(script.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(SystemExit, match="the disk is full"):
        script.reason("lib::one", panic, 101)


def mutants(clone: Path, *options: str) -> list[str]:
    result = run(clone / "scripts" / "mutants", *options, "--names")
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_each_flaw_has_its_turn(clone: Path) -> None:
    """This holds even if nothing was changed. The same turn gives the same dozen again."""
    every = mutants(clone)
    turns = [mutants(clone, "--dozen", "--turn", str(turn)) for turn in range(len(every) // 12 + 1)]
    assert {len(turn) for turn in turns} == {12}
    assert {name for turn in turns for name in turn} == set(every)
    by_the_clock = run(clone / "scripts" / "mutants", "--dozen", "--names")
    turn = by_the_clock.stderr.split()[-1]
    assert by_the_clock.stdout.split() == mutants(clone, "--dozen", "--turn", turn)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize(
    ("file", "flaw"),
    [
        ("src/lock_free/turns.rs", "mpsc-guard-hands-over-too-little"),
        ("tests/forked.rs", "child-takes-itself-for-its-parent"),
    ],
)
def test_flaws_of_what_was_just_changed_come_first(
    clone: Path, file: str, flaw: str, committed: bool
) -> None:
    """At every turn these are the flaws in the file, and those that a proof in the file finds."""
    changed = clone / "rust" / "elasticq" / file
    changed.parent.mkdir(parents=True)
    changed.touch()
    if committed:
        commit_all(clone)
    assert all(flaw in mutants(clone, "--dozen", "--turn", str(turn)) for turn in range(3))


def test_the_wheel_is_built_by_the_environments_own_maturin(tmp_path: Path) -> None:
    """Nobody needs to have maturin, and one that is on PATH already may be too old."""
    environment = tmp_path / "environment"
    wheel = environment / "wheel" / "elasticq-1-py3-none-any.whl"
    python = executable(
        tmp_path / "python",
        f"""case "$*" in
            "- "*) printf '%s\\n' "$0" some-abi ;;
            "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
            *" wheel "*) echo "$PATH" >"{tmp_path}/path" && mkdir "{wheel.parent}" && touch "{wheel}" ;;
        esac""",
    )
    result = run(SCRIPTS / "python-env", environment, python)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "path").read_text().split(os.pathsep)[0] == str(environment / "bin")


@pytest.mark.parametrize(
    ("script", "argument", "known"),
    [
        ("mutants", "mpcs-notes", "NAME"),
        ("test", "pyhton", "python"),
        ("bench", "rsut", "rust"),
        ("python", "--biuld", "--build"),
        ("python-package", "3.13d", "3.14t"),
        ("vendor", "--all", "usage: vendor DIRECTORY"),
        ("python", "3.13d", "3.14t"),
        ("verify", "loon", "--list"),
        ("sanitize", "adress", "address"),
        ("machines", "aarch64-apple-darwni", "aarch64-apple-darwin"),
        ("package", "--test", "--tests"),
        ("documented", "elasticq", "documented: unknown word"),
        ("coverage", "rsut", "rust"),
        ("rust-with-source", "--nightly", "usage: rust-with-source"),
        ("docs", "serve", "usage: docs"),
        ("windows-python", "3.13", "usage: windows-python"),
    ],
)
def test_an_unknown_word_is_bad_usage(script: str, argument: str, known: str) -> None:
    """The exit status is 2. The message has the word itself and the right ones."""
    result = run(SCRIPTS / script, argument)
    assert (result.returncode, result.stdout) == (2, "")
    assert argument in result.stderr
    assert known in result.stderr


def vendor(tmp_path: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the script with a cargo that makes one crate, and a pip that downloads nothing."""
    cargo = 'for folder; do :; done; mkdir -p "$folder/only-1.0.0"; echo "$@" >"$folder.arguments"'
    executable(tmp_path / "bin" / "cargo", cargo)
    python = executable(tmp_path / "bin" / "python", "exit 0")
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return run(SCRIPTS / "vendor", directory, PATH=path, PYTHON=str(python))


def test_the_folder_for_an_offline_build_has_both_lock_files_crates_and_may_be_moved(tmp_path: Path) -> None:
    made = tmp_path / "made"
    result = vendor(tmp_path, made)
    assert result.returncode == 0, result.stderr
    assert "--locked --versioned-dirs --sync rust-3.13t/Cargo.toml" in (made / "vendor.arguments").read_text()
    settings = tomllib.loads((made / "cargo-home" / "config.toml").read_text())
    source = settings["source"][settings["source"]["crates-io"]["replace-with"]]
    assert source == {"directory": "vendor"}
    assert settings["net"]["offline"] is True
    assert "has 1 crates" in result.stdout
    assert f"export CARGO_HOME={made}/cargo-home" in result.stdout
    assert f"pip install --no-index --find-links {made}/wheels ." in result.stdout


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    result = vendor(tmp_path, other)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{other} is not empty" in result.stderr
    assert [path.name for path in other.iterdir()] == ["mine"]


@pytest.fixture
def toolchain(tmp_path: Path) -> Path:
    """A nightly toolchain of scripts, that of the command rustc, without the source. Its cargo finds that the
    source compiles, unless the toolchain has a file `does-not-fit`."""
    toolchain = tmp_path / "rustup" / "toolchains" / "nightly-some-machine"
    own_folder = 'cd "$(dirname "$0")/.." && pwd -P'
    executable(toolchain / "bin" / "rustc", own_folder)
    executable(toolchain / "bin" / "cargo", f'! [ -e "$({own_folder})/does-not-fit" ]')
    (toolchain / "lib" / "rustlib").mkdir(parents=True)
    (toolchain / "lib" / "rustlib" / "components").write_text("rustc\n")
    version = "release: 1.97.0-nightly\ncommit-hash: 0123456789abcdef\nhost: some-machine"
    executable(
        tmp_path / "bin" / "rustc",
        f'case "$*" in "+nightly --print sysroot") echo "{toolchain}";; *) echo "{version}";; esac',
    )
    executable(tmp_path / "bin" / "apt-get", "echo 'no network' >&2; exit 100")
    executable(tmp_path / "bin" / "rustup", "echo 'no network' >&2; exit 1")
    return toolchain


SOURCE = Path("lib", "rustlib", "src", "rust", "library")
ADD_SOURCE = f'''
mkdir -p "$added/{SOURCE}/std/src"
touch "$added/{SOURCE}/Cargo.lock" "$added/{SOURCE}/std/src/lib.rs"'''


def rust_with_source(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return run(
        SCRIPTS / "rust-with-source",
        PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )


def test_a_toolchain_that_has_the_source_is_used_as_it_is(toolchain: Path, tmp_path: Path) -> None:
    """Nothing is copied."""
    subprocess.run(["sh", "-c", ADD_SOURCE], env={**os.environ, "added": str(toolchain)}, check=True)
    result = rust_with_source(tmp_path)
    assert (result.returncode, result.stdout) == (0, f"{toolchain}\n"), result.stderr
    assert not (tmp_path / "cache").exists()


def test_the_source_is_added_to_a_copy_of_the_toolchain(toolchain: Path, tmp_path: Path) -> None:
    """The user's toolchain stays as it was, although rustup writes to files of the one that it adds to. The
    copy is found again without rustup."""
    executable(
        tmp_path / "bin" / "rustup",
        f'added=$RUSTUP_HOME/toolchains/$5; echo rust-src >>"$added/lib/rustlib/components"{ADD_SOURCE}',
    )
    before = sorted(toolchain.rglob("*"))
    result = rust_with_source(tmp_path)
    copy = tmp_path / "cache" / "elasticq" / "rust-1.97.0-nightly-012345678-with-source"
    assert (result.returncode, result.stdout) == (0, f"{copy}\n"), result.stderr
    assert (copy / SOURCE / "Cargo.lock").exists()
    assert sorted(toolchain.rglob("*")) == before
    assert (toolchain / "lib" / "rustlib" / "components").read_text() == "rustc\n"
    (tmp_path / "bin" / "rustup").unlink()
    assert rust_with_source(tmp_path).stdout == f"{copy}\n"


def test_what_a_killed_run_has_left_is_removed(toolchain: Path, tmp_path: Path) -> None:
    """By the next one that makes a copy, since it has the lock."""
    left = tmp_path / "cache" / "elasticq" / ".rust-a1B2c3" / "rustup"
    left.mkdir(parents=True)
    assert rust_with_source(tmp_path).returncode == 3
    assert not left.parent.exists()


def test_no_source_can_be_got_where_nothing_can_be_locked(toolchain: Path, tmp_path: Path) -> None:
    path = without_flock(tmp_path / "bin")
    result = run(SCRIPTS / "rust-with-source", PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (result.returncode, result.stdout) == (3, ""), result.stderr
    assert "flock" in result.stderr


def test_source_that_the_compiler_cannot_compile_is_not_used(toolchain: Path, tmp_path: Path) -> None:
    """The status says that there is none, and nothing is left of it."""
    executable(
        tmp_path / "bin" / "rustup",
        f'added=$RUSTUP_HOME/toolchains/$5; touch "$added/does-not-fit"{ADD_SOURCE}',
    )
    result = rust_with_source(tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "no source for 1.97.0-nightly" in result.stderr
    assert [path.name for path in (tmp_path / "cache" / "elasticq").iterdir()] == [".lock-rust"]


def test_without_a_nightly_toolchain_no_machine_is_available(tmp_path: Path) -> None:
    """The status is 3, the reason is given, and each machine has its line."""
    executable(tmp_path / "bin" / "rustc", "exit 1")
    result = rust_with_source(tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "rustup toolchain install nightly" in result.stderr
    result = run(SCRIPTS / "machines", PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert result.returncode == 3, result.stderr
    machines = [part.name for part in parts.PARTS if part.name.startswith("machine-")]
    lines = result.stdout.splitlines()[-len(machines) :]
    assert [f"machine-{line.split()[0]}" for line in lines] == machines
    assert all("not available" in line for line in lines), result.stdout


def test_the_tests_that_are_left_out_on_other_machines_exist() -> None:
    """So a test that gets another name is not left out unseen, nor is a new one with an old name."""
    script = (SCRIPTS / "machines").read_text()
    listed = script.partition("STARTED_TWICE=(")[2].partition(")")[0].split()
    crate = "".join(path.read_text() for path in (ROOT / "rust" / "elasticq").rglob("*.rs"))
    assert len(listed) == 6
    assert [name for name in listed if crate.count(f"fn {name}()") != 1] == []
    script = (SCRIPTS / "test-windows").read_text()
    listed = script.partition("NOT_UNDER_WINE=(")[2].partition(")")[0].split()
    assert listed
    for file, _, name in (each.partition("::") for each in listed):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text()
