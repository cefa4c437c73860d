"""What a queue stores in a file comes back exactly, or it is refused. Damage is found, with its place.

Hypothesis makes up the values: the same ones in each run. With ELASTICQ_SEARCH set they are new, and more.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import io
import math
import os
import pickle
import struct
import sys
import threading
import zoneinfo
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import Threads, check_for_leaks

from elasticq import Corrupted, InvalidConfiguration, InvalidOperation
from elasticq._core import _decode, _encode

RUN = (
    settings(max_examples=20_000, deadline=None, print_blob=True)
    if os.environ.get("ELASTICQ_SEARCH")
    else settings(max_examples=150, deadline=None, derandomize=True)
)
DEPTH = 80
"""So many containers may stand inside each other."""


@pytest.fixture(scope="module", autouse=True)
def _zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The time zone Test/Zone is known, whatever this machine knows."""
    folder = tmp_path_factory.mktemp("zones")
    (folder / "Test").mkdir()
    (folder / "Test/Zone").write_bytes(zone_file())
    zoneinfo.reset_tzpath(to=[folder])
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def zone_file() -> bytes:
    """The file of a time zone that is always an hour ahead."""
    head = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, 4)
    return head + struct.pack(">lbb", 3600, 0, 0) + b"XYZ\0"


def shown(value: object) -> str:
    """A text that is the same for two values only if they can't be told apart by types, order or signs."""
    kind = type(value).__qualname__
    if isinstance(value, (list, tuple)):
        return f"{kind}({', '.join(map(shown, value))})"
    if isinstance(value, dict):
        return f"{kind}({', '.join(f'{shown(key)}: {shown(item)}' for key, item in value.items())})"
    if isinstance(value, (set, frozenset)):
        return f"{kind}({', '.join(sorted(map(shown, value)))})"
    if type(value) is int:
        return hex(value)
    return f"{kind} {value!r}"  # the repr of a datetime has its zone and its fold


def assert_exact(value: object) -> None:
    """The value comes back exactly."""
    assert shown(_decode(_encode(value))) == shown(value)


offsets = st.timedeltas(timedelta(hours=-24, microseconds=1), timedelta(hours=24, microseconds=-1))
zones = st.one_of(
    st.none(),
    st.just(UTC),
    offsets.map(timezone),
    st.builds(timezone, offsets, st.text(max_size=5)),
    st.builds(zoneinfo.ZoneInfo, st.just("Test/Zone")),
)
moments = st.one_of(
    st.builds(
        lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
        st.datetimes() | st.times(),
        zones,
        st.integers(0, 1),
    ),
    st.dates(),
    st.timedeltas(),
    zones,
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**2000), 2**2000),
    st.sampled_from(
        [sign * bits + more for sign in (1, -1) for bits in (2**63, 2**64) for more in (-1, 0, 1)]
    ),
    st.floats(),
    st.text(),
    st.text(st.characters(exclude_categories=())),  # with lone surrogates
    st.binary(),
)
hashables: st.SearchStrategy[Any] = st.deferred(
    lambda: st.recursive(
        scalars | moments,
        lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
        max_leaves=8,
    )
)
values: st.SearchStrategy[Any] = st.deferred(
    lambda: st.recursive(
        hashables,
        lambda inner: st.one_of(
            st.lists(inner, max_size=6),
            st.lists(inner, max_size=6).map(tuple),
            st.dictionaries(hashables, inner, max_size=6),
            st.sets(hashables, max_size=6),
        ),
        max_leaves=25,
    )
)


@RUN
@given(values)
@example({"user": "alice", "ids": [1, 2, 3], "ok": True, "rate": 0.5, "none": None})
def test_every_value_comes_back_exactly(value: object) -> None:
    """With the same types at every level, dicts in their order, and the sign of zero."""
    assert_exact(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -0.0,
        math.inf,
        {math.nan: 1, -0.0: 2},
        10**20_000,
        -(10**20_000),
        "\ud800\udc00",
        "a\udcff",
        "\0",
        "x" * 100_000,
        [b"x" * 100_000],
        list(range(1000)),
        {number: str(number) for number in range(1000)},
        timedelta.min,
        timedelta.max,
        datetime.min,
        datetime.max,
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=timezone(timedelta(hours=1), "CET")),
    ],
    ids=lambda value: shown(value)[:30],
)
def test_extreme_values_come_back_exactly(value: object) -> None:
    """What Hypothesis may not think of."""
    assert_exact(value)


def test_utc_and_zones_come_back_as_the_same_objects() -> None:
    """As everywhere in Python, there is one of each."""
    zone = zoneinfo.ZoneInfo("Test/Zone")
    assert _decode(_encode([UTC, zone])) == [UTC, zone]
    assert _decode(_encode(UTC)) is UTC
    assert _decode(_encode(datetime(2026, 1, 1, tzinfo=zone))).tzinfo is zone


# The format of files that exist. None of these lines may ever change.
STORED = [
    (b"IETF", "00 49455446"),
    (b"", "00"),
    (None, "01 f6"),
    (False, "01 f4"),
    (True, "01 f5"),
    (10, "01 0a"),
    (1000, "01 1903e8"),
    (-1, "01 20"),
    (2**64 - 1, "01 1bffffffffffffffff"),
    (-(2**64), "01 3bffffffffffffffff"),
    (2**64, "01 c249010000000000000000"),
    (-(2**64) - 1, "01 c349010000000000000000"),
    (1.1, "01 fb3ff199999999999a"),
    (-0.0, "01 fb8000000000000000"),
    ("ü", "01 62c3bc"),
    ("\ud800", "01 d90111 43eda080"),
    ([1, [b"x"]], "01 82 01 81 4178"),
    ({"b": 1, "a": 2}, "01 a2 6162 01 6161 02"),
    ({1}, "01 d90102 81 01"),
    ((1, 2), "01 d81b 82 657475706c65 82 01 02"),
    (frozenset([1]), "01 d81b 82 6966726f7a656e736574 81 01"),
    (date(2026, 11, 28), "01 d81b 84 6464617465 1907ea 0b 181c"),
    (time(1, 2, 3, 4), "01 d81b 87 6474696d65 01 02 03 04 f6 f4"),
    (timedelta(1, 2, 3), "01 d81b 84 6974696d6564656c7461 01 02 03"),
    (
        timezone(timedelta(hours=1), "CET"),
        "01 d81b 83 6874696d657a6f6e65 d81b 84 6974696d6564656c7461 00 190e10 00 63434554",
    ),
    (
        datetime(2026, 10, 25, 2, 30, 0, 5, UTC, fold=1),
        "01 d81b 8a 686461746574696d65 1907ea 0a 1819 02 181e 00 05"
        " d81b 82 6874696d657a6f6e65 d81b 84 6974696d6564656c7461 00 00 00 f5",
    ),
]


@pytest.mark.parametrize(("value", "stored"), STORED, ids=[shown(value)[:30] for value, _ in STORED])
def test_the_format_stays_as_it_is(value: object, stored: str) -> None:
    """Byte for byte, since later versions read the files of earlier ones."""
    assert _encode(value).hex() == stored.replace(" ", "")


class Colour(enum.IntEnum):
    """An int that is not only an int."""

    RED = 1


class Text(str):
    """A subclass."""

    __slots__ = ()


class Delta(timedelta):
    """A subclass."""


class Zone(tzinfo):
    """Somebody's own time zone."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise AssertionError("asked")

    def dst(self, _: datetime | None) -> timedelta:
        raise AssertionError("asked")

    def tzname(self, _: datetime | None) -> str:
        raise AssertionError("asked")


class Loud:
    """Code that must not run."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __repr__(self) -> str:
        raise AssertionError("shown")


Point = namedtuple("Point", "x y")

REFUSED: list[tuple[object, str, str]] = [
    (Loud(), "", "Loud"),
    ([1, Loud()], "at [1]: ", "Loud"),
    ({"user": [0, 1, 2, Loud()]}, "at ['user'][3]: ", "Loud"),
    ({("a", 1): (Loud(),)}, "at [('a', 1)][0]: ", "Loud"),
    ({"k" * 99: Loud()}, f"at ['{'k' * 39}...]: ", "Loud"),
    ({10**9999: Loud()}, "at [...]: ", "Loud"),
    ({Loud(): 1}, "at <key>: ", "Loud"),
    ({"a": {(1, Loud()): 1}}, "at ['a']<key>[1]: ", "Loud"),
    ({Loud()}, "at <element>: ", "Loud"),
    ([frozenset([Loud()])], "at [0]<element>: ", "Loud"),
    (Colour.RED, "", "Colour"),
    (Point(1, 2), "", "Point"),
    (OrderedDict(), "", "collections.OrderedDict"),
    (defaultdict(int), "", "collections.defaultdict"),
    ({Text("x"): 1}, "at <key>: ", "Text"),
    (Delta(1), "", "Delta"),
    (timezone(Delta(hours=1)), "", "Delta"),
    (timezone(timedelta(0), Text("x")), "", "Text"),
    ([datetime(2026, 1, 1, tzinfo=Zone())], "at [0].tzinfo: ", "Zone"),
    ({"at": time(1, tzinfo=Zone())}, "at ['at'].tzinfo: ", "Zone"),
    (1j, "", "complex"),
    (range(3), "", "range"),
    (bytearray(b"x"), "", "bytearray"),
    (memoryview(b"x"), "", "memoryview"),
    (Decimal(1), "", "decimal.Decimal"),
    (..., "", "ellipsis"),
    (int, "", "type"),
    (iter([]), "", "list_iterator"),
    (len, "", "builtin_function_or_method"),
]


@pytest.mark.parametrize(("value", "place", "name"), REFUSED, ids=[f"{name} {at}" for _, at, name in REFUSED])
def test_other_types_are_refused_with_their_place(value: object, place: str, name: str) -> None:
    """The error names the type and where it stands. No code of the object's own runs."""
    with pytest.raises(TypeError) as error:
        _encode(value)
    text = str(error.value)
    assert text.startswith(f"{place}an object of type ")
    assert text.partition(" can't be stored; allowed are None, bool, int, ")[0].endswith(name)


def test_a_long_way_to_the_place_is_cut_short() -> None:
    """The first eight steps tell enough."""
    value: Any = Loud()
    for _ in range(9):
        value = [value]
    with pytest.raises(TypeError, match=r"^at (\[0\]){8}\.\.\.: an object of type"):
        _encode(value)


def test_a_zone_that_is_not_found_by_its_key_is_refused() -> None:
    """A ZoneInfo from a file or past the cache would come back as another one."""
    for zone in (
        zoneinfo.ZoneInfo.no_cache("Test/Zone"),
        zoneinfo.ZoneInfo.from_file(io.BytesIO(zone_file())),
        zoneinfo.ZoneInfo.from_file(io.BytesIO(zone_file()), key="Test/Zone"),
    ):
        with pytest.raises(TypeError, match=r"^at \[0\]\.tzinfo: a ZoneInfo that is not ZoneInfo\(key\)"):
            _encode([datetime(2026, 1, 1, tzinfo=zone)])


def test_a_zone_that_this_machine_does_not_know_is_no_damage() -> None:
    """The file may be right, and the machine's time zones old."""
    stored = _encode(zoneinfo.ZoneInfo("Test/Zone")).replace(b"Test", b"Nope")
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError, match="Nope/Zone"):
        _decode(stored)


@pytest.mark.parametrize(
    "key",
    ["x" * 400, "America", "No?Zone", "No\nZone"],
    ids=["too long", "a directory", "not on Windows", "a line"],
)
def test_a_key_that_can_be_no_name_of_a_file_is_a_zone_that_is_not_known(key: str) -> None:
    """CPython lets through what the system says of such a name, where the package tzdata is installed."""
    stored = _encode(zoneinfo.ZoneInfo("Test/Zone"))
    size = len("Test/Zone")
    place = stored.index(b"Test/Zone") - 1
    assert stored[place] == 0x60 + size  # the head of a short text
    damaged = (
        stored[:place] + b"\x79" + len(key).to_bytes(2, "big") + key.encode() + stored[place + 1 + size :]
    )
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError):
        _decode(damaged)


def test_a_machine_that_can_not_look_for_a_zone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no descriptor left learns that, and not that there is no such zone."""

    def refuse(_: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    stored = _encode(zoneinfo.ZoneInfo("Test/Zone")).replace(b"Test", b"Nope")
    monkeypatch.setattr("zoneinfo._common.load_tzdata", refuse)
    with pytest.raises(OSError, match="open files") as raised:
        _decode(stored)
    assert raised.value.errno == errno.EMFILE


def nested(levels: int, wrap: Callable[[Any], object]) -> Any:
    """None in so many containers."""
    value: object = None
    for _ in range(levels):
        value = wrap(value)
    return value


WRAPS: dict[str, Callable[[Any], object]] = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {1: value},
    "frozenset": lambda value: frozenset([value]),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_values_are_as_deep_as_the_limit(wrap: Callable[[Any], object]) -> None:
    """One level more is refused; the deepest works on the smallest stack that a thread has anywhere."""
    deepest = nested(DEPTH, wrap)
    came_back: list[object] = []
    threads = Threads()
    before = threading.stack_size(128 * 1024)
    try:
        threads.start(lambda: came_back.append(_decode(_encode(deepest))))
    finally:
        threading.stack_size(before)
    threads.join()
    assert list(map(shown, came_back)) == [shown(deepest)]
    with pytest.raises(ValueError, match="more than 80 containers inside each other"):
        _encode(nested(DEPTH + 1, wrap))


def test_a_container_that_contains_itself_is_refused() -> None:
    """With the reason, not with the end of the stack."""
    items: list[Any] = []
    items.append(items)
    table: dict[str, Any] = {}
    table["me"] = (table,)
    for value in (items, table):
        with pytest.raises(ValueError, match="does one of them contain itself"):
            _encode(value)


DAMAGED = [
    ("", "byte 0", "empty"),
    ("07 00", "byte 0", "no codec with the number 7"),
    ("01", "byte 1", "end of input"),
    ("01 0a 0a", "byte 2", "1 bytes are left after the value"),
    ("01 82 01", "byte 1", "2 entries, but only 1 bytes"),
    ("01 62 c3", "byte 1", "end of input"),
    ("01 61 ff", "byte 1", "utf-8"),
    ("01 81 c1 00", "byte 2", "tag 1"),
    ("01 81 d9d9f7 00", "byte 2", "tag 55799"),
    ("01 81 f7", "byte 2", "undefined"),
    ("01 81 f0", "byte 2", "simple"),
    ("01 81 f93c00", "byte 2", "f16"),
    ("01 81 fa3f800000", "byte 2", "f32"),
    ("01 1c", "byte 1", "0x1c"),
    ("01 81 9f ff", "byte 2", "array"),
    ("01 bf ff", "byte 1", "map"),
    ("01 5f 41 00 ff", "byte 1", "bytes"),
    ("01 7f 61 61 ff", "byte 1", "string"),
    ("01 a2 01 01 01 02", "byte 4", "a key stands there twice"),
    ("01 a2 01 01 f5 02", "byte 4", "a key stands there twice"),
    ("01 a1 80 01", "byte 2", "unhashable type"),
    ("01 d90102 82 01 01", "byte 1", "an element stands there twice"),
    ("01 d90102 81 80", "byte 1", "unhashable type"),
    ("01 c2 00", "byte 2", "bytes"),
    ("01 d90111 41 ff", "byte 4", "utf-8"),
    ("01 d81b 80", "byte 3", "an object without a class"),
    ("01 d81b 82 01 01", "byte 4", "expected text"),
    ("01 d81b 82 6466696c65 01", "byte 1", '"file" with 1 arguments'),
    ("01 d81b 81 657475706c65", "byte 1", '"tuple" with 0 arguments'),
    ("01 d81b 84 6464617465 1907ea 0d 01", "byte 1", "month"),
    ("01 d81b 84 6464617465 1907ea 190101 01", "byte 12", "u8"),
    ("01 d81b 84 6974696d6564656c7461 1a3b9aca00 00 00", "byte 1", "days"),
    ("01 d81b 82 685a6f6e65496e666f 632e2e2f", "byte 1", "../"),
    ("01 d81b 82 6874696d657a6f6e65 00", "byte 13", "tag"),
    ("01 d81b 82 6874696d657a6f6e65 c2 00", "byte 13", "tag 2, where an object must stand"),
    ("01 d81b 82 6874696d657a6f6e65 d81b 84 6464617465 01 01 01", "byte 13", "no timedelta"),
    ("01 d81b 87 6474696d65 01 02 03 04 d81b 84 6464617465 01 01 01 f4", "byte 13", '"date" with 3'),
]


@pytest.mark.parametrize(("stored", "place", "text"), DAMAGED, ids=[stored for stored, _, _ in DAMAGED])
def test_damage_is_found_and_named_with_its_place(stored: str, place: str, text: str) -> None:
    """Whatever the codec itself does not write is refused."""
    with pytest.raises(Corrupted) as error:
        _decode(bytes.fromhex(stored))
    assert f"at {place} of the value: " in str(error.value)
    assert text.lower() in str(error.value).lower()


@pytest.mark.parametrize("head", ["5a", "7a", "9a", "ba", "d901029a", "d81b82657475706c659a", "c25a"])
@pytest.mark.parametrize("length", ["ffffffff", "7fffffff", "00000064"])
def test_a_length_is_compared_with_the_bytes_that_are_there(head: str, length: str) -> None:
    """So nothing is allocated for what is not there."""
    stored = bytes.fromhex(f"01{head}{length}") + bytes(10)
    with pytest.raises(Corrupted):
        _decode(stored)
    # The same with eight bytes for the length: far more than there is memory.
    wider = f"{int(head[-2:], 16) + 1:02x}"
    with pytest.raises(Corrupted):
        _decode(bytes.fromhex(f"01{head[:-2]}{wider}7fffffff{length}") + bytes(10))


def test_announced_lengths_inside_each_other_allocate_nothing() -> None:
    """Each of a hundred arrays announces as many items as there are bytes, with 800 MB of pointers in all."""
    megabyte = 2**20
    heads = bytes.fromhex("9a000f0000") * 100
    with pytest.raises(Corrupted):
        _decode(b"\1" + heads + bytes(megabyte))


@pytest.mark.parametrize("head", ["81", "a101", "a1", "d9010281", "d81b82657475706c6581", "c2", "d81b"])
def test_deep_damage_does_not_end_the_stack(head: str) -> None:
    """Containers, keys and tags inside each other, a hundred thousand times."""
    for repeated in (DEPTH + 1, 100_000):
        with pytest.raises(Corrupted):
            _decode(b"\1" + bytes.fromhex(head) * repeated + b"\xf6")


def outcome(stored: bytes) -> None:
    """Decodes the bytes. What comes of it is an error of the kinds that are announced, or a value as any."""
    with contextlib.suppress(Corrupted, InvalidOperation, zoneinfo.ZoneInfoNotFoundError):
        assert_exact(_decode(stored))


SAMPLES = [
    {"user": "alice", "ids": [1, -2, 300], "ok": True, "rate": 0.5, "none": None, b"raw": "ü"},
    [(1, ("a", b"b")), {1, 2}, frozenset(["x"]), 2**70, -(2**70), "\udc80"],
    [datetime(2026, 10, 25, 2, 30, 0, 5, timezone(timedelta(hours=1), "CET"), fold=1), date(2026, 1, 1)],
    [time(1, 2, 3, 4), timedelta(-1, 5, 6), UTC],
    {(1, 2): {3: {4: [5, {6: 7}]}}},
]


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_no_part_of_a_value_is_taken_for_it(sample: object) -> None:
    """However much is missing at the end."""
    stored = _encode(sample)
    for length in range(len(stored)):
        with pytest.raises(Corrupted):
            _decode(stored[:length])


@pytest.mark.parametrize("sample", [*SAMPLES, None], ids=range(len(SAMPLES) + 1))
def test_any_bit_may_be_wrong(sample: object) -> None:
    """An error or another value, and never anything else."""
    stored = _encode(sample or zoneinfo.ZoneInfo("Test/Zone"))
    for place in range(len(stored)):
        for bit in range(8):
            damaged = bytearray(stored)
            damaged[place] ^= 1 << bit
            outcome(bytes(damaged))


@RUN
@given(st.binary(max_size=60))
def test_any_bytes_may_be_read(stored: bytes) -> None:
    """An error or a value, and never anything else."""
    outcome(b"\1" + stored)


def test_a_pickle_is_written_and_read_only_by_name() -> None:
    """The plain codec says what it is, and does not load it. Everything else can be read by both."""
    value = [Colour.RED, Point(1, 2), {Text("x")}]
    stored = _encode(value, codec="pickle")
    assert stored[:1] == b"\2"
    assert shown(_decode(stored, codec="pickle")) == shown(value)
    with pytest.raises(InvalidOperation, match='open it with codec="pickle"'):
        _decode(stored)
    assert _encode(b"raw", codec="pickle") == _encode(b"raw") == b"\0raw"
    assert _decode(b"\0raw", codec="pickle") == b"raw"
    assert _decode(_encode([1]), codec="pickle") == [1]


def test_a_pickle_is_not_loaded_without_being_asked_for(tmp_path: Path) -> None:
    """Not even to look into it."""
    trace = tmp_path / "trace"

    class Trap:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (trace,)

    stored = b"\2" + pickle.dumps(Trap())
    with pytest.raises(InvalidOperation):
        _decode(stored)
    assert not trace.exists()
    _decode(stored, codec="pickle")
    assert trace.exists()


def test_other_codecs_are_refused_by_their_name() -> None:
    """And what is no bytes object can't be decoded."""
    for call in (_encode, _decode):
        with pytest.raises(InvalidConfiguration, match='codec = "json": it must be "plain" or "pickle"'):
            call(b"\1\xf6", codec="json")
    with pytest.raises(TypeError):
        _decode(bytearray(b"\1\xf6"))  # type: ignore[arg-type]


def test_values_may_change_while_they_are_encoded() -> None:
    """Each container is stored as it was at one moment. Without a GIL, threads really change it then."""
    table: dict[Any, Any] = {number: [number] for number in range(50)}
    items: list[Any] = list(range(50))
    chosen: set[Any] = set(range(50))
    value = [table, items, chosen]
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            number += 1
            table[50 + number % 7] = [number] * (number % 5)
            table.pop(50 + (number + 3) % 7, None)
            items.append(number)
            del items[number % 20 :: 3]
            items.extend(range(number % 30))
            chosen.add(50 + number % 7)
            chosen.discard(50 + (number + 3) % 7)

    def encode() -> None:
        try:
            for _ in range(2000):
                assert len(_decode(_encode(value))) == len(value)
        finally:
            done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = Threads()
    try:
        for run in (change, change, encode):
            threads.start(run)
        threads.join()
    finally:
        done.set()
        sys.setswitchinterval(interval)


def test_nothing_is_left_behind() -> None:
    """Neither by successes nor by errors."""
    item = "an item of which references are counted"
    value = {item: [item, (item,), {item}], "at": datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Test/Zone"))}
    stored = _encode(value)

    def fails(call: Callable[[Any], object], argument: object) -> Callable[[], None]:
        def run() -> None:
            with pytest.raises((TypeError, Corrupted)):
                call(argument)

        return run

    check_for_leaks(
        item,
        [
            lambda: _encode(value),
            lambda: _decode(stored),
            fails(_encode, [value, object()]),
            fails(_encode, {item: {item: [object()]}}),
            fails(_decode, stored[:-1]),
            fails(_decode, b"\1\x82\x80\xff"),
        ],
    )
