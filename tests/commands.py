"""Checks of command lines in pages: what they name exists, be it a target, a file, an extra or an option."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CRATE = tomllib.loads((ROOT / "rust/elasticq/Cargo.toml").read_text(encoding="utf-8"))
BENCHES = tomllib.loads((ROOT / "benches/Cargo.toml").read_text(encoding="utf-8"))


def check(script: str) -> None:
    """Asserts that every command of a shell script is known, and that what it names is there."""
    folder = ROOT
    for line in script.replace("\\\n", " ").splitlines():
        for words in _commands(line):
            if words[0] == "cd":
                folder = ROOT / words[1]
                assert folder.is_dir(), f"{line}: no such folder"
            else:
                _check(folder, words)


def _commands(line: str) -> list[list[str]]:
    """The commands of a line, without what redirects them and what they have in their environment."""
    lexer = shlex.shlex(re.sub(r"<\((.*?)\)", r"; \1", line), posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;"):
            commands.append([])
        elif commands[-1] or not re.match(r"[A-Z_]+=", word):
            commands[-1].append(word)
    return [words[: words.index(">")] if ">" in words else words for words in commands if words]


def _check(folder: Path, words: Sequence[str]) -> None:
    program, arguments = words[0], words[1:]
    if re.fullmatch(r"python[\d.]*t?", program):
        _python(arguments)
    elif "/" in program:
        script = (folder / program).resolve()
        assert script.is_file(), f"{program}: no such file"
        if script == ROOT / "scripts/test":
            _groups(arguments)
    else:
        assert program in _PROGRAMS, f"{program}: nothing here can check this command"
        _PROGRAMS[program](arguments)


def _python(arguments: Sequence[str]) -> None:
    match arguments:
        case ["-m", "elasticq", *rest]:
            _elasticq(rest)
        case ["-m", "pip", *rest]:
            _pip(rest)
        case [script, *_] if not script.startswith("-"):
            assert (ROOT / script).is_file(), f"python {script}: no such file"
        case _:
            raise AssertionError(f"python {' '.join(arguments)}: nothing here can check this")


def _pip(arguments: Sequence[str]) -> None:
    assert arguments[0] == "install"
    for what in arguments[1:]:
        match = re.fullmatch(r"(elasticq|\.)(\[([\w,-]+)\])?", what)
        assert match, f"pip install {what}: no package of this checkout"
        for extra in (match[3] or "").split(","):
            assert not extra or extra in PROJECT["project"]["optional-dependencies"], f"{what}: no such extra"


@cache
def _help(command: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "elasticq", command, "--help"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert shown.returncode == 0, f"elasticq {command}: {shown.stderr}"
    return shown.stdout


def _elasticq(arguments: Sequence[str]) -> None:
    command, *rest = arguments
    _options(_help(command), rest)


def _options(shown: str, arguments: Sequence[str]) -> None:
    for argument in arguments:
        if argument.startswith("--") and argument != "--":
            option = argument.partition("=")[0]
            assert re.search(rf"{option}\b", shown), f"{option}: no such option"


def _make(arguments: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    target = ""
    for argument in arguments:
        if (given := argument.removeprefix("ARGS=")) != argument:
            words = given.split()
            if target == "demo":
                _options(_help("demo"), words)
            elif target == "test":
                _groups(words)
        elif argument.startswith("--"):
            _options(_help("demo"), [argument])
        elif "=" not in argument and not (target and "--" in arguments):
            target = argument
            assert target in targets, f"make {target}: no such target"


def _groups(words: Sequence[str]) -> None:
    script = (ROOT / "scripts/test").read_text(encoding="utf-8")
    for group in words:
        assert re.search(rf"^{group}\(\) {{$", script, re.MULTILINE), f"scripts/test {group}: no such group"


def _cargo(arguments: Sequence[str]) -> None:
    assert arguments[0] in ("add", "bench", "build", "clippy", "doc", "fetch", "fmt", "run", "test"), (
        arguments
    )
    examples = {path.stem for path in (ROOT / "rust/elasticq/examples").glob("*.rs")}
    known = {
        "--example": examples,
        "--bench": {bench["name"] for bench in BENCHES["bench"]},
        "--bin": {program["name"] for program in BENCHES["bin"]},
        "--package": {"elasticq", "elasticq-benches", "elasticq-python", "elasticq-pages"},
        "--features": {*CRATE["features"], *BENCHES["features"]},
    }
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        for name in re.split(r"[, ]", value) if option in known else ():
            assert name in known[option], f"cargo {option} {name}: there is no such thing"


def _maturin(arguments: Sequence[str]) -> None:
    assert arguments[0] in ("build", "develop", "sdist")
    if "--manifest-path" in arguments:
        assert (ROOT / arguments[arguments.index("--manifest-path") + 1]).is_file()


def _elsewhere(arguments: Sequence[str]) -> None:
    """A program of the system, or of others: its options are theirs."""


_PROGRAMS: dict[str, Callable[[Sequence[str]], None]] = {
    "cargo": _cargo,
    "elasticq": _elasticq,
    "git": _elsewhere,
    "kill": _elsewhere,
    "make": _make,
    "maturin": _maturin,
    "pip": _pip,
    "pre-commit": _elsewhere,
    "prometheus": _elsewhere,
    "promtool": _elsewhere,
    "source": _elsewhere,
}
