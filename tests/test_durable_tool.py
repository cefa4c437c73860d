"""`elasticq inspect|verify|repair|compact|export`: what each says of a whole queue, a broken one,
one that is in use, and what is no queue."""

from __future__ import annotations

import base64
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from command_line import elasticq as tool

from elasticq import PersistentCircularBuffer
from elasticq.__main__ import main

COMMANDS = ["inspect", "verify", "repair", "compact", "export"]
LOOKS = ["inspect", "verify", "export"]
each_command = pytest.mark.parametrize("command", COMMANDS)

FINE, DAMAGED, FAILED, UNREAD = 0, 1, 2, 141


def told(*arguments: object, status: int = FINE) -> dict[str, Any]:
    """What a command answers with --json."""
    done = tool(*arguments, "--json")
    assert done.returncode == status, (done.stdout, done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def exported(path: Path, *options: str, status: int = FINE) -> list[dict[str, Any]]:
    """The lines of an export."""
    done = tool("export", path, *options)
    assert done.returncode == status, (done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def items(path: Path, status: int = FINE) -> list[Any]:
    """The items of an export."""
    return [line["item"] for line in exported(path, status=status)]


@contextmanager
def opened(path: Path, **settings: Any) -> Iterator[PersistentCircularBuffer[Any]]:
    """A queue that is made durable and closed at the end."""
    with PersistentCircularBuffer[Any](path, sync_mode="every_write", **settings) as queue:
        yield queue


def segments(path: Path) -> list[Path]:
    """The files with records, oldest first."""
    return sorted(file for file in path.iterdir() if file.name[0].isdigit())


def flip(file: Path, near: bytes) -> None:
    """Flips a bit in the record in which these bytes are."""
    content = bytearray(file.read_bytes())
    place = content.index(near)
    content[place] ^= 1
    file.write_bytes(content)


def image(path: Path) -> dict[str, bytes]:
    """The content of all files in a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a queue may be made."""
    return tmp_path / "queue"


@pytest.fixture
def five(path: Path) -> Path:
    """A queue with five items."""
    with opened(path) as queue:
        for number in range(5):
            queue.push(f"item number {number}")
    return path


@pytest.fixture
def broken(five: Path) -> Path:
    """The same; a bit of the first item has flipped."""
    flip(segments(five)[0], b"item number 0")
    with pytest.raises(Exception, match="a record that was durable is broken"):
        PersistentCircularBuffer[str](five)
    return five


# A whole queue.


def test_inspect_says_what_is_inside(path: Path) -> None:
    with opened(path, max_deliveries=1) as queue:
        for number in range(6):
            queue.push(number)
        queue.push("later", delay=3600)
        queue.lease().bury("bad")
        assert queue.pop() == 1
        lease = queue.lease()
        told_now = told("inspect", path)
        lease.ack()
    assert told_now["contents"] == {"ready": 3, "leased": 1, "delayed": 1, "dead": 1}
    is_open = True if sys.platform == "linux" else None  # only Linux lists its locks
    assert (told_now["is_open"], told_now["process"], told_now["closed"]) == (is_open, os.getpid(), False)
    after = told("inspect", path)
    assert after["contents"] == {"ready": 3, "leased": 0, "delayed": 1, "dead": 1}
    assert (after["is_open"], after["process"], after["closed"]) == (False, None, True)
    assert (after["enqueued"], after["dequeued"], after["dropped"]) == (7, 2, 0)
    assert (after["damage"], after["sync_failed"], after["version"]) == ([], False, 1)
    shown = tool("inspect", path).stdout
    assert "3 ready, 0 leased, 1 delayed, 1 dead" in shown
    assert "nowhere" in shown


def test_inspect_lists_the_items_if_asked(five: Path) -> None:
    lines = tool("inspect", five, "--items").stdout.splitlines()
    assert [json.loads(line)["item"] for line in lines[-5:]] == [
        f"item number {number}" for number in range(5)
    ]


def test_verify_repair_and_compact_say_that_all_is_well_and_change_nothing(five: Path) -> None:
    before = image(five)
    found = told("verify", five)
    assert (found["verdict"], found["refusal"], found["contents"]["ready"]) == ("healthy", None, 5)
    assert [file["name"] for file in found["files"]] == [file.name for file in segments(five)]
    assert "healthy" in tool("verify", five).stdout
    assert told("repair", five)["changed"] is False
    done = tool("repair", five)
    assert (done.returncode, "nothing to repair" in done.stdout) == (FINE, True)
    after = image(five)
    assert (after.pop("lock"), before.pop("lock")) is not None  # it names the process that had it last
    assert after == before
    assert told("compact", five)["bytes_after"] > 0
    assert items(five) == [f"item number {number}" for number in range(5)]


@each_command
def test_an_empty_queue_is_fine(command: str, path: Path) -> None:
    with opened(path):
        pass
    done = tool(command, path)
    assert (done.returncode, done.stderr) == (FINE, "")
    assert (command == "export") == (done.stdout == "")


def test_compact_makes_files_small(path: Path) -> None:
    with opened(path, segment_bytes=1 << 16, max_log_entries=10**9) as queue:
        for number in range(500):
            queue.push(number.to_bytes(2, "big") * 1000)
        queue.pop_batch(499)
    size = told("inspect", path)["bytes"]
    done = tool("compact", path)
    assert (done.returncode, "before" in done.stdout) == (FINE, True)
    assert told("inspect", path)["bytes"] <= size
    assert len(segments(path)) <= 2
    assert len(items(path)) == 1


# A broken queue.


def test_a_broken_queue_is_looked_at_without_a_change(broken: Path) -> None:
    before = image(broken)
    found = told("verify", broken, status=DAMAGED)
    assert (found["verdict"], found["contents"]["ready"], found["losses"]["count"]) == ("damaged", 4, 1)
    (place,) = found["losses"]["places"]
    assert (place["file"], place["records"]) == (segments(broken)[0].name, 1)
    shown = tool("verify", broken)
    assert shown.returncode == DAMAGED
    for text in [
        "damaged",
        place["file"],
        f"offset {place['offset']:,}",
        "Items that are lost: 1.",
        "repair",
    ]:
        assert text in shown.stdout
    assert len(told("inspect", broken, status=DAMAGED)["damage"]) == 1
    assert "Something is wrong" in tool("inspect", broken).stdout
    assert items(broken, status=DAMAGED) == [f"item number {number}" for number in range(1, 5)]
    assert place["file"] in tool("export", broken).stderr
    assert image(broken) == before


def test_what_is_said_of_a_broken_queue_fits_a_terminal_of_40_columns(broken: Path, tmp_path: Path) -> None:
    lines = tool("verify", broken, COLUMNS="40").stdout.splitlines()
    command = f"  python -m elasticq repair {shlex.quote(str(broken))}"
    assert lines[-1] == command
    assert [line for line in lines[1:-1] if len(line) > 40] == []
    copied = tmp_path / "it's a copy"
    shutil.copytree(broken, copied)
    *_, last = tool("verify", copied).stdout.splitlines()
    assert shlex.split(last)[-1] == str(copied)


def test_the_manual_of_repair_says_that_1_is_its_success() -> None:
    assert "is repaired" in " ".join(tool("repair", "--help").stdout.split())


def test_compact_says_that_a_queue_is_damaged(broken: Path) -> None:
    before = image(broken)
    done = tool("compact", broken)
    assert (done.returncode, done.stdout) == (DAMAGED, "")
    assert segments(broken)[0].name in done.stderr
    assert image(broken).keys() == before.keys()


def test_repair_saves_the_rest_deletes_nothing_and_numbers_go_on(broken: Path) -> None:
    before = {name: content for name, content in image(broken).items() if name != "lock"}
    numbers = [line["number"] for line in exported(broken, status=DAMAGED)]
    done = told("repair", broken, status=DAMAGED)
    assert (done["changed"], done["contents"]["ready"], done["losses"]["count"]) == (True, 4, 1)
    (moved,) = done["moved"]
    assert (Path(done["folder"]) / moved).read_bytes() == before[moved]
    assert set(before.values()) <= set(image(broken).values())
    assert told("verify", broken)["verdict"] == "healthy"
    assert [line["number"] for line in exported(broken)] == numbers
    with opened(broken) as queue:
        queue.push("new")
        assert [queue.pop() for _ in range(5)] == [
            *(f"item number {number}" for number in range(1, 5)),
            "new",
        ]
    assert tool("repair", broken).returncode == FINE


def test_repair_tells_people_what_it_did(broken: Path) -> None:
    done = tool("repair", broken)
    assert done.returncode == DAMAGED
    for text in [
        "repaired",
        "4 ready",
        "moved to",
        "damaged-",
        segments(broken)[0].name,
        "items that are lost: 1",
    ]:
        assert text.lower() in done.stdout.lower()


def test_a_lost_acknowledgement_is_said(path: Path) -> None:
    with opened(path) as queue:
        queue.push("once")
        queue.push("twice")
        queue.pop()
    content = segments(path)[0].read_bytes()
    # The record of the pop is the first one of its length and kind behind the second item.
    behind = range(content.index(b"twice") // 8 * 8, len(content), 8)
    place = next(at for at in behind if content[at : at + 5] == b"\x24\0\0\0\4")
    changed = bytearray(content)
    changed[place + 24] ^= 1
    segments(path)[0].write_bytes(changed)
    done = told("repair", path, status=DAMAGED)
    assert done["losses"]["may_come_twice"] is True
    assert items(path) == ["once", "twice"]


def test_a_repair_that_was_cut_off_is_finished(broken: Path) -> None:
    done = told("repair", broken, status=DAMAGED)
    name, folder = done["moved"][0], Path(done["folder"])
    # As if it had been killed before the last steps.
    (broken / name).rename(broken / f"repaired-{name}")
    (broken / "repairing").write_bytes(f"folder {folder.name}\nput {name}\nend\n".encode())
    assert "repair it once more" in tool("compact", broken).stderr
    assert "repair it once more" in tool("verify", broken).stdout
    again = tool("repair", broken)
    assert "A repair that had been cut off was finished." in again.stdout
    assert not [file for file in broken.iterdir() if file.name.startswith("repair")]
    assert items(broken) == [f"item number {number}" for number in range(1, 5)]


def test_a_false_list_of_steps_moves_nothing(five: Path) -> None:
    (five / "repairing").write_bytes(b"folder ../elsewhere\naside ../other\nend\n")
    before = image(five)
    done = tool("repair", five)
    assert (done.returncode, "repairing" in done.stderr) == (DAMAGED, True)
    assert {**image(five), "lock": b""} == {**before, "lock": b""}


def test_an_unfinished_record_at_the_end_is_no_damage(five: Path) -> None:
    with opened(five, id_window=1) as queue:
        queue.push("the last item")
        content = segments(five)[0].read_bytes()
    # As a power cut leaves it, in the middle of the last record.
    end = content.index(b"the last item") + 5
    segments(five)[0].write_bytes(content[:end] + bytes(len(content) - end))
    found = told("verify", five)
    assert (found["verdict"], found["behind"], found["contents"]["ready"]) == ("torn", 0, 5)
    assert "cuts it off" in tool("verify", five).stdout
    assert told("repair", five)["changed"] is False


# A queue that is in use.


def test_looking_works_in_use_and_the_rest_is_refused(path: Path) -> None:
    with opened(path) as queue:
        queue.push("kept")
        for command in LOOKS:
            assert tool(command, path).returncode == FINE
        assert f"in process {os.getpid()}" in tool("inspect", path).stdout
        for command in ["repair", "compact"]:
            done = tool(command, path)
            assert (done.returncode, done.stdout) == (FAILED, "")
            assert f"is open in process {os.getpid()}" in done.stderr
        queue.push("goes on")
        assert [queue.pop(), queue.pop()] == ["kept", "goes on"]


# What is no queue.


@each_command
def test_a_missing_path_is_named_and_not_made(command: str, path: Path) -> None:
    done = tool(command, path)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.startswith(f"python -m elasticq {command}: ")
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not path.exists()


@each_command
def test_a_file_and_a_folder_of_something_else_stay_as_they_are(command: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("text")
    folder.mkdir()
    (folder / "notes.log").write_text("text")
    for wrong in [file, folder]:
        done = tool(command, wrong)
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert str(wrong) in done.stderr
    assert file.read_text() == "text"
    assert [entry.name for entry in folder.iterdir()] == ["notes.log"]


@each_command
def test_wrong_usage_is_refused(command: str) -> None:
    for arguments in [[command], [command, "a", "b"], [command, "--no-such-option", "a"]]:
        assert tool(*arguments).returncode == FAILED


@each_command
def test_help_says_what_the_exit_statuses_mean(command: str) -> None:
    done = tool(command, "--help")
    assert done.returncode == FINE
    for text in ["exit status:", "all is well", "damaged", "could not be done", "PATH"]:
        assert text in done.stdout
    assert command in tool("--help").stdout


# The items as JSON.

VIENNA: tzinfo
try:
    VIENNA = ZoneInfo("Europe/Vienna")
except ZoneInfoNotFoundError:
    VIENNA = UTC  # this machine knows no other one

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    2**53,
    -(2**53) - 1,
    2**20000,
    1.5,
    -0.0,
    1e300,
    math.inf,
    -math.inf,
    "",
    'text \N{SNOWMAN} " \\ \x00',
    "\udc80 alone",
    b"",
    b"\x00\xff",
    [1, [2, []]],
    (),
    (1, ("x",)),
    {1, 2},
    frozenset({"a"}),
    {},
    {"key": (1,), "other": None},
    {1: 2, (3,): 4},
    {"tuple": [1]},
    {"item": 1, "stored": "x"},
    datetime(2026, 11, 28, 19, 43, 11, 5),
    datetime(2026, 11, 28, 19, 43, tzinfo=UTC),
    datetime(2026, 11, 28, tzinfo=timezone(timedelta(hours=-5, seconds=3))),
    datetime(2026, 11, 28, tzinfo=timezone(timedelta(hours=1), "CET")),
    datetime(2026, 10, 25, 2, 30, tzinfo=VIENNA, fold=1),
    date(1, 2, 3),
    time(1, 2, 3, 4),
    time(1, tzinfo=UTC),
    timedelta(days=-1, microseconds=1),
    timezone(timedelta(0)),
    timezone(timedelta(hours=2), "x"),
    VIENNA,
]


def restored(form: Any) -> Any:
    """The value that an item of an export stands for, as the help says."""
    if isinstance(form, list):
        return [restored(item) for item in form]
    if not isinstance(form, dict):
        return form
    for kind, restore in FORMS.items():
        if kind in form:
            return restore(form[kind], form)
    return {key: restored(item) for key, item in form.items()}


def restored_time(kind: type[datetime] | type[time], text: str, form: dict[str, Any]) -> Any:
    """A datetime or time, with the zone and fold that its form has."""
    made = kind.fromisoformat(text)
    zone = restored(form["zone"]) if "zone" in form else made.tzinfo
    return made.replace(tzinfo=zone, fold=form.get("fold", 0))


FORMS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "bytes": lambda text, _: base64.b64decode(text),
    "int": lambda text, _: int(text, 16),
    "float": lambda text, _: float(text),
    "text": lambda text, _: base64.b64decode(text).decode("utf-8", "surrogatepass"),
    "tuple": lambda entries, _: tuple(map(restored, entries)),
    "set": lambda entries, _: set(map(restored, entries)),
    "frozenset": lambda entries, _: frozenset(map(restored, entries)),
    "dict": lambda pairs, _: {restored(key): restored(item) for key, item in pairs},
    "datetime": lambda text, form: restored_time(datetime, text, form),
    "time": lambda text, form: restored_time(time, text, form),
    "date": lambda text, _: date.fromisoformat(text),
    "timedelta": lambda parts, _: timedelta(*parts),
    "timezone": lambda offset, form: timezone(restored(offset), *([form["name"]] if "name" in form else [])),
    "zone": lambda key, _: ZoneInfo(key),
}


def test_each_value_can_be_told_exactly_from_what_export_prints(path: Path) -> None:
    with opened(path) as queue:
        queue.push_batch(VALUES)
    found = [restored(item) for item in items(path)]
    shown = [hex if type(value) is int else repr for value in VALUES]
    assert [show(value) for show, value in zip(shown, found, strict=True)] == [
        show(value) for show, value in zip(shown, VALUES, strict=True)
    ]
    assert [type(value) for value in found] == [type(value) for value in VALUES]
    # Not ==: two objects for one zone make times of the hour that comes twice unequal.


def test_export_is_strict_json_with_numbers_that_every_reader_reads(path: Path) -> None:
    with opened(path) as queue:
        queue.push_batch(VALUES)

    def refuse(text: str) -> None:
        raise AssertionError(text)

    for line in tool("export", path).stdout.splitlines():
        line.encode("ascii")
        json.loads(line, parse_constant=refuse, parse_int=lambda text: int(float(text)))


def test_export_tells_state_deliveries_id_headers_and_times(path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with opened(path) as queue:
        queue.push("dead", id="order 7", headers={"from": ("a", 1)})
        queue.push("returned", id=b"\xff")
        queue.push("later", delay=3600)
        queue.push("leased")
        queue.lease().bury("bad")
        queue.lease().nack()
        returned = queue.lease()
        leased = queue.lease()
        lines = exported(path)
        leased.ack()
        returned.nack()
    dead, was_returned, later, was_leased = lines
    assert (dead["state"], dead["reason"], dead["deliveries"]) == ("dead", "bad", 1)
    assert (dead["id"], restored(dead["headers"])) == ("order 7", {"from": ("a", 1)})
    assert (was_returned["id"], was_returned["deliveries"]) == ({"bytes": "/w=="}, 2)
    assert (later["state"], was_leased["state"]) == ("delayed", "leased")
    put, until = (datetime.fromisoformat(later[key]) for key in ("put", "until"))
    assert before < put < datetime.now(UTC)
    assert timedelta(seconds=3599) < until - put < timedelta(seconds=3601)
    assert [line["number"] for line in lines] == sorted(line["number"] for line in lines)
    assert exported(path)[1]["state"] == "ready"


class Bomb:
    """Loading its pickle would end the process."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (77,)


def test_pickles_are_shown_and_never_loaded(path: Path) -> None:
    with opened(path, codec="pickle") as queue:
        queue.push(Bomb())
        queue.push(b"bytes")
    pickled, plain = items(path)
    assert b"_exit" in base64.b64decode(pickled["pickle"])
    assert plain == {"bytes": base64.b64encode(b"bytes").decode()}
    for command in COMMANDS:
        assert tool(command, path).returncode == FINE


def test_raw_shows_what_was_stored(path: Path) -> None:
    with opened(path) as queue:
        queue.push(b"bytes", headers=b"h")
        queue.push("text")
    raw, text = exported(path, "--raw")
    assert (base64.b64decode(raw["item"]), base64.b64decode(raw["headers"])) == (b"\0bytes", b"\0h")
    assert base64.b64decode(text["item"]) == b"\1\x64text"


# Streams.


def test_a_reader_that_leaves_early_is_no_error(path: Path) -> None:
    with opened(path) as queue:
        queue.push_batch(["x" * 1000] * 2000)
    command = [sys.executable, "-m", "elasticq", "export", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        assert json.loads(export.stdout.readline())["item"] == "x" * 1000
        export.stdout.close()
        assert export.stderr.read() == b""
        assert export.wait(60) == UNREAD


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_inside_a_program_too(
    command: str, five: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(five)]) == FINE
    assert capsys.readouterr().err == ""
