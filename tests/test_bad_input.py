"""Bad input: the error names field, value and rule, and a working queue stays as it was."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from support import linux_only, python

from elasticq import (
    Config,
    DynamicCircularBuffer,
    InvalidConfiguration,
    LockFreeMPMCQueue,
    LockFreeMPSCQueue,
    LockFreeSPSCQueue,
    PriorityCircularBuffer,
    Queue,
    QueueError,
)

AT_LEAST_1 = "must be at least 1"
ABOVE_1 = "must be a finite number above 1.0"
SHARE = "must be above 0.0 and below 1.0"
AT_MOST = f"must be at most {2**64 - 1}"

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"min_capacity": 0}, f"min_capacity = 0: {AT_LEAST_1}"),
    ({"max_capacity": 0}, f"max_capacity = 0: {AT_LEAST_1}"),
    ({"initial_capacity": 0}, f"initial_capacity = 0: {AT_LEAST_1}"),
    ({"min_capacity": 70_000}, "min_capacity = 70000: must be at most max_capacity = 65536"),
    ({"max_capacity": 1023}, "min_capacity = 1024: must be at most max_capacity = 1023"),
    (
        {"initial_capacity": 1023},
        "initial_capacity = 1023: must be from min_capacity = 1024 to max_capacity = 65536",
    ),
    (
        {"initial_capacity": 65_537},
        "initial_capacity = 65537: must be from min_capacity = 1024 to max_capacity = 65536",
    ),
    ({"growth_factor": 1.0}, f"growth_factor = 1: {ABOVE_1}"),
    ({"growth_factor": 0}, f"growth_factor = 0: {ABOVE_1}"),
    ({"growth_factor": -2.0}, f"growth_factor = -2: {ABOVE_1}"),
    ({"growth_factor": math.nan}, f"growth_factor = NaN: {ABOVE_1}"),
    ({"growth_factor": math.inf}, f"growth_factor = inf: {ABOVE_1}"),
    ({"growth_factor": -math.inf}, f"growth_factor = -inf: {ABOVE_1}"),
    ({"growth_factor": 10**400}, f"growth_factor = inf: {ABOVE_1}"),
    ({"shrink_threshold": 0.0}, f"shrink_threshold = 0: {SHARE}"),
    ({"shrink_threshold": 1}, f"shrink_threshold = 1: {SHARE}"),
    ({"shrink_threshold": -0.5}, f"shrink_threshold = -0.5: {SHARE}"),
    ({"shrink_threshold": math.nan}, f"shrink_threshold = NaN: {SHARE}"),
    ({"shrink_threshold": math.inf}, f"shrink_threshold = inf: {SHARE}"),
]
OUT_OF_RANGE: list[tuple[str, int, str]] = [
    (field, value, f"{field} = {value}: {rule}")
    for field in ("initial_capacity", "min_capacity", "max_capacity")
    for value, rule in [(-1, AT_LEAST_1), (-(10**30), AT_LEAST_1), (2**64, AT_MOST), (10**30, AT_MOST)]
]
QUEUE_FIELDS = {"initial_capacity", "min_capacity", "growth_factor", "shrink_threshold"}
SIZES = {*QUEUE_FIELDS, "max_capacity"}
FIELDS = {*SIZES, "push_timeout", "pop_timeout"}
# What each class knows of them, and the function that reads it.
KNOWN: list[tuple[type[Any], set[str], str]] = [
    (Config, FIELDS, "__new__"),
    (DynamicCircularBuffer, FIELDS, "__init__"),
    (PriorityCircularBuffer, FIELDS, "__init__"),
    (LockFreeMPSCQueue, SIZES, "__init__"),
    (LockFreeMPMCQueue, SIZES, "__init__"),
    (LockFreeSPSCQueue, SIZES, "__init__"),
    (Queue, QUEUE_FIELDS, "__init__"),
]


@pytest.mark.parametrize(("settings", "text"), BROKEN, ids=[text for _, text in BROKEN])
def test_every_rule_of_the_configuration(settings: dict[str, Any], text: str) -> None:
    config = Config(**settings)  # nothing is checked yet
    makers: list[Callable[[], object]] = [
        config.validate,
        lambda: DynamicCircularBuffer(config),
        lambda: DynamicCircularBuffer(**settings),
    ]
    for make in makers:
        with pytest.raises(InvalidConfiguration, match=f"{re.escape(text)}$") as error:
            make()
        assert isinstance(error.value, ValueError)
        assert isinstance(error.value, QueueError)


@pytest.mark.parametrize(("made", "known", "function"), KNOWN, ids=[made.__name__ for made, *_ in KNOWN])
@pytest.mark.parametrize("field", [*sorted(FIELDS), "capacity"])
def test_a_class_refuses_settings_that_it_does_not_know(
    made: type[Any], known: set[str], function: str, field: str
) -> None:
    """Each class knows some of the settings, None means the usual value, and any other name is refused."""
    if field in known:
        made(**{field: None})
        with pytest.raises((TypeError, ValueError), match=field):
            made(**{field: "a few"})
    else:
        text = f"{made.__name__}.{function}() got an unexpected keyword argument '{field}'"
        with pytest.raises(TypeError, match=re.escape(text)):
            made(**{field: None})


@pytest.mark.parametrize(("field", "value", "text"), OUT_OF_RANGE, ids=[text for _, _, text in OUT_OF_RANGE])
def test_capacities_out_of_range(field: str, value: int, text: str) -> None:
    settings: dict[str, Any] = {field: value}
    makes: list[Callable[[], object]] = [
        lambda: Config(**settings),
        lambda: getattr(Config(), f"with_{field}")(value),
        lambda: DynamicCircularBuffer(**settings),
    ]
    if field in QUEUE_FIELDS:
        makes.append(lambda: Queue(**settings))
    for make in makes:
        with pytest.raises(InvalidConfiguration, match=f"{re.escape(text)}$"):
            make()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"initial_capacity": 0}, f"initial_capacity = 0: {AT_LEAST_1}"),
        ({"min_capacity": 0}, f"min_capacity = 0: {AT_LEAST_1}"),
        ({"maxsize": 5, "min_capacity": 6}, "min_capacity = 6: must be at most max_capacity = 5"),
        ({"maxsize": 5, "initial_capacity": 6}, "initial_capacity = 6: must be from min_capacity = 5"),
        ({"growth_factor": math.nan}, f"growth_factor = NaN: {ABOVE_1}"),
        ({"shrink_threshold": math.nan}, f"shrink_threshold = NaN: {SHARE}"),
    ],
)
def test_the_queue_obeys_the_same_rules(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(text)):
        Queue(**settings)


@pytest.mark.parametrize("value", ["1", 1.0, 2.5, (), object(), 1j, math.nan])
@pytest.mark.parametrize("field", ["initial_capacity", "min_capacity", "max_capacity", "maxsize"])
def test_capacities_that_are_no_integers(field: str, value: Any) -> None:
    settings = {field: value}
    make: Callable[..., object] = Queue if field == "maxsize" else DynamicCircularBuffer
    if field == "maxsize" and isinstance(value, float):
        assert isinstance(make(**settings), Queue)  # as in the standard library
        return
    with pytest.raises(TypeError, match=f"{field} must be an integer, not {type(value).__name__}"):
        make(**settings)


@pytest.mark.parametrize("value", ["1", (), object(), 1j])
@pytest.mark.parametrize("field", ["growth_factor", "shrink_threshold"])
def test_factors_that_are_no_numbers(field: str, value: Any) -> None:
    settings = {field: value}
    with pytest.raises(TypeError, match=f"{field} must be a real number, not {type(value).__name__}"):
        DynamicCircularBuffer(**settings)


@pytest.mark.parametrize("field", ["push_timeout", "pop_timeout"])
def test_timeouts_of_a_configuration(field: str) -> None:
    for value, shown in [(-1, "-1"), (-math.inf, "-inf"), (math.nan, "NaN"), (-(10**400), "-inf")]:
        settings: dict[str, Any] = {field: value}
        with pytest.raises(ValueError, match=f"'{field}' must be a non-negative number, not {shown}$"):
            Config(**settings)
    for wrong in ("1", (), object()):
        with pytest.raises(TypeError, match=f"'{field}' must be a number of seconds"):
            getattr(Config(), f"with_{field}")(wrong)


@pytest.mark.parametrize("capacity", [2**45, 2**60, 2**63, 2**64 - 1])
def test_a_capacity_that_cannot_be_allocated(capacity: int) -> None:
    text = (
        f"initial_capacity = {capacity}: must be small enough for its slots of 8 bytes each to be allocated"
    )
    with pytest.raises(InvalidConfiguration, match=text):
        Queue(initial_capacity=capacity)
    with pytest.raises(InvalidConfiguration, match=text):
        DynamicCircularBuffer(initial_capacity=capacity, max_capacity=2**64 - 1)


def test_a_growth_step_that_cannot_be_allocated_falls_back_to_what_is_needed() -> None:
    q: Queue[int] = Queue(growth_factor=1e300)
    q.put_many(range(64))
    for n in range(64, 70):
        q.put(n)
        assert q.capacity == n + 1
    q.put_many(range(70, 1000))
    assert q.drain() == list(range(1000))


@linux_only("/proc, and a limit of memory that holds")
def test_running_out_of_memory_is_an_error_and_no_abort() -> None:
    output = python(
        """
    import resource
    from elasticq import Queue, ResizeError

    q = Queue()
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20), resource.RLIM_INFINITY))
    count = 0
    try:
        while True:
            q.put(None)
            count += 1
    except ResizeError as error:
        print(type(error).__name__)
    assert len(q) == count == q.capacity
    for _ in range(count):
        q.get()
    assert q.capacity == 64
    q.put_many(range(1000))
    assert q.drain() == list(range(1000))
    """
    )
    assert output == "ResizeError\n"


def test_bad_calls_leave_a_working_queue_as_it_was() -> None:
    q: Queue[Any] = Queue(4)
    q.put_many([1, 2, 3])
    before = q.stats()
    bad: list[Callable[[], object]] = [
        lambda: q.put(4, timeout=-1),
        lambda: q.put(4, timeout=math.nan),
        lambda: q.put(4, timeout="soon"),  # type: ignore[arg-type]
        lambda: q.put(block=True),  # type: ignore[call-arg]
        lambda: q.put(4, True, None, 5),  # type: ignore[call-arg]
        lambda: q.put(4, tiemout=5),  # type: ignore[call-arg]
        lambda: q.put_many(5),  # type: ignore[arg-type]
        lambda: q.put_many([4], timeout=-1),
        lambda: q.get(timeout=-1),
        lambda: q.get_many(0),
        lambda: q.get_many(-1),
        lambda: q.get_many(-(10**30)),
        lambda: q.get_many(1.5),  # type: ignore[arg-type]
        lambda: q.get_many("1"),  # type: ignore[arg-type]
        lambda: q.get_many(1, timeout=-1),
    ]
    for call in bad:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert q.stats() == before
    assert q.drain() == [1, 2, 3]


@pytest.mark.parametrize("count", [-1, -(10**30)])
def test_a_negative_count_is_named(count: int) -> None:
    with pytest.raises(ValueError, match=f"'n' must be at least 1, not {count}"):
        Queue[int]().get_many(count)
    with pytest.raises(ValueError, match=f"'max_items' must be at least 0, not {count}"):
        DynamicCircularBuffer[int]().pop_batch(count)
