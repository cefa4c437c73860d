"""Bad input to a buffer with levels and to its settings: the error names the rule, and nothing is lost."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from elasticq import (
    Config,
    InvalidConfiguration,
    InvalidOperation,
    PriorityCircularBuffer,
    PriorityConfig,
    QueueError,
)

# Priorities

OUT_OF_RANGE = [3, 64, -1, 10**30, -(10**30), 2**63, 2**64 - 1]
NO_INTEGERS: list[Any] = [1.5, 1.0, "x", "1", None, (), 1j, float("nan"), object()]

Call = Callable[[PriorityCircularBuffer[Any], Any, Any], object]

ADDING: dict[str, Call] = {
    "push_with_priority": lambda b, item, priority: b.push_with_priority(item, priority),
    "push_with_priority, by keyword": lambda b, item, p: b.push_with_priority(item, priority=p),
    "aput_with_priority": lambda b, item, priority: b.aput_with_priority(item, priority),
    "sync_q.put": lambda b, item, priority: b.sync_q.put(item, priority=priority),
    "sync_q.put_nowait": lambda b, item, priority: b.sync_q.put_nowait(item, priority=priority),
    "async_q.put": lambda b, item, priority: b.async_q.put(item, priority=priority),
    "async_q.put_nowait": lambda b, item, priority: b.async_q.put_nowait(item, priority=priority),
}
ADDING_MANY: dict[str, Call] = {
    "push_batch_with_priority": lambda b, items, priority: b.push_batch_with_priority(items, priority),
    "aput_many_with_priority": lambda b, items, priority: b.aput_many_with_priority(items, priority),
    "sync_q.put_many": lambda b, items, priority: b.sync_q.put_many(items, priority=priority),
}
ASKING: dict[str, Call] = {
    "pop_from_priority": lambda b, _, priority: b.pop_from_priority(priority),
    "len_at_priority": lambda b, _, priority: b.len_at_priority(priority),
    "capacity_at_priority": lambda b, _, priority: b.capacity_at_priority(priority),
}
VIEWS = {name for name in (*ADDING, *ADDING_MANY) if "_q" in name}
"""In these calls None is a priority, too: the middle one."""


def refused(call: Call, what: Any, priority: Any, *, none_is_fine: bool) -> None:
    """Checks that a priority is refused by name, and that nothing else has happened."""
    buffer: PriorityCircularBuffer[Any] = PriorityCircularBuffer()
    for level in range(3):
        buffer.push_with_priority(level, level)
    before = buffer.stats()
    if priority is None and none_is_fine:
        return
    if isinstance(priority, int):
        error: type[Exception] = InvalidOperation
        text = f"priority = {priority}: must be from 0 to 2"
    else:
        error, text = TypeError, f"'priority' must be an integer, not {type(priority).__name__}"
    with pytest.raises(error, match=f"{re.escape(text)}$"):
        call(buffer, what, priority)
    assert list(buffer) == [2, 1, 0]
    assert buffer.stats() == before


@pytest.mark.parametrize("priority", [*OUT_OF_RANGE, *NO_INTEGERS], ids=repr)
@pytest.mark.parametrize("name", ADDING)
def test_an_item_for_no_level_stays_with_its_sender(name: str, priority: Any) -> None:
    item = object()
    references = sys.getrefcount(item)
    refused(ADDING[name], item, priority, none_is_fine=name in VIEWS)
    assert sys.getrefcount(item) == references


@pytest.mark.parametrize("priority", [*OUT_OF_RANGE, *NO_INTEGERS], ids=repr)
@pytest.mark.parametrize("name", ADDING_MANY)
def test_a_batch_for_no_level_is_not_even_begun(name: str, priority: Any) -> None:
    items = iter([1, 2, 3])
    refused(ADDING_MANY[name], items, priority, none_is_fine=name in VIEWS)
    assert list(items) == [1, 2, 3]


@pytest.mark.parametrize("priority", [*OUT_OF_RANGE, *NO_INTEGERS], ids=repr)
@pytest.mark.parametrize("name", ASKING)
def test_asking_for_no_level(name: str, priority: Any) -> None:
    refused(ASKING[name], None, priority, none_is_fine=False)


def test_an_integer_is_whatever_python_takes_for_one() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    class Mine(int):
        pass

    buffer: PriorityCircularBuffer[str] = PriorityCircularBuffer()
    priorities: list[Any] = [Two(), Mine(1), True, False]
    for priority in priorities:
        buffer.push_with_priority(f"{int(priority.__index__())}", priority)
    assert list(buffer) == ["2", "1", "1", "0"]
    assert buffer.pop_from_priority(True) == "1"


@pytest.mark.parametrize("name", [*ADDING, *ADDING_MANY, *ASKING])
def test_what_a_priority_raises_goes_through(name: str) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("mine")

    buffer: PriorityCircularBuffer[Any] = PriorityCircularBuffer()
    with pytest.raises((LookupError, TypeError)):
        (ADDING | ADDING_MANY | ASKING)[name](buffer, [1], Broken())
    assert len(buffer) == 0


@pytest.mark.parametrize("items", [None, 1, object()], ids=repr)
@pytest.mark.parametrize("name", ADDING_MANY)
def test_a_batch_that_is_none(name: str, items: Any) -> None:
    buffer: PriorityCircularBuffer[Any] = PriorityCircularBuffer()
    with pytest.raises(TypeError, match="not iterable"):
        ADDING_MANY[name](buffer, items, 1)
    assert len(buffer) == 0


def test_numbers_of_items() -> None:
    buffer: PriorityCircularBuffer[int] = PriorityCircularBuffer()
    buffer.push(1)
    bad: list[tuple[Any, type[Exception]]] = [(-1, ValueError), (1.5, TypeError), ("x", TypeError)]
    for number, error in bad:
        with pytest.raises(error, match="max_items"):
            buffer.pop_batch(number)
    zero: tuple[Any, type[Exception]] = (0, ValueError)
    calls: list[Callable[[Any], object]] = [buffer.sync_q.get_many, buffer.aget_many]
    for number, error in [*bad, zero]:
        for call in calls:
            with pytest.raises(error, match="'n' must be"):
                call(number)
    for timeout, error in ((-1, ValueError), ("x", TypeError)):
        with pytest.raises(error, match="'timeout' must be"):
            buffer.sync_q.get(timeout=timeout)  # type: ignore[arg-type]
        with pytest.raises(error, match="'timeout' must be"):
            buffer.sync_q.put(2, timeout=timeout)  # type: ignore[arg-type]
    assert buffer.pop_batch(10**30) == [1]


# Settings

FROM_1_TO_64 = "must be from 1 to 64"
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"levels": 0}, f"priority_levels = 0: {FROM_1_TO_64}"),
    ({"levels": 65}, f"priority_levels = 65: {FROM_1_TO_64}"),
    ({"levels": 2**64 - 1}, f"priority_levels = {2**64 - 1}: {FROM_1_TO_64}"),
    ({"max_consecutive": 0}, "max_consecutive_per_priority = 0: must be at least 1"),
    ({"level_capacities": {3: 1}}, "1 for priority 3: the priority must be from 0 to 2"),
    ({"level_capacities": {0: 0}}, "0 for priority 0: must be from 1 to max_capacity = 65536"),
    ({"level_capacities": {2: 65_537}}, "65537 for priority 2: must be from 1 to max_capacity = 65536"),
    ({"max_wait": 0}, "max_wait = 0ns: must be above zero"),
    ({"max_wait": timedelta(0)}, "max_wait = 0ns: must be above zero"),
    ({"min_capacity": 0}, "min_capacity = 0: must be at least 1"),
    ({"max_capacity": 1023}, "min_capacity = 1024: must be at most max_capacity = 1023"),
    ({"growth_factor": 1.0}, "growth_factor = 1: must be a finite number above 1.0"),
    ({"shrink_threshold": 1.0}, "shrink_threshold = 1: must be above 0.0 and below 1.0"),
]
AT_ONCE: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"levels": -1}, InvalidConfiguration, "levels = -1: must be at least 1"),
    ({"levels": 10**30}, InvalidConfiguration, f"levels = {10**30}: must be at most"),
    ({"levels": 3.0}, TypeError, "levels must be an integer, not float"),
    ({"levels": "3"}, TypeError, "levels must be an integer, not str"),
    ({"max_consecutive": -1}, InvalidConfiguration, "max_consecutive = -1: must be at least 1"),
    ({"max_consecutive": 1.5}, TypeError, "max_consecutive must be an integer, not float"),
    ({"level_capacities": [1]}, TypeError, "level_capacities must map priorities to items, not be list"),
    ({"level_capacities": {"x": 1}}, TypeError, "a priority in level_capacities must be an integer, not str"),
    (
        {"level_capacities": {-1: 1}},
        InvalidConfiguration,
        "a priority in level_capacities = -1: must be at least 0",
    ),
    ({"level_capacities": {0: "x"}}, TypeError, r"level_capacities\[0\] must be an integer, not str"),
    ({"level_capacities": {0: -1}}, InvalidConfiguration, r"level_capacities\[0\] = -1: must be at least 1"),
    ({"max_wait": -1}, ValueError, "'max_wait' must be a non-negative number, not -1"),
    ({"max_wait": "x"}, TypeError, "'max_wait' must be a number of seconds, not str"),
    ({"push_timeout": -1}, ValueError, "'push_timeout' must be a non-negative number"),
    ({"max_capacity": "x"}, TypeError, "max_capacity must be an integer, not str"),
    ({"config": Config()}, TypeError, "PriorityConfig"),
    ({"unknown": 1}, TypeError, "unknown"),
]


@pytest.mark.parametrize(("settings", "text"), BROKEN, ids=[text for _, text in BROKEN])
def test_every_rule_of_the_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"{re.escape(text)}$") as raised:
        PriorityCircularBuffer(**settings)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, QueueError)
    config = written_down(settings)
    checks: list[Callable[[], object]] = [config.validate, lambda: PriorityCircularBuffer(config)]
    for check in checks:
        with pytest.raises(InvalidConfiguration, match=f"{re.escape(text)}$"):
            check()


def written_down(settings: dict[str, Any]) -> PriorityConfig:
    """The settings as a PriorityConfig, of which nothing is checked yet."""
    config = PriorityConfig()
    for name, value in settings.items():
        if name == "levels":
            config = config.with_priority_levels(value)
        elif name == "max_consecutive":
            config = config.with_max_consecutive_per_priority(value)
        elif name == "level_capacities":
            for priority, items in value.items():
                config = config.with_max_capacity_at_priority(priority, items)
        elif name == "max_wait":
            config = config.with_max_wait(value)
        else:
            config = config.with_base_config(Config(**{name: value}))
    return config


@pytest.mark.parametrize(("settings", "error", "text"), AT_ONCE, ids=[text for *_, text in AT_ONCE])
def test_what_is_no_setting(settings: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        PriorityCircularBuffer(**settings)


def test_what_the_methods_of_the_settings_refuse() -> None:
    config: Any = PriorityConfig()
    calls: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: config.with_priority_levels(-1), InvalidConfiguration),
        (lambda: config.with_priority_levels("3"), TypeError),
        (lambda: config.with_max_consecutive_per_priority(-1), InvalidConfiguration),
        (lambda: config.with_max_consecutive_per_priority(1.5), TypeError),
        (lambda: config.with_max_capacity_at_priority(-1, 1), InvalidConfiguration),
        (lambda: config.with_max_capacity_at_priority(0, "x"), TypeError),
        (lambda: config.max_capacity_at_priority(-1), InvalidConfiguration),
        (lambda: config.max_capacity_at_priority("x"), TypeError),
        (lambda: config.with_max_wait(-1), ValueError),
        (lambda: config.with_max_wait("x"), TypeError),
        (lambda: config.with_base_config(PriorityConfig()), TypeError),
        (lambda: setattr(config, "priority_levels", 4), AttributeError),
    ]
    for call, error in calls:
        with pytest.raises(error):
            call()
    assert config == PriorityConfig()


def test_the_settings_are_values() -> None:
    default = PriorityConfig()
    assert (default.priority_levels, default.fair_queuing, default.max_consecutive_per_priority) == (
        3,
        True,
        10,
    )
    assert (default.max_wait, default.age_statistics, default.base) == (None, False, Config())
    assert default.max_capacity_at_priority(0) is None
    base = Config(max_capacity=10_000)
    config = (
        default.with_priority_levels(5)
        .with_fair_queuing(False)
        .with_max_consecutive_per_priority(20)
        .with_base_config(base)
        .with_max_capacity_at_priority(0, 100)
        .with_max_wait(timedelta(seconds=30))
        .with_age_statistics(True)
    )
    assert (config.priority_levels, config.fair_queuing, config.max_consecutive_per_priority) == (
        5,
        False,
        20,
    )
    assert (config.max_wait, config.age_statistics, config.base) == (30.0, True, base)
    assert [config.max_capacity_at_priority(priority) for priority in (0, 1, 99)] == [100, None, None]
    assert default == PriorityConfig() != config
    assert repr(config) == (
        "PriorityConfig(priority_levels=5, fair_queuing=False, max_consecutive_per_priority=20)"
    )


def test_keywords_go_before_the_settings() -> None:
    config = PriorityConfig().with_priority_levels(5).with_max_capacity_at_priority(4, 1)
    buffer: PriorityCircularBuffer[int] = PriorityCircularBuffer(
        config, levels=2, level_capacities={0: 1}, max_capacity=2048
    )
    assert (buffer.priority_levels, buffer.max_capacity, config.priority_levels) == (2, 2048, 5)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 64])
def test_a_push_goes_to_the_middle(levels: int) -> None:
    buffer: PriorityCircularBuffer[int] = PriorityCircularBuffer(levels=levels)
    buffer.push(1)
    buffer.push_batch([2])
    buffer.sync_q.put(3)
    buffer.sync_q.put_many([4])
    buffer.async_q.put_nowait(5)
    assert buffer.len_at_priority(levels // 2) == len(buffer) == 5


async def test_a_put_of_a_task_goes_to_the_middle() -> None:
    buffer: PriorityCircularBuffer[int] = PriorityCircularBuffer()
    await buffer.aput(1)
    await buffer.aput_many([2])
    await buffer.async_q.put(3)
    assert buffer.len_at_priority(1) == len(buffer) == 3
