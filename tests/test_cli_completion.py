"""`elasticq completion`: what each shell offers is what the parsers take."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import Terminal, elasticq, surroundings
from support import PATIENCE, need_unix

from elasticq.cli.commands import COMMANDS
from elasticq.cli.manual import Manual

FINE, FAILED = 0, 2

# What is typed so far, and all that may come next.
OFFERED: list[tuple[str, set[str]]] = [
    ("", set(COMMANDS)),
    ("ins", {"inspect"}),
    ("co", {"compact", "completion"}),
    ("completion ", {"bash", "zsh", "fish"}),
    ("completion z", {"zsh"}),
    ("export --r", {"--raw"}),
    ("top --sort d", {"depth", "dropped"}),
    ("bench --case th", {"threads", "thread-to-task"}),
    ("inspect fo", {"folder"}),
    ("bench --folder fo", {"folder"}),
    ("demo --json fi", {"file", "file two"}),
    ("top fi", {"file", "file two"}),
    ("bench --seconds ", set()),
]
each = pytest.mark.parametrize(("typed", "offered"), OFFERED, ids=[typed for typed, _ in OFFERED])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something to complete, and the scripts beside it."""
    parent = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        done = elasticq("completion", shell)
        assert (done.returncode, done.stderr) == (FINE, "")
        (parent / f"script.{shell}").write_text(done.stdout, encoding="utf-8")
    made = parent / "here"
    (made / "folder").mkdir(parents=True)
    (made / "file").write_text("")
    (made / "file two").write_text("")
    return made


def shell(name: str) -> str:
    """Where a shell is. A machine may have only one of them, and those of Windows know other paths."""
    need_unix("shells of its own that complete so")
    found = shutil.which(name)
    if found is None:
        assert os.environ.get("CI") != "true", f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return found


def output(command: list[str], place: Path) -> list[str]:
    """The lines that a shell prints, and nothing else."""
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=place,
        timeout=PATIENCE,
        env=surroundings(),
    )
    assert (done.returncode, done.stderr) == (FINE, ""), done
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_each_command_is_in_each_script(command: str, place: Path) -> None:
    parser = COMMANDS[command].load().parser("p")
    assert isinstance(parser, Manual)
    options = [name for action in parser._actions for name in action.option_strings]
    assert "--help" in options
    for name in ("bash", "zsh", "fish"):
        text = (place.parent / f"script.{name}").read_text(encoding="utf-8")
        for option in options:
            assert (
                f" -l {option[2:]} " if name == "fish" and option.startswith("--") else option[1:]
            ) in text


def test_an_unknown_shell_is_one_line() -> None:
    done = elasticq("completion", "tcsh")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (FAILED, "", 1)
    assert "tcsh" in done.stderr


def in_bash(typed: str, place: Path) -> set[str]:
    """What bash offers behind this. It splits at `=`, as its own line does."""
    words = ["elasticq", *typed.replace("=", " = ").split(" ")]
    quoted = " ".join(f"'{word}'" for word in words)
    program = f"""
        source '{place.parent}/script.bash'
        COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
        _elasticq
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return {line for line in output([shell("bash"), "--norc", "-c", program], place) if line}


@each
def test_bash_offers_what_may_come(typed: str, offered: set[str], place: Path) -> None:
    assert in_bash(typed, place) == offered


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("top --sort=dr", {"dropped"}), ("top --sort=", {"depth", "in", "out", "wait", "dropped", "name"})],
)
def test_bash_completes_behind_an_equals_sign(typed: str, offered: set[str], place: Path) -> None:
    assert in_bash(typed, place) == offered


def test_bash_completes_where_it_is_typed(place: Path) -> None:
    if output([shell("bash"), "-c", "type -t compopt || :"], place) != ["builtin"]:
        pytest.skip("this bash is too old to take a folder for one, as the bash of macOS is")
    with Terminal([shell("bash"), "--norc", "--noprofile", "-i"], columns=200) as terminal:
        terminal.type(f"cd '{place}'; source ../script.bash; PS1='rea''dy>'\n")
        terminal.wait_for("ready>")
        terminal.type("elasticq insp\tfo\t --js\t")
        terminal.wait_for("elasticq inspect folder/ --json ")
        terminal.type("\x15elasticq top file\\ \t")
        terminal.wait_for("elasticq top file\\ two ")


@each
def test_fish_offers_what_may_come(typed: str, offered: set[str], place: Path) -> None:
    program = f"source ../script.fish; complete -C 'elasticq {typed}'"
    lines = output([shell("fish"), "--no-config", "-c", program], place)
    found = {line.split("\t")[0].rstrip("/").replace("\\ ", " ") for line in lines}
    assert {
        name for name in found if not name.startswith("-") or typed.rpartition(" ")[2].startswith("-")
    } == offered


def test_zsh_completes_where_it_is_typed(place: Path) -> None:
    with Terminal([shell("zsh"), "-f", "-i"], columns=200, ZDOTDIR=os.fspath(place)) as terminal:
        terminal.type(f"cd '{place}'; autoload -U compinit; compinit -u -D; source ../script.zsh\n")
        terminal.type("PS1='rea''dy>'\n")
        terminal.wait_for("ready>")
        terminal.type("elasticq insp\tfo\t --js\t")
        terminal.wait_for("elasticq inspect folder --json ")
        terminal.type("\x15elasticq completion z\t")
        terminal.wait_for("elasticq completion zsh ")
        terminal.type("\x15elasticq demo --json fi\t")
        terminal.wait_for("elasticq demo --json file")
        terminal.type("\x15elasticq top --sort dr\t")
        terminal.wait_for("elasticq top --sort dropped ")
