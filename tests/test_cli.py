"""The command `elasticq` as a whole: manuals, statuses, what is written where, and how it ends."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest
from command_line import ELASTICQ, Terminal, elasticq, surroundings
from support import linux_only, python, unix_only

from elasticq import PersistentCircularBuffer, __version__
from elasticq.__main__ import main
from elasticq.cli import commands
from elasticq.cli.commands import COMMANDS
from elasticq.cli.common import CommandError, run
from elasticq.cli.report import facts, table
from elasticq.cli.terminal import Column, Table, shortened, visible, width_of

FINE, DAMAGED, FAILED, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141

each_command = pytest.mark.parametrize("command", COMMANDS)


def one_line(done: subprocess.CompletedProcess[str], status: int, *texts: str) -> None:
    """The command has printed nothing but one line on stderr, with these texts."""
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    for text in texts:
        assert text in done.stderr


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """A queue with three items."""
    path = tmp_path / "queue"
    with PersistentCircularBuffer[Any](path, sync_mode="every_write") as made:
        made.push_batch(["a", "b", "c"])
    return path


# Manuals.


def test_the_help_lists_the_commands_and_their_purposes() -> None:
    done = elasticq("--help")
    assert (done.returncode, done.stderr) == (FINE, "")
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.purpose)}$", done.stdout, re.MULTILINE)


@each_command
def test_each_manual_has_examples_and_statuses(command: str) -> None:
    done = elasticq(command, "--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (FINE, "")
    text = done.stdout
    assert text.startswith(f"usage: python -m elasticq {command}")
    assert f"  python -m elasticq {command}" in text.partition("examples:")[2]
    statuses = text.partition("exit status:\n")[2]
    for status in (FINE, FAILED, INTERRUPTED, UNREAD):
        assert re.search(rf"^  {status} +\w", statuses, re.MULTILINE), statuses
    assert not [line for line in text.splitlines() if len(line) > 100]


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_wraps_to_the_terminal(
    command: str | None, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "argv", ["__main__.py"])
    assert main(["--help"] if command is None else [command, "--help"]) == FINE
    shown = capsys.readouterr().out
    wide = [line for line in shown.splitlines() if len(line) > columns]
    assert wide == []
    assert max(map(len, shown.splitlines())) > columns // 2 or columns == 200


def test_help_is_as_wide_as_a_terminal() -> None:
    with Terminal([*ELASTICQ, "export", "--help"], columns=40) as terminal:
        status, shown = terminal.wait_for_end()
    assert status == FINE
    assert max(map(len, shown.replace("\r", "").splitlines())) <= 40


@each_command
def test_an_unknown_option_is_one_line_that_says_where_to_read(command: str) -> None:
    one_line(elasticq(command, "x", "--no-such-option"), FAILED, f"python -m elasticq {command} --help")


def test_options_are_not_abbreviated() -> None:
    one_line(elasticq("inspect", "--js", "x"), FAILED, "--js")


def test_an_unknown_command_is_one_line() -> None:
    one_line(elasticq("frobnicate"), FAILED, "frobnicate", "inspect")


def test_the_version_is_the_package_s() -> None:
    done = elasticq("--version")
    assert (done.returncode, done.stdout, done.stderr) == (FINE, f"elasticq {__version__}\n", "")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/usr/lib/elasticq/__main__.py", "python -m elasticq"),
        ("/usr/bin/elasticq", "elasticq"),
        ("C:/Scripts/elasticq.exe", "elasticq"),
        ("-c", "elasticq"),
    ],
)
def test_it_is_named_as_it_was_called(called: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    assert commands.program() == name


def test_the_script_elasticq_is_the_module() -> None:
    scripts = [
        script for script in metadata.entry_points(group="console_scripts") if script.name == "elasticq"
    ]
    assert [script.value for script in scripts] == ["elasticq.__main__:main"]


def test_importing_the_package_imports_nothing_for_commands() -> None:
    names = ["elasticq.cli", "elasticq.bench", "elasticq.demo", "elasticq.metrics", "argparse", "rich"]
    loaded = python("import sys, elasticq; print(*sys.modules)").split()
    assert not set(names) & set(loaded)


def test_a_command_imports_no_other_one_and_no_extra() -> None:
    printed = python(
        """
        import sys
        from elasticq.__main__ import main
        sys.stderr = sys.stdout
        main(["inspect", "/no/such/queue"])
        print(*sys.modules)
        """
    )
    modules = printed.splitlines()[-1].split()
    assert "elasticq.cli.inspect" in modules
    for other in ("elasticq.cli.top", "elasticq.bench", "elasticq.demo", "rich", "prometheus_client"):
        assert other not in modules


@pytest.mark.checkout
@each_command
def test_the_page_names_each_option_and_is_the_manual_of_each_command(command: str) -> None:
    page = (Path(__file__).parent.parent / "docs/cli.md").read_text(encoding="utf-8")
    assert f"| [`{command}`](#" in page
    for action in COMMANDS[command].load().parser("p")._actions:
        for name in action.option_strings:
            assert name in page


# What goes wrong.


@pytest.mark.parametrize("command", ["inspect", "verify", "repair", "compact", "export"])
def test_a_newer_format_is_one_line_and_changes_nothing(command: str, queue: Path) -> None:
    (segment,) = (file for file in queue.iterdir() if file.name[0].isdigit())
    content = bytearray(segment.read_bytes())
    content[8:12] = (2).to_bytes(4, "little")
    content[12:16] = zlib.crc32(content[:12]).to_bytes(4, "little")  # whatever a later version puts there
    segment.write_bytes(content)
    before = {file.name: file.read_bytes() for file in queue.iterdir() if file.name != "lock"}
    one_line(elasticq(command, queue), FAILED, "version 2", "newer", segment.name)
    assert {file.name: file.read_bytes() for file in queue.iterdir() if file.name != "lock"} == before


@linux_only("names of files that are no text")
def test_a_path_that_is_no_text_is_shown(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff"
    with PersistentCircularBuffer[Any](os.fsdecode(path)) as made:
        made.push(1)
    done = subprocess.run(
        [*map(os.fsencode, ELASTICQ), b"inspect", path],
        capture_output=True,
        check=False,
        env=surroundings(PYTHONIOENCODING="ascii"),
    )
    assert (done.returncode, done.stderr) == (FINE, b"")
    assert b"1 ready" in done.stdout


def raises(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "p: interrupted\n"),
        (BrokenPipeError(), UNREAD, ""),
        (CommandError("it is so"), FAILED, "p: it is so\n"),
        (CommandError("it is so", DAMAGED), DAMAGED, "p: it is so\n"),
        (PermissionError(13, "not allowed", "file"), FAILED, "p: file: not allowed\n"),
        (OSError("no number"), FAILED, "p: no number\n"),
        (SystemExit(143), 143, ""),
        (SystemExit(None), FINE, ""),
        (SystemExit("text"), FAILED, ""),
    ],
)
def test_each_end_has_its_status_and_at_most_a_line(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("p", lambda: raises(error)) == status
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("error", "status"),
    [(OSError(errno.EINVAL, "Invalid argument"), UNREAD), (OSError(errno.EINVAL, "Bad name", "?"), FAILED)],
)
def test_on_windows_a_closed_pipe_is_an_invalid_argument_of_no_file(
    error: OSError, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert run("p", lambda: raises(error)) == status


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run("p", lambda: 1 // 0)


# Pipes.


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["demo", "--help"]], ids=" ".join)
def test_a_closed_pipe_ends_it_quietly(arguments: list[str], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [*ELASTICQ, *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
            env=surroundings(PYTHONUNBUFFERED=unbuffered),
        )
    assert (done.returncode, done.stderr) == (UNREAD, b"")


@pytest.mark.parametrize("command", ["inspect", "verify", "repair", "compact", "export"])
def test_a_closed_pipe_ends_a_tool_quietly(command: str, queue: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run([*ELASTICQ, command, queue], stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (UNREAD, b"")


def test_a_closed_pipe_ends_rich_quietly() -> None:
    program = """if True:
        import sys
        from elasticq.cli.common import run
        from elasticq.cli.terminal import console
        sys.exit(run("p", lambda: console().print("text " * 100_000) or 0))
    """
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (UNREAD, b"")


def test_both_pipes_may_be_closed(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [*ELASTICQ, "inspect", tmp_path / "missing"], stdout=closed, stderr=closed, check=False
        )
    assert done.returncode == FAILED


@linux_only("a disk that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "--json"], ["export"]], ids=" ".join)
def test_a_full_disk_is_one_line(arguments: list[str], queue: Path) -> None:
    paths = [] if "--help" in arguments else [queue]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*ELASTICQ, *arguments, *paths],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == FAILED
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@unix_only("shell that closes what it is told to")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_it_runs_with_its_outputs_closed(closed: str, queue: Path) -> None:
    command = f'"$0" -m elasticq inspect "$1" {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable, queue], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (FINE, b"")


# A terminal.


@pytest.mark.parametrize("arguments", [["inspect", "a\nb\x1b[31m"], ["inspect", "a", "a\nb\x1b[31m"]])
def test_what_goes_wrong_is_one_line_whatever_the_arguments_are(arguments: list[str]) -> None:
    done = elasticq(*arguments)
    assert done.returncode == FAILED
    assert r"a\nb\x1b[31m" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_command_only_the_command_is_missing() -> None:
    done = elasticq()
    assert done.returncode == FAILED
    assert "the following arguments are required: COMMAND (" in done.stderr


def test_a_tool_fits_a_terminal_of_40_columns(queue: Path) -> None:
    for command in ("inspect", "verify"):
        with Terminal([*ELASTICQ, command, str(queue)], columns=40) as terminal:
            status, shown = terminal.wait_for_end()
        lines = shown.replace("\r", "").splitlines()
        assert status == FINE
        assert [line for line in lines if len(line) > 40 and str(queue) not in line] == []
        assert "3 ready" in shown


def test_facts_go_on_below_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    assert facts([("items", "3 ready, 0 leased, 0 dead"), ("open", "nowhere")]).splitlines() == [
        "  items  3 ready, 0",
        "         leased, 0 dead",
        "  open   nowhere",
    ]


def test_a_table_that_is_too_wide_becomes_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("name", "records", "bytes"), ("00000000000000000001.log", 6, 1048576)]
    wide = table(rows)
    assert wide.splitlines()[1] == "  00000000000000000001.log        6  1,048,576"
    monkeypatch.setenv("COLUMNS", "40")
    assert table(rows).splitlines() == [
        "  name     00000000000000000001.log",
        "  records  6",
        "  bytes    1,048,576",
    ]


COLUMNS = (Column("queue"), Column("depth"), Column("in/s", 1), Column("capacity", 2))
ROWS = [("a name that is rather long", "1,000", "12", "1,024"), ("b", "0", "-", "64")]


@pytest.mark.parametrize("width", range(20, 60))
def test_columns_are_left_out_and_never_broken(width: int) -> None:
    lines = Table(COLUMNS, ROWS).fitted(width).lines()
    assert max(map(len, lines)) <= width
    assert "depth" in lines[0]
    assert "1,000" in lines[1]
    assert ("capacity" in lines[0]) <= ("in/s" in lines[0])


def test_nothing_limits_a_table_in_a_pipe() -> None:
    assert Table(COLUMNS, ROWS).fitted(None).lines() == [
        "queue                       depth  in/s  capacity",
        "a name that is rather long  1,000    12     1,024",
        "b                               0     -        64",
    ]


def test_texts_are_measured_and_shortened_as_a_terminal_shows_them() -> None:
    assert [width_of(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]
    assert shortened("abcdef", 4) == "ab.."
    assert shortened("日本語", 5) == "日.."
    assert shortened("abcd", 4) == "abcd"


def test_nothing_that_is_shown_can_command_a_terminal() -> None:
    assert visible("a\x1b[31m\n\u202eb é") == "a\\x1b[31m\\n\\u202eb é"


def test_ctrl_c_on_a_terminal_ends_a_command_with_one_line(tmp_path: Path) -> None:
    command = [*ELASTICQ, "bench", "--case", "one-thread", "--seconds", "3600", "--folder", str(tmp_path)]
    with Terminal(command) as terminal:
        terminal.wait_for("round 1")
        terminal.type("\x03")
        status, shown = terminal.wait_for_end()
    assert status == INTERRUPTED
    assert "Traceback" not in shown
    assert shown.rstrip().endswith("python -m elasticq bench: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_a_command_cleanly(tmp_path: Path) -> None:
    command = [*ELASTICQ, "bench", "--case", "one-thread", "--seconds", "3600", "--folder", str(tmp_path)]
    with Terminal(command) as terminal:
        terminal.wait_for("round 1")
        terminal.process.send_signal(signal.SIGTERM)
        status, shown = terminal.wait_for_end()
    assert (status, "Traceback" in shown) == (128 + signal.SIGTERM, False)
    assert list(tmp_path.iterdir()) == []
