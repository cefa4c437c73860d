"""`DynamicCircularBuffer` and `Config` in Python: the names and the behaviour of the Rust crate."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from support import Threads, wait_until_asleep

import elasticq
from elasticq import Config, DynamicCircularBuffer, Empty, Full, MaxCapacityReached, ShutDown, Timeout


def small(largest: int = 4, **settings: float) -> DynamicCircularBuffer[int]:
    """A buffer for few items."""
    return DynamicCircularBuffer(
        Config(initial_capacity=2, min_capacity=2, max_capacity=largest),
        **settings,  # type: ignore[arg-type]
    )


def test_the_first_steps() -> None:
    buffer: DynamicCircularBuffer[int] = DynamicCircularBuffer(Config())
    buffer.push(10)
    buffer.push(20)
    assert len(buffer) == 2
    assert buffer.pop() == 10
    buffer.push_batch([30, 40, 50])
    assert buffer.pop_batch(2) == [20, 30]
    assert list(buffer.iter()) == list(buffer) == [40, 50]
    assert (buffer.peek(), buffer.clear(), buffer.is_empty()) == (40, 2, True)


def test_a_configuration_is_written_down_step_by_step() -> None:
    config = (
        Config()
        .with_initial_capacity(512)
        .with_min_capacity(256)
        .with_max_capacity(8192)
        .with_growth_factor(1.5)
        .with_shrink_threshold(0.3)
        .with_push_timeout(0.5)
        .with_pop_timeout(timedelta(seconds=2))
    )
    config.validate()
    assert (config.initial_capacity, config.min_capacity, config.max_capacity) == (512, 256, 8192)
    assert (config.growth_factor, config.shrink_threshold) == (1.5, 0.3)
    assert (config.push_timeout, config.pop_timeout) == (0.5, 2.0)
    assert config == Config(
        initial_capacity=512,
        min_capacity=256,
        max_capacity=8192,
        growth_factor=1.5,
        shrink_threshold=0.3,
        push_timeout=0.5,
        pop_timeout=2,
    )
    assert config != config.with_min_capacity(1)
    assert "max_capacity=8192" in repr(config)


def test_defaults_are_those_of_the_crate() -> None:
    config = Config()
    assert (config.initial_capacity, config.min_capacity, config.max_capacity) == (1024, 1024, 65536)
    assert (config.growth_factor, config.shrink_threshold) == (2.0, 0.25)
    assert (config.push_timeout, config.pop_timeout) == (None, None)
    buffer: DynamicCircularBuffer[int] = DynamicCircularBuffer()
    assert (buffer.capacity, buffer.max_capacity) == (1024, 65536)


def test_keywords_go_before_the_configuration() -> None:
    buffer: DynamicCircularBuffer[int] = DynamicCircularBuffer(Config(max_capacity=2048), max_capacity=4096)
    assert (buffer.capacity, buffer.max_capacity) == (1024, 4096)


def test_the_thread_safe_name_is_the_same_class() -> None:
    assert elasticq.ThreadSafeDynamicCircularBuffer is DynamicCircularBuffer


def test_it_grows_to_exactly_its_maximum_and_shrinks_back() -> None:
    buffer = small(1000, growth_factor=3.0)
    capacities = []
    for number in range(1000):
        buffer.push(number)
        capacities.append(buffer.capacity)
    assert sorted(set(capacities)) == [2, 6, 18, 54, 162, 486, 1000]
    assert capacities == sorted(capacities)
    with pytest.raises(MaxCapacityReached, match="1000"):
        buffer.push(-1)
    assert [buffer.pop() for _ in range(1000)] == list(range(1000))
    assert buffer.capacity == 2


def test_a_batch_goes_in_whole_or_not_at_all() -> None:
    buffer = small()
    buffer.push(1)
    with pytest.raises(Full) as error:
        buffer.push_batch([2, 3, 4, 5])
    assert not isinstance(error.value, MaxCapacityReached)
    with pytest.raises(MaxCapacityReached):
        buffer.push_batch(range(5))
    assert list(buffer) == [1]
    buffer.push_batch(iter([2, 3, 4]))
    with pytest.raises(MaxCapacityReached):
        buffer.push(5)
    assert buffer.pop_batch(100) == [1, 2, 3, 4]
    assert buffer.stats().messages_refused == 4 + 5 + 1


def test_an_empty_buffer_is_false_and_answers_at_once() -> None:
    buffer = small()
    assert not buffer
    with pytest.raises(Empty):
        buffer.pop()
    assert (buffer.pop_batch(0), buffer.pop_batch(3), buffer.drain()) == ([], [], [])
    buffer.push(1)
    assert buffer


def test_calls_wait_as_long_as_their_timeouts_say() -> None:
    buffer = small(2, push_timeout=0.05, pop_timeout=0.05)
    started = time.perf_counter()
    with pytest.raises(Timeout, match="50ms") as error:
        buffer.pop()
    assert isinstance(error.value, TimeoutError)
    assert buffer.pop_batch(2) == []
    buffer.push_batch([1, 2])
    with pytest.raises(Timeout):
        buffer.push(3)
    with pytest.raises(Timeout):
        buffer.push_batch([3, 4])
    assert time.perf_counter() - started >= 0.2
    assert buffer.drain() == [1, 2]


def test_what_can_never_succeed_does_not_wait() -> None:
    buffer = small(2, push_timeout=600, pop_timeout=600)
    with pytest.raises(MaxCapacityReached):
        buffer.push_batch([1, 2, 3])
    assert buffer.pop_batch(0) == []
    buffer.close()
    with pytest.raises(ShutDown):
        buffer.push(1)
    with pytest.raises(ShutDown):
        buffer.pop()
    with pytest.raises(ShutDown):
        buffer.pop_batch(1)


def test_a_batch_waits_for_room_for_all_of_it(threads: Threads) -> None:
    buffer = small(4, push_timeout=600)
    buffer.push_batch([1, 2, 3])
    pusher = threads.start(buffer.push_batch, [4, 5, 6])
    wait_until_asleep(pusher)
    assert buffer.pop() == 1
    wait_until_asleep(pusher)
    assert list(buffer) == [2, 3]
    assert buffer.pop() == 2
    threads.join()
    assert buffer.drain() == [3, 4, 5, 6]


def test_closing_wakes_those_who_wait_and_leaves_the_items(threads: Threads) -> None:
    full, empty = small(2, push_timeout=600), small(pop_timeout=600)
    full.push_batch([1, 2])

    def refused(call: object, *arguments: object) -> None:
        with pytest.raises(ShutDown):
            call(*arguments)  # type: ignore[operator]

    for waiting in (
        threads.start(refused, full.push, 3),
        threads.start(refused, full.push_batch, [3]),
        threads.start(refused, empty.pop),
        threads.start(refused, empty.pop_batch, 5),
    ):
        wait_until_asleep(waiting)
    full.close()
    empty.close()
    threads.join()
    assert full.is_closed
    assert full.pop_batch(5) == [1, 2]
    with pytest.raises(ShutDown):
        full.pop()


def test_errors_have_the_names_and_the_answers_of_the_crate() -> None:
    assert elasticq.BufferError is elasticq.QueueError
    retriable = {Empty, Full, MaxCapacityReached, Timeout, elasticq.ResizeError}
    capacity = {Full, MaxCapacityReached}
    for error in (*retriable, ShutDown, elasticq.InvalidConfiguration, elasticq.InvalidOperation):
        assert issubclass(error, elasticq.BufferError)
        assert error.is_retriable == (error in retriable)
        assert error.is_capacity_error == (error in capacity)
