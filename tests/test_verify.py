"""The promises of `make verify`: after an interruption it goes on; its table is of one state of the tree."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import parts
import pytest
from support import wait_until

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent

FAKE = """
from verdicts import Part

PARTS = [
    Part("first", "Proves one thing.", "echo first >> ../log; mkdir -p target; date > target/built"),
    Part("second", "Proves another.", "bash ../second", {"LEVEL": "1"}),
    Part("third", "Proves the rest.", "echo third >> ../log", reads=("code/", "page")),
]
"""


class Project:
    """A repository with the real `scripts/verify` and three parts, of which the second is up to the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "repository"
        (self.root / "scripts").mkdir(parents=True)
        for name in ("verify", "verdicts.py", "turns.py"):
            shutil.copy(ROOT / "scripts" / name, self.root / "scripts")
        (self.root / "scripts" / "parts.py").write_text(FAKE)
        (self.root / ".gitignore").write_text("/target/\n__pycache__/\n")
        (self.root / "page").touch()
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)
        self.second("")

    def second(self, commands: str) -> None:
        """What the second part does, apart from noting that it runs."""
        (self.folder / "second").write_text(f"echo second >> ../log\n{commands}\n")

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
        return subprocess.Popen(
            [sys.executable, self.root / "scripts" / "verify", *options],
            env=inherited | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def verify(self, *options: str, **environment: str) -> tuple[int, str]:
        """Runs it; returns the exit status and the output."""
        process = self.start(*options, **environment)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def ran(self) -> list[str]:
        """The parts that ran since the last look."""
        log = self.folder / "log"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def outcomes(output: str) -> dict[str, str]:
    """The outcome of each part in the table."""
    row = r"(?m)^(passed|FAILED|not available|not run) [ \d]*s? +(first|second|third)\b"
    return {name: outcome for outcome, name in re.findall(row, output.partition("=== Verdicts")[2])}


def test_what_has_passed_is_not_run_again(project: Project) -> None:
    """Building changes no state: the files that git ignores are no part of it."""
    status, output = project.verify()
    assert (status, project.ran()) == (0, ["first", "second", "third"])
    assert outcomes(output) == dict.fromkeys(("first", "second", "third"), "passed")
    assert "Proves another." in output
    status, again = project.verify()
    assert (status, project.ran()) == (0, [])
    assert outcomes(again) == outcomes(output)


def test_a_failed_part_does_not_stop_the_others_and_is_run_again(project: Project) -> None:
    project.second("echo here is why; exit 1")
    status, output = project.verify()
    assert (status, project.ran()) == (1, ["first", "second", "third"])
    assert outcomes(output) == {"first": "passed", "second": "FAILED", "third": "passed"}
    assert "failed: here is why" in output
    project.second("")
    status, output = project.verify()
    assert (status, project.ran(), outcomes(output)["second"]) == (0, ["second"], "passed")


def test_a_part_that_is_not_available_says_why_and_is_no_failure(project: Project) -> None:
    """Nor does it count as passed: a further call tries it again."""
    project.second("echo there is no such machine; exit 3")
    status, output = project.verify()
    assert (status, outcomes(output)["second"]) == (0, "not available")
    assert "not available: there is no such machine" in output
    assert "2 of 3 parts passed\nnot available: second\n" in output
    project.ran()
    project.verify()
    assert project.ran() == ["second"]


def test_each_platform_was_run_or_compiled_for_or_is_not_available(project: Project) -> None:
    parts_file = project.root / "scripts" / "parts.py"
    text = parts_file.read_text().replace(
        '{"LEVEL": "1"}', '{"LEVEL": "1"}, platform="ARM", shows="compiled"'
    )
    parts_file.write_text(text.replace('"page")', '"page"), platform="Linux"'))

    def shown() -> list[str]:
        return project.verify()[1].partition("=== Interpreters and machines\n\n")[2].splitlines()[:2]

    assert shown() == ["compiled       ARM", "run            Linux"]
    (project.root / "other").touch()
    project.second("exit 3")
    assert shown()[0] == "not available  ARM"
    parts_file.write_text(
        parts_file.read_text().replace('platform="ARM"', 'platform="ARM", shows_without="compiled"')
    )
    assert shown()[0] == "compiled       ARM"
    (project.root / "other").write_text("changed")
    project.second("exit 1")
    assert shown()[0] == "FAILED         ARM"


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_make_hands_an_interruption_on(project: Project) -> None:
    """Who ends `make verify` has ended what it runs, too."""
    shutil.copy(ROOT / "Makefile", project.root)
    project.second("sleep 1000 &\necho $! > ../new\nmv ../new ../pids\nwait")
    output = project.folder / "output"
    with output.open("w") as file:
        command = ["make", "verify", f"PYTHON={sys.executable}"]
        make = subprocess.Popen(command, cwd=project.root, stdout=file, stderr=file)
    wait_until((project.folder / "pids").exists, "the second part runs")
    make.terminate()
    make.wait(timeout=60)
    sleeper = int((project.folder / "pids").read_text())
    wait_until(lambda: not is_alive(sleeper), "its processes have ended")
    wait_until(lambda: "the same call goes on" in output.read_text(), "it has said so")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interruption_it_goes_on(project: Project, number: signal.Signals) -> None:
    """What was finished stays. The processes of the part at work end, and it has no verdict."""
    project.second("sleep 1000 &\necho $$ $! > ../new\nmv ../new ../pids\nwait")
    process = project.start()
    pids = project.folder / "pids"
    wait_until(pids.exists, "the second part runs")
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, project.ran()) == (128 + number, ["first", "second"])
    assert outcomes(output) == {"first": "passed", "second": "not run", "third": "not run"}
    its_own = [int(pid) for pid in pids.read_text().split()]
    wait_until(lambda: not any(map(is_alive, its_own)), "its processes have ended")
    project.second("")
    status, output = project.verify()
    assert (status, project.ran()) == (0, ["second", "third"])
    assert outcomes(output) == dict.fromkeys(("first", "second", "third"), "passed")


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ("echo >> scripts/parts.py", "scripts/parts.py"),
        ("touch new", "new"),
        ("rm page", "page"),
        ("chmod +x page", "page"),
    ],
)
def test_it_stops_if_the_tree_changes(project: Project, change: str, file: str) -> None:
    """It names the file. The part that ran meanwhile has no verdict, and all parts run on the new state."""
    project.second(change)
    status, output = project.verify("first", "second", "third")
    assert (status, project.ran()) == (1, ["first", "second"])
    assert outcomes(output) == {"first": "passed", "second": "not run", "third": "not run"}
    assert output.endswith(f"the tree changed, so the last part has no verdict: {file}\n")
    project.second("")
    assert project.verify()[0] == 0
    assert project.ran() == ["first", "second", "third"]


def test_a_part_that_names_what_it_reads_keeps_its_verdict_when_other_files_change(project: Project) -> None:
    project.verify()
    project.ran()
    for name in ("other", "page-of-another-part", "code-of-another-part"):
        (project.root / name).touch()
    status, output = project.verify()
    assert (status, project.ran()) == (0, ["first", "second"])
    assert outcomes(output) == dict.fromkeys(("first", "second", "third"), "passed")
    (project.root / "code").mkdir()
    (project.root / "code" / "new").touch()
    assert (project.verify()[0], project.ran()) == (0, ["first", "second", "third"])
    (project.root / "page").write_text("new")
    assert (project.verify()[0], project.ran()) == (0, ["first", "second", "third"])


def test_a_file_that_changes_while_a_part_runs_that_does_not_look_at_it(project: Project) -> None:
    """The part keeps its verdict. Those that look at the file, and ran before, have none."""
    parts_file = project.root / "scripts" / "parts.py"
    parts_file.write_text(
        parts_file.read_text().replace("echo third >>", "touch other page-two; echo third >>")
    )
    status, output = project.verify()
    assert (status, project.ran()) == (1, ["first", "second", "third"])
    assert outcomes(output) == {"first": "not run", "second": "not run", "third": "passed"}
    assert output.endswith("so parts have no verdict, and the same call goes on: other, page-two\n")
    assert (project.verify()[0], project.ran()) == (0, ["first", "second"])


def test_a_part_whose_command_has_changed_runs_again(project: Project) -> None:
    project.verify("third")
    project.ran()
    parts_file = project.root / "scripts" / "parts.py"
    parts_file.write_text(parts_file.read_text().replace("echo third >>", "echo  third >>"))
    assert (project.verify("third")[0], project.ran()) == (0, ["third"])


def test_other_flags_for_the_compiler_are_another_state(project: Project) -> None:
    project.verify("third")
    project.ran()
    assert (project.verify("third", RUSTFLAGS="--cfg portable")[0], project.ran()) == (0, ["third"])
    assert (project.verify("third")[0], project.ran()) == (0, [])


def test_a_part_that_hangs_is_ended_and_has_failed(project: Project) -> None:
    parts_file = project.root / "scripts" / "parts.py"
    parts_file.write_text(parts_file.read_text().replace('{"LEVEL": "1"}', "hours=0.001"))
    project.second("echo this far; sleep 1000 &\necho $! > ../pids\nwait")
    status, output = project.verify()
    assert (status, outcomes(output)["second"]) == (1, "FAILED")
    assert "failed: it was ended after 0.001 hours; its last line: this far" in output
    sleeper = int((project.folder / "pids").read_text())
    wait_until(lambda: not is_alive(sleeper), "its processes have ended")


def test_a_verdict_counts_for_its_settings_only(project: Project) -> None:
    """The table has the settings. A caller's own come before the usual ones."""
    project.second("echo level $LEVEL")
    assert "level 1\n" in project.verify()[1]
    project.ran()
    status, output = project.verify(LEVEL="2")
    assert (status, project.ran()) == (0, ["second"])
    assert "level 2\n" in output
    assert "second LEVEL=2\n" in output


def test_some_parts_only_and_all_again(project: Project) -> None:
    project.verify("third")
    assert project.ran() == ["third"]
    project.verify()
    assert project.ran() == ["first", "second"]
    project.verify("--again", "second")
    assert project.ran() == ["second"]
    project.verify("--again")
    assert project.ran() == ["first", "second", "third"]
    status, output = project.verify("--list", "second")
    assert (status, output.split(), project.ran()) == (0, ["second", "Proves", "another."], [])


def test_what_a_part_leaves_in_the_temporary_folder_is_removed(project: Project) -> None:
    project.second('touch "$(mktemp)"; echo "folder $TMPDIR"')
    _, output = project.verify("second")
    folder = next(line.split()[1] for line in output.splitlines() if line.startswith("folder "))
    assert not Path(folder).exists()


@pytest.mark.parametrize("content", ["", "{", '{"outcome": "passed"}', "1"])
def test_a_damaged_verdict_counts_for_nothing(project: Project, content: str) -> None:
    """A power cut may leave one. The part runs again."""
    project.verify()
    [note] = (project.root / "target" / "verify").glob("*/second.json")
    note.write_text(content)
    project.ran()
    status, output = project.verify()
    assert (status, project.ran(), outcomes(output)["second"]) == (0, ["second"], "passed")


@pytest.mark.parametrize(("named", "folder"), [("", "target"), ("built", "built"), ("../built", "../built")])
def test_the_folder_for_verdicts_is_where_cargo_builds(
    project: Project, named: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From wherever the script is called: the parts call cargo at the root."""
    (project.root / ".gitignore").write_text("/target/\n/built/\n__pycache__/\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert project.verify(CARGO_TARGET_DIR=named)[0] == 0
    assert (project.root / folder / "verify" / "lock").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_failing_tests_leave_does_not_change_the_tree() -> None:
    """Otherwise the part that failed would get no verdict, and all others would have to run again."""
    left = ["rust/elasticq/proptest-regressions/ring/tests.txt", "fuzz/artifacts/recovery/crash-1"]
    ignored = subprocess.run(["git", "check-ignore", *left], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert ignored.stdout.decode().split() == left


def test_two_runs_at_once_are_refused(project: Project) -> None:
    """They would build in the same folders. The second one runs nothing."""
    project.second("touch ../started; while ! test -e ../go; do sleep 0.01; done")
    process = project.start()
    wait_until((project.folder / "started").exists, "the second part runs")
    status, output = project.verify()
    (project.folder / "go").touch()
    process.communicate(timeout=60)
    assert (status, process.returncode) == (1, 0)
    assert "another run" in output
    assert project.ran() == ["first", "second", "third"]


def test_the_parts_have_names_of_their_own_and_run_what_is_there() -> None:
    names = [part.name for part in parts.PARTS]
    assert len(set(names)) == len(names)
    programs = {word for part in parts.PARTS for word in part.command.split() if word.startswith("scripts/")}
    assert [program for program in sorted(programs) if not os.access(ROOT / program, os.X_OK)] == []
    read = {name for part in parts.PARTS for name in part.reads}
    assert [name for name in sorted(read) if name.endswith("/") != (ROOT / name).is_dir() and name] == []
    assert [name for name in sorted(read) if not (ROOT / name).exists()] == []


FLAWS = ["mpsc-guard-hands-over-too-little", "child-takes-itself-for-its-parent"]


@pytest.fixture
def cargo(tmp_path: Path) -> dict[str, str]:
    """The environment for a cargo that notes its runs. It finds all flaws, or none if `survives` is there."""
    program = tmp_path / "bin" / "cargo"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
        case "$*" in *--no-run*) exit 0 ;; esac
        echo ran >> {tmp_path}/log
        echo running 1 test
        test -e {tmp_path}/survives || diff -r rust {ROOT}/rust --exclude target > /dev/null
        """
    )
    program.chmod(0o755)
    (tmp_path / "log").touch()
    return {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(tmp_path / "target"),
    }


@pytest.fixture
def mutants(tmp_path: Path, cargo: dict[str, str]) -> Callable[..., tuple[int, int]]:
    """Runs `scripts/mutants`; returns the exit status, and how many tests were run."""

    def run(*options: str) -> tuple[int, int]:
        log = tmp_path / "log"
        log.write_text("")
        command = [sys.executable, str(ROOT / "scripts" / "mutants"), *options]
        run = subprocess.run(command, env=os.environ | cargo, check=False, capture_output=True, timeout=60)
        return run.returncode, len(log.read_text().split())

    return run


def test_each_mutant_has_a_verdict_of_its_own(
    tmp_path: Path, mutants: Callable[..., tuple[int, int]]
) -> None:
    """A further run leaves out what was found, and its proof, but not what survived."""
    noted = ("--verdicts", str(tmp_path / "verdicts"))
    assert mutants(FLAWS[0], *noted) == (0, 2)
    (tmp_path / "survives").touch()
    assert mutants(*FLAWS, *noted) == (1, 2)
    (tmp_path / "survives").unlink()
    assert mutants(*FLAWS, *noted) == (0, 1)
    assert mutants(*FLAWS, *noted) == (0, 0)


def test_proofs_that_have_just_been_run_need_not_run_again(mutants: Callable[..., tuple[int, int]]) -> None:
    """So `make test` runs each flaw once, since it has run the proofs before."""
    assert mutants(*FLAWS) == (0, 4)
    assert mutants(*FLAWS, "--only-flaws") == (0, 2)
