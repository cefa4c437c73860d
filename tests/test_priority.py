"""`PriorityCircularBuffer`: which level is served when, how long a level waits, batches, limits, counters."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import small_levels as small

from elasticq import (
    Empty,
    Full,
    MaxCapacityReached,
    PriorityCircularBuffer,
    PriorityConfig,
    ShutDown,
    Timeout,
)

Buffer = PriorityCircularBuffer


def filled(*priorities: int, **settings: Any) -> Buffer[tuple[int, int]]:
    """A buffer with an item for each priority: (priority, number)."""
    buffer: Buffer[tuple[int, int]] = Buffer(**settings)
    for number, priority in enumerate(priorities):
        buffer.push_with_priority((priority, number), priority)
    return buffer


def served(buffer: Buffer[tuple[int, int]]) -> list[int]:
    """The priorities of all items inside, in the order in which pops take them."""
    return [buffer.pop()[0] for _ in range(len(buffer))]


# The order


def test_the_qualities_of_service_of_mqtt() -> None:
    config = (
        PriorityConfig().with_priority_levels(3).with_fair_queuing(True).with_max_consecutive_per_priority(5)
    )
    buffer: Buffer[str] = Buffer(config)
    buffer.push_with_priority("QoS 0 message", 0)
    buffer.push_with_priority("QoS 1 message", 1)
    buffer.push_with_priority("QoS 2 message", 2)
    assert buffer.pop() == "QoS 2 message"
    assert buffer.pop() == "QoS 1 message"
    assert buffer.pop() == "QoS 0 message"


@pytest.mark.parametrize("fair", [True, False])
@pytest.mark.parametrize("levels", [1, 2, 3, 63, 64])
def test_the_higher_are_served_first_and_each_level_in_its_order(levels: int, fair: bool) -> None:
    order = list(range(levels)) * 3
    random.Random(levels).shuffle(order)
    buffer = filled(*order, levels=levels, fair=fair, max_consecutive=1000)
    assert [buffer.pop() for _ in order] == sorted(
        ((priority, number) for number, priority in enumerate(order)), key=lambda item: (-item[0], item[1])
    )


def test_without_fairness_a_lower_level_is_served_only_while_all_higher_ones_are_empty() -> None:
    buffer = filled(0, 1, 2, fair=False, max_consecutive=1)
    for number in range(1000):
        buffer.push_with_priority((2, number), 2)
        assert buffer.pop()[0] == 2
    assert served(buffer) == [2, 1, 0]


def test_lower_levels_have_their_turns_each_time_another_one() -> None:
    buffer = filled(*[2] * 8, *[1] * 4, *[0] * 4, max_consecutive=2)
    assert served(buffer) == [2, 2, 1, 2, 2, 0, 2, 2, 1, 2, 2, 0, 1, 1, 0, 0]


def test_items_that_nobody_waits_behind_are_not_counted() -> None:
    buffer = filled(*[2] * 100, max_consecutive=2)
    assert served(buffer) == [2] * 100
    for priority in (0, 2, 2, 2):
        buffer.push_with_priority((priority, 0), priority)
    assert served(buffer) == [2, 2, 0, 2]


def test_one_item_more_than_the_bound_would_break_it() -> None:
    """If all levels always have items, the lowest waits exactly as long as the bound says."""
    levels, consecutive = 4, 3
    bound = (levels - 1) * (consecutive + 1)
    buffer = filled(*range(levels), levels=levels, max_consecutive=consecutive)
    waits, waited = set(), 0
    for _ in range(20 * bound):
        priority, _ = buffer.pop()
        buffer.push_with_priority((priority, 0), priority)
        waited = 0 if priority == 0 else waited + 1
        waits.add(waited)
    assert max(waits) == bound - 1


@settings(max_examples=1000, deadline=None)
@given(data=st.data(), levels=st.integers(1, 64), consecutive=st.integers(1, 12))
def test_no_level_waits_longer_than_the_bound_whatever_comes(
    data: st.DataObject, levels: int, consecutive: int
) -> None:
    """In any (L - 1) * (m + 1) pops in a row each level that has items is served, in its order."""
    bound = max(1, (levels - 1) * (consecutive + 1))
    buffer: Buffer[tuple[int, int]] = Buffer(levels=levels, max_consecutive=consecutive)
    inside: list[deque[int]] = [deque() for _ in range(levels)]
    waited = [0] * levels
    # Only a few levels are used, so that they fill and empty. Most items are for the highest of them.
    players = sorted(data.draw(st.sets(st.integers(0, levels - 1), min_size=1, max_size=6)))
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    number = 0
    for _ in range(data.draw(st.integers(0, min(1000, 4 * bound)))):
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            priority = max(chance.choices(players, k=chance.randint(1, 3)))
            buffer.push_with_priority((priority, number), priority)
            inside[priority].append(number)
            number += 1
        for priority, took in buffer.pop_batch(chance.choice((0, 1, 1, 1, 3))):
            for level in players:
                waited[level] = waited[level] + 1 if inside[level] and level != priority else 0
            assert inside[priority].popleft() == took
            assert max(waited) < bound


class Model:
    """The rule of the turns, in the simplest code."""

    def __init__(self, levels: int, consecutive: int) -> None:
        self.inside: list[deque[int]] = [deque() for _ in range(levels)]
        self.consecutive = self.left = consecutive
        self.passed: set[int] = set()
        self.last_turn = levels

    def next(self) -> int:
        """The level to take from. It has items."""
        highest, *lower = (level for level in reversed(range(len(self.inside))) if self.inside[level])
        if not lower:
            return highest
        if self.left == 0:
            self.left = self.consecutive
            waiting = [level for level in self.passed if self.inside[level]]
            if waiting:
                self.last_turn = max([level for level in waiting if level < self.last_turn] or waiting)
                return self.last_turn
        self.left -= 1
        self.passed = set(lower)
        return highest


@settings(max_examples=1000, deadline=None)
@given(
    levels=st.integers(1, 7),
    consecutive=st.integers(1, 5),
    seed=st.integers(0, 1 << 32),
)
def test_each_pop_is_that_of_a_model(levels: int, consecutive: int, seed: int) -> None:
    """This holds even among pushes, batches, items taken from one level, and clearing."""
    buffer: Buffer[tuple[int, int]] = Buffer(levels=levels, max_consecutive=consecutive)
    model, chance = Model(levels, consecutive), random.Random(seed)
    for number in range(chance.randrange(120)):
        call, which = chance.choice("pppppttttbfc"), chance.randrange(7)
        level = which % levels
        if call == "p":
            buffer.push_with_priority((level, number), level)
            model.inside[level].append(number)
        elif call == "f" and model.inside[level]:
            assert buffer.pop_from_priority(level) == (level, model.inside[level].popleft())
        elif call == "c":
            assert buffer.clear() == sum(map(len, model.inside))
            for items in model.inside:
                items.clear()
        elif call in "tb":
            count = min(len(buffer), which if call == "b" else 1)
            expected = [(level := model.next(), model.inside[level].popleft()) for _ in range(count)]
            assert (
                buffer.pop_batch(which) if call == "b" else [buffer.pop() for _ in range(count)]
            ) == expected
    assert len(buffer) == sum(map(len, model.inside))


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    levels=st.integers(1, 6),
    consecutive=st.integers(1, 4),
    fair=st.booleans(),
    before=st.integers(0, 12),
)
def test_looking_shows_the_order_of_the_pops_and_batches_follow_it(
    data: st.DataObject, levels: int, consecutive: int, fair: bool, before: int
) -> None:
    """list(buffer), peek, pop_batch, drain, consume and pop: one order, from any state of the turns."""
    pushed = data.draw(st.lists(st.integers(0, levels - 1), max_size=40))
    wait = data.draw(st.sampled_from([None, 1e-9, 1e9]))

    def make() -> Buffer[tuple[int, int]]:
        buffer = filled(*pushed, levels=levels, max_consecutive=consecutive, fair=fair, max_wait=wait)
        buffer.pop_batch(before)
        return buffer

    buffer = make()
    order = list(buffer)
    assert list(buffer.iter()) == order
    for item in order:
        assert buffer.peek() == item
        assert buffer.pop() == item
    assert make().drain() == order
    assert make().pop_batch(100) == order
    pieces = make()
    batches = [pieces.pop_batch(data.draw(st.integers(1, 7))) for _ in order]
    assert [item for batch in batches for item in batch] == order
    consumed = make()
    consumed.close()
    assert list(consumed.consume()) == order


def test_a_snapshot_stays_what_it_is() -> None:
    buffer = filled(0, 1, 2)
    looking = iter(buffer)
    assert next(looking)[0] == 2
    buffer.clear()
    assert [priority for priority, _ in looking] == [1, 0]
    assert list(buffer) == []


def test_taking_from_one_level_takes_its_oldest_and_no_turn() -> None:
    buffer = filled(0, 0, 1, 2, 2, 2, 2, max_consecutive=2)
    assert [buffer.pop_from_priority(2)[1] for _ in range(2)] == [3, 4]
    assert buffer.pop_from_priority(0) == (0, 0)
    assert served(buffer) == [2, 2, 1, 0]


def test_an_empty_level_gives_empty_whatever_is_elsewhere() -> None:
    buffer = filled(0, pop_timeout=600)  # `pop_from_priority` never waits
    for priority in (1, 2):
        with pytest.raises(Empty):
            buffer.pop_from_priority(priority)
    assert buffer.pop_from_priority(0) == (0, 0)
    buffer.close()
    with pytest.raises(ShutDown):
        buffer.pop_from_priority(0)


# Batches


@pytest.mark.parametrize("kind", [list, tuple, iter, deque, dict.fromkeys], ids=lambda kind: kind.__name__)
def test_a_batch_goes_to_its_level_in_order_whatever_it_comes_in(
    kind: Callable[[Iterable[int]], Iterable[int]],
) -> None:
    buffer: Buffer[int] = Buffer()
    buffer.push_batch_with_priority(kind([1, 2]), 0)
    buffer.push_batch(kind([3, 4]))
    buffer.push_batch_with_priority(kind([5]), 2)
    buffer.push_batch_with_priority(kind([]), 2)
    assert [buffer.len_at_priority(priority) for priority in range(3)] == [2, 2, 1]
    assert buffer.pop_batch(10) == [5, 3, 4, 1, 2]
    assert buffer.pop_batch(10) == []
    assert buffer.pop_batch(0) == []


@pytest.mark.parametrize("kind", [list, tuple, iter], ids=lambda kind: kind.__name__)
def test_a_batch_goes_in_whole_or_not_at_all(kind: Callable[[Iterable[int]], Iterable[int]]) -> None:
    buffer = small(5, level_capacities={0: 3})
    buffer.push_batch_with_priority([1, 2], 0)
    refused: list[tuple[type[Full], Callable[[], None]]] = [
        (Full, lambda: buffer.push_batch_with_priority(kind(range(2)), 0)),
        (MaxCapacityReached, lambda: buffer.push_batch_with_priority(kind(range(4)), 0)),
        (Full, lambda: buffer.push_batch(kind(range(4)))),
        (MaxCapacityReached, lambda: buffer.push_batch_with_priority(kind(range(6)), 2)),
    ]
    for error, push in refused:
        with pytest.raises(error) as raised:
            push()
        assert type(raised.value) is error
        assert list(buffer) == [1, 2]
    assert buffer.stats().refused_per_priority == [6, 4, 6]
    buffer.push_batch_with_priority(kind([3, 4, 5]), 2)
    assert list(buffer) == [3, 4, 5, 1, 2]


def test_a_batch_whose_iterable_raises_adds_nothing() -> None:
    def broken() -> Iterable[int]:
        yield 1
        raise LookupError

    buffer: Buffer[int] = Buffer()
    with pytest.raises(LookupError):
        buffer.push_batch_with_priority(broken(), 1)
    assert (len(buffer), buffer.stats().total_pushed) == (0, 0)


# Sizes


def test_lengths_and_capacities() -> None:
    buffer: Buffer[int] = Buffer(initial_capacity=16, min_capacity=16, max_capacity=64)
    assert (len(buffer), buffer.is_empty(), bool(buffer)) == (0, True, False)
    assert (buffer.priority_levels, buffer.capacity, buffer.max_capacity) == (3, 16, 64)
    assert [buffer.capacity_at_priority(priority) for priority in range(3)] == [0, 0, 0]
    buffer.push_batch_with_priority(range(40), 2)
    buffer.push_with_priority(1, 0)
    assert [buffer.len_at_priority(priority) for priority in range(3)] == [1, 0, 40]
    assert (len(buffer), buffer.capacity, bool(buffer)) == (41, 64, True)
    assert buffer.capacity_at_priority(2) >= 40
    assert buffer.capacity_at_priority(1) == 0
    assert buffer.clear() == 41
    assert (len(buffer), buffer.capacity) == (0, 16)


def test_the_limit_holds_for_all_levels_together() -> None:
    buffer = small(3)
    for priority in range(3):
        buffer.push_with_priority(priority, priority)
    for priority in range(3):
        with pytest.raises(MaxCapacityReached):
            buffer.push_with_priority("more", priority)
    buffer.pop_from_priority(0)
    buffer.push_with_priority("more", 2)
    assert buffer.drain() == [2, "more", 1]


def test_a_full_level_refuses_and_keeps_no_other_from_going_on() -> None:
    buffer = small(10, level_capacities={0: 2, 1: 3})
    buffer.push_batch_with_priority("ab", 0)
    with pytest.raises(MaxCapacityReached):
        buffer.push_with_priority("c", 0)
    buffer.push_batch("abc")
    with pytest.raises(MaxCapacityReached):
        buffer.push("d")
    buffer.push_batch_with_priority("vwxyz", 2)
    assert len(buffer) == 10
    buffer.pop_from_priority(0)
    buffer.push_with_priority("c", 0)
    assert buffer.stats().len_per_priority == [2, 3, 5]
    assert buffer.stats().refused_per_priority == [1, 1, 0]


# Time


def test_timeouts_of_the_plain_calls() -> None:
    buffer = small(2, push_timeout=0.001, pop_timeout=timedelta(milliseconds=1), level_capacities={0: 1})
    with pytest.raises(Timeout):
        buffer.pop()
    assert buffer.pop_batch(3) == []
    buffer.push_with_priority("a", 0)
    with pytest.raises(Timeout):
        buffer.push_with_priority("b", 0)
    buffer.push("c")
    full: list[Callable[[], object]] = [
        lambda: buffer.push("d"),
        lambda: buffer.push_with_priority("d", 2),
        lambda: buffer.push_batch(["d"]),
        lambda: buffer.push_batch_with_priority(["d"], 2),
    ]
    for call in full:
        with pytest.raises(Timeout) as raised:
            call()
        assert isinstance(raised.value, TimeoutError)
    assert list(buffer) == ["c", "a"]
    assert buffer.stats().refused_per_priority == [1, 2, 2]


def test_a_batch_that_never_fits_is_refused_at_once() -> None:
    buffer = small(4, push_timeout=600, level_capacities={0: 2})
    for priority, count in ((0, 3), (2, 5)):
        with pytest.raises(MaxCapacityReached):
            buffer.push_batch_with_priority(range(count), priority)


@pytest.mark.parametrize("fair", [True, False])
def test_what_has_waited_too_long_goes_first(fair: bool) -> None:
    """A nanosecond is over before the next call, so the items go in the order in which they came."""
    buffer = filled(0, 2, 1, 2, 0, fair=fair, max_wait=1e-9)
    assert [number for _, number in buffer] == [0, 1, 2, 3, 4]
    assert buffer.pop_batch(2) == [(0, 0), (2, 1)]
    assert [buffer.pop()[1] for _ in range(3)] == [2, 3, 4]


@pytest.mark.parametrize("wait", [timedelta(days=1), 10**9, 1e300, float("inf")])
def test_until_then_priorities_alone_decide(wait: Any) -> None:
    assert served(filled(0, 2, 1, 2, 0, max_wait=wait)) == [2, 2, 1, 0, 0]


def test_statistics_of_age() -> None:
    assert filled(0).stats().oldest_per_priority == []
    buffer: Buffer[str] = Buffer(age_statistics=True)
    assert buffer.stats().oldest_per_priority == [None, None, None]
    before = time.perf_counter()
    buffer.push_with_priority("old", 0)
    buffer.push_with_priority("new", 0)
    first, second = buffer.stats().oldest_per_priority, buffer.stats().oldest_per_priority
    assert first[1:] == second[1:] == [None, None]
    assert first[0] is not None
    assert second[0] is not None
    assert 0 <= first[0] <= second[0] <= time.perf_counter() - before
    assert [buffer.pop(), buffer.pop()] == ["old", "new"]
    assert buffer.stats().oldest_per_priority == [None, None, None]


# Statistics


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 1 << 32), levels=st.integers(1, 5), limit=st.integers(1, 8))
def test_the_counters_agree_with_a_ledger(seed: int, levels: int, limit: int) -> None:
    chance = random.Random(seed)
    buffer = small(20, levels=levels, level_capacities={0: limit})
    pushed, popped, dropped, refused = ([0] * levels for _ in range(4))

    def take(items: Iterable[int]) -> None:
        for priority in items:
            popped[priority] += 1

    for _ in range(100):
        priority = chance.choice((levels // 2, chance.randrange(levels)))
        count = chance.choice((1, 1, chance.randrange(6)))
        counts = pushed
        try:
            if count > 1:
                buffer.push_batch_with_priority([priority] * count, priority)
            elif count == 1 and priority == levels // 2:
                buffer.push(priority)
            elif count == 1:
                buffer.push_with_priority(priority, priority)
        except Full:
            counts = refused
        counts[priority] += count
        what = chance.randrange(20)
        if what == 0:
            take(buffer.drain())
        elif what == 1:
            left = buffer.stats().len_per_priority
            assert buffer.clear() == sum(left)
            dropped = [before + gone for before, gone in zip(dropped, left, strict=True)]
        elif what < 8:
            take(buffer.pop_batch(chance.randrange(4)))
        elif what < 12 and buffer.len_at_priority(priority):
            take([buffer.pop_from_priority(priority)])
        elif buffer:
            take([buffer.pop()])
        stats = buffer.stats()
        assert (stats.pushed_per_priority, stats.popped_per_priority) == (pushed, popped)
        assert (stats.dropped_per_priority, stats.refused_per_priority) == (dropped, refused)
        inside = [came - went - gone for came, went, gone in zip(pushed, popped, dropped, strict=True)]
        assert stats.len_per_priority == inside
        assert stats.len_per_priority == [buffer.len_at_priority(level) for level in range(levels)]
        totals = (stats.total_pushed, stats.total_popped, stats.total_dropped, stats.total_refused)
        assert totals == (sum(pushed), sum(popped), sum(dropped), sum(refused))
        assert len(buffer) == sum(stats.len_per_priority)


def test_statistics_are_values() -> None:
    buffer = filled(0, 2)
    assert buffer.stats() == buffer.stats()
    before = buffer.stats()
    buffer.pop()
    assert buffer.stats() != before
    assert "popped_per_priority=[0, 0, 1]" in repr(buffer.stats())
