"""What a queue says of itself at a prompt and in an exception is true, useful, and in the caller's words."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from kinds import BOUNDED, CHANNEL, DROP_IN, KINDS, LOCK_FREE, PLAIN, VIEWS, Kind, by_name
from support import Threads, settle, wait_until, wait_until_asleep

import elasticq
from elasticq import Queue

each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
each_bounded = pytest.mark.parametrize("kind", BOUNDED, ids=lambda kind: kind.name)


class Secret:
    def __repr__(self) -> str:
        pytest.fail("an item was shown")


@each
def test_it_says_how_many_items_are_inside_and_shows_none(kind: Kind) -> None:
    queue = kind.make()
    assert repr(queue).startswith(f"<elasticq.{kind.cls.__name__} 0 items")
    queue._offer(Secret())
    assert repr(queue).startswith(f"<elasticq.{kind.cls.__name__} 1 item")
    assert str(queue) == repr(queue)


@each_bounded
def test_it_says_its_limit(kind: Kind) -> None:
    said = re.findall(r"(max\w+)=(\d+)", repr(kind.make(7)))
    words = {"Weighted": "max_weight"}.get(
        kind.name, "maxsize" if issubclass(kind.cls, Queue) else "max_capacity"
    )
    if kind.name == "Limited levels":  # each level has a limit of its own
        assert said == [("max_capacity", "65536")]
    else:
        assert said == [(words, "7")]


def test_without_a_limit_it_names_none() -> None:
    assert repr(Queue()) == "<elasticq.Queue 0 items>"


def test_all_at_once() -> None:
    q: Queue[int] = Queue(3, overflow="drop_oldest")
    q.put_many([1, 2])
    q.shutdown()
    assert repr(q) == "<elasticq.Queue 2 items, maxsize=3, overflow='drop_oldest', shut down>"


@each
def test_it_says_that_it_was_closed(kind: Kind) -> None:
    queue = kind.make()
    queue.close()
    assert ("shut down>" if issubclass(kind.cls, Queue | elasticq.SimpleQueue) else "closed>") in repr(queue)


@each
def test_it_says_how_many_threads_wait_to_get(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    wait_until_asleep(threads.start(kind.get, queue))
    wait_until(lambda: repr(queue).endswith(", 1 waiting to get>"), "the queue says who waits")
    kind.put(queue, "item")
    threads.join()
    assert "waiting" not in repr(queue)


@each_bounded
def test_it_says_how_many_threads_wait_to_put(kind: Kind, threads: Threads) -> None:
    queue = kind.make(1)
    kind.put(queue, "old")
    wait_until_asleep(threads.start(kind.put, queue, "new"))
    wait_until(lambda: repr(queue).endswith(", 1 waiting to put>"), "the queue says who waits")
    assert kind.get(queue) == "old"
    threads.join()


def test_it_says_how_many_tasks_wait() -> None:
    async def main() -> None:
        q: Queue[int] = Queue(1)
        getters = [asyncio.create_task(q.aget()) for _ in range(2)]
        await settle()
        assert repr(q) == "<elasticq.Queue 0 items, maxsize=1, 2 waiting to get>"
        q.put(1)
        q.shutdown()
        await asyncio.gather(*getters, return_exceptions=True)
        assert repr(q) == "<elasticq.Queue 0 items, maxsize=1, shut down>"

    asyncio.run(main())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.standard], ids=lambda kind: kind.name)
def test_it_waits_for_no_lock(kind: Kind, threads: Threads) -> None:
    """A debugger stops a thread wherever it is."""
    queue = kind.make(5)
    queue.put("item")
    shown: list[str] = []
    with queue.mutex:
        threads.start(lambda: shown.append(repr(queue)))
        threads.join()
    assert shown == [f"<elasticq.{kind.cls.__name__} busy>"]


def test_a_subclass_is_called_by_its_own_name() -> None:
    class Mine(Queue[int]):
        pass

    assert repr(Mine()) == f"<{__name__}.{Mine.__qualname__} 0 items>"


@pytest.mark.parametrize("kind", VIEWS, ids=lambda kind: kind.name)
def test_a_view_shows_the_queue_behind_it(kind: Kind) -> None:
    view = kind.make()
    assert repr(view).startswith(f"<elasticq.{type(view).__name__} of <elasticq.")
    assert f"<elasticq.{kind.cls.__name__} 0 items" in repr(view)


TOO_MUCH = {
    "Queue": "the queue is full: maxsize = 1",
    "LockFree": "the queue is full: max_capacity = 1",
    "Channel": "the channel is full: max_capacity = 1",
    "Buffer": "the buffer has reached its max_capacity of 1 items",
}


@pytest.mark.parametrize("kind", [*PLAIN, by_name("Moved")], ids=lambda kind: kind.name)
def test_an_exception_speaks_of_the_queue_and_its_limit_as_the_caller_does(kind: Kind) -> None:
    families = [(DROP_IN, "Queue"), (LOCK_FREE, "LockFree"), (CHANNEL, "Channel")]
    family = next((family for calls, family in families if kind.calls is calls), "Buffer")
    noun = {"Buffer": "buffer", "Channel": "channel"}.get(family, "queue")
    ended = "was shut down" if family == "Queue" else "is closed"
    queue = kind.make(1, None)
    now: dict[str, Any] = {"block": False} if kind.calls.take_timeouts else {}
    if family == "Channel":
        now = {"timeout": 0}
    with pytest.raises(elasticq.Empty, match=f"^the {noun} is empty$"):
        kind.get(queue, **now)
    if kind.bounded:
        kind.put(queue, "item")
        with pytest.raises(elasticq.Full, match=f"^{TOO_MUCH[family]}$"):
            kind.put(queue, "item", **now)
        kind.get(queue)
    queue.close()
    with pytest.raises(elasticq.ShutDown, match=f"^the {noun} {ended}$"):
        kind.get(queue)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in BOUNDED if kind.calls is DROP_IN and kind.name != "Weighted"],
    ids=lambda kind: kind.name,
)
def test_a_batch_that_waits_in_vain_at_a_full_queue_is_told_of_the_limit(kind: Kind) -> None:
    queue = kind.make(1)
    queue.put("i")
    with pytest.raises(elasticq.MaxCapacityReached, match="maxsize = 1"):
        queue.put_many(["j", "k"], timeout=0)
