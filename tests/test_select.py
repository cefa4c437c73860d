"""`select`: a thread waits for several queues at once, of all kinds in any mixture."""

from __future__ import annotations

import asyncio
import os
import queue as standard
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kinds import ALL, IN_FILES, KINDS, VIEWS, Kind
from support import (
    PATIENCE,
    Message,
    Threads,
    check_for_leaks,
    moved,
    unix_only,
    wait_until_asleep,
)

import elasticq
from elasticq import Empty, Queue, ShutDown, SimpleQueue, select

each = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
each_in_memory = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def shut_down(queue: Any) -> None:
    """Refuses items from now on, by whatever name."""
    (getattr(queue, "shutdown", None) or queue.close)()


@each
def test_the_item_of_whichever_queue_has_one_is_taken(kind: Kind) -> None:
    queues = [kind.make() for _ in range(3)]
    for chosen in (1, 0, 2):
        kind.put(queues[chosen], chosen)
        queue, item = select(queues)
        assert queue is queues[chosen]
        assert item == chosen
    assert [len(queue) for queue in queues] == [0, 0, 0]


@each
def test_a_thread_that_waits_is_woken_by_any_of_its_queues(kind: Kind) -> None:
    queues = [SimpleQueue[int](), kind.make(), kind.make()]
    for chosen in (2, 1, 0):
        threads = Threads()
        found: list[Any] = []
        waiting = threads.start(lambda: found.extend(select(queues, PATIENCE)))  # noqa: B023
        wait_until_asleep(waiting)
        if chosen == 0:
            queues[0].put(7)
        else:
            kind.put(queues[chosen], 7)
        threads.join()
        assert found[0] is queues[chosen]
        assert found[1] == 7


@each
def test_exactly_one_item_is_taken(kind: Kind) -> None:
    queues = [kind.make(), kind.make()]
    for queue in queues:
        kind.put(queue, 1)
        kind.put(queue, 2)
    queue, item = select(queues)
    assert item in (1, 2)
    assert sum(len(other) for other in queues) == 3
    assert len(queue) == 1


@pytest.mark.parametrize("kind", VIEWS, ids=lambda kind: kind.name)
def test_a_view_stands_for_its_queue_and_is_what_is_given_back(kind: Kind) -> None:
    view, other = kind.make(), Queue[int]()
    view.put_nowait(1)
    queue, item = select([other, view])
    assert queue is view
    assert item == 1


def test_queues_of_all_kinds_may_be_mixed() -> None:
    queues = [kind.make() for kind in ALL]
    numbers = list(range(len(queues)))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        ALL[number].put(queues[number], number)
    taken = dict(select(tuple(queues)) for _ in numbers)
    assert taken == dict(zip(queues, range(len(queues)), strict=True))
    with pytest.raises(Empty):
        select(iter(queues), timeout=0)


def test_busy_queues_take_turns() -> None:
    queues = [Queue[int]() for _ in range(5)]
    for queue in queues[1:4]:
        queue.put_many(range(1000))
    counts = Counter(queues.index(select(queues)[0]) for _ in range(600))
    assert set(counts) == {1, 2, 3}
    assert (
        min(counts.values()) >= 100
    )  # each has its turns, though the first also has those of the empty ones


def test_no_pattern_of_calls_lets_a_busy_queue_wait() -> None:
    first, second = [[Queue[int]() for _ in range(2)] for _ in range(2)]
    for queue in first + second:
        queue.put_many(range(1000))
    for _ in range(200):
        select(first)
        select(second)
    assert all(len(queue) > 300 for queue in first + second)
    assert all(len(queue) < 1000 - 50 for queue in first + second)


def test_in_order_the_first_that_has_an_item_gives_it() -> None:
    control, work = Queue[str](), Queue[str]()
    work.put_many(["a", "b"])
    control.put("stop")
    assert select([control, work], ordered=True) == (control, "stop")
    assert select([control, work], ordered=True) == (work, "a")
    control.put("stop")
    assert select([work, control], ordered=True) == (work, "b")
    assert select([work, control], ordered=True) == (control, "stop")


@each
def test_queues_that_are_shut_down_are_passed_over_until_all_are(kind: Kind) -> None:
    ended, open_ = kind.make(), kind.make()
    kind.put(ended, 1)
    shut_down(ended)
    assert select([ended, open_])[1] == 1
    with pytest.raises(Empty):
        select([ended, open_], timeout=0)
    kind.put(open_, 2)
    assert select([ended, open_])[1] == 2
    shut_down(open_)
    with pytest.raises(ShutDown, match="all of the queues were shut down"):
        select([ended, open_])


@each
def test_a_thread_that_waits_is_told_when_the_last_queue_is_shut_down(kind: Kind) -> None:
    queues = [kind.make(), kind.make()]
    threads = Threads()
    ended: list[ShutDown] = []

    def wait() -> None:
        with pytest.raises(ShutDown) as raised:
            select(queues)
        ended.append(raised.value)

    waiting = threads.start(wait)
    wait_until_asleep(waiting)
    shut_down(queues[0])
    wait_until_asleep(waiting)
    assert not ended
    shut_down(queues[1])
    threads.join()
    assert len(ended) == 1


def test_one_item_wakes_one_of_those_that_select() -> None:
    a, b = Queue[int](), Queue[int]()
    threads = Threads()
    found: list[int] = []
    waiting = [threads.start(lambda: found.append(select([a, b])[1])) for _ in range(4)]
    for thread in waiting:
        wait_until_asleep(thread)
    for number in range(4):
        (a if number % 2 else b).put(number)
    threads.join()
    assert sorted(found) == [0, 1, 2, 3]


@each_in_memory
def test_no_item_waits_while_a_thread_waits_for_it(kind: Kind) -> None:
    """Each wake-up that comes to a thread that takes from another queue goes on to the next."""
    queues = [kind.make() for _ in range(3)]
    threads = Threads()
    rounds, takers = 200, 3
    arrived = SimpleQueue[int]()

    def take() -> None:
        while (item := select(queues)[1]) >= 0:
            arrived.put(item)

    one_taker = kind.name in ("LockFreeMPSCQueue", "LockFreeSPSCQueue")
    for _ in range(1 if one_taker else takers):
        threads.start(take)
    for number in range(rounds):
        # As many as there are takers, all at once: none may be left behind.
        for index, queue in enumerate(queues):
            kind.put(queue, 3 * number + index)
        assert sorted(arrived.get(timeout=PATIENCE) for _ in queues) == [3 * number + i for i in range(3)]
    for _ in range(1 if one_taker else takers):
        kind.put(queues[0], -1)
    threads.join()


def test_what_a_thread_is_woken_for_and_leaves_goes_to_the_next() -> None:
    a, b = Queue[int](), Queue[int]()
    for _ in range(100):
        threads = Threads()
        found: list[Queue[int]] = []
        got: list[int] = []
        selecting = threads.start(lambda: found.append(select([b, a], ordered=True)[0]))  # noqa: B023
        wait_until_asleep(selecting)
        wait_until_asleep(threads.start(lambda: got.append(a.get(timeout=PATIENCE))))  # noqa: B023
        a.put(1)  # wakes the thread that selects, which was first
        b.put(2)  # mostly it takes this one
        selecting.join(PATIENCE)
        if found == [a]:
            a.put(1)
        threads.join()
        assert got == [1]
        b.drain()


@pytest.mark.parametrize("cls", [Queue, elasticq.LifoQueue, elasticq.PriorityQueue])
def test_a_queue_that_has_moved_wakes_those_that_select(cls: Any) -> None:
    mine, other = moved(cls()), Queue[int]()
    threads = Threads()
    found: list[Any] = []
    waiting = [threads.start(lambda: found.append(select([other, mine]))) for _ in range(3)]
    for thread in waiting:
        wait_until_asleep(thread)
    mine.put_many([1, 2])
    mine.put(3)
    threads.join()
    assert sorted(item for _, item in found) == [1, 2, 3]


def test_a_queue_may_move_while_a_thread_waits() -> None:
    mine, other = Queue[int](), Queue[int]()
    threads = Threads()
    found: list[Any] = []
    waiting = threads.start(lambda: found.append(select([other, mine])))
    wait_until_asleep(waiting)
    moved(mine)
    wait_until_asleep(waiting)
    mine.put(1)
    threads.join()
    assert found == [(mine, 1)]


def test_a_queue_whose_move_failed_wakes_those_that_select(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would serve it is there then, and does not serve it."""

    class Unlucky(Queue[int]):
        pass

    def fail(*_: object) -> None:
        raise LookupError("no container")

    mine, other = Unlucky(), Queue[int]()
    monkeypatch.setattr(Unlucky, "_init", fail, raising=False)
    with pytest.raises(LookupError, match="no container"):
        moved(mine)
    threads = Threads()
    found: list[Any] = []
    wait_until_asleep(threads.start(lambda: found.append(select([other, mine]))))
    mine.put(1)
    threads.join()
    assert found == [(mine, 1)]


def test_a_queue_may_move_at_any_moment_of_a_call() -> None:
    threads = Threads()
    begin, found = SimpleQueue[Any](), SimpleQueue[Any]()

    def take() -> None:
        while queues := begin.get():
            found.put(select(queues))

    threads.start(take)
    for number in range(2000):
        mine, other = Queue[int](), Queue[int]()
        begin.put([other, mine])
        for _ in range(number % 50):
            pass
        moved(mine)
        mine.put(number)
        assert found.get(timeout=PATIENCE) == (mine, number)
    begin.put(None)
    threads.join()


@each
def test_the_main_thread_is_woken_by_any_of_its_queues(kind: Kind) -> None:
    """It sleeps in another way than other threads, so that a signal can end its sleep."""
    queues = [SimpleQueue[int](), kind.make(), kind.make()]
    for chosen in (2, 1):
        threads = Threads()

        def put() -> None:
            wait_until_asleep(threading.main_thread())
            kind.put(queues[chosen], 7)  # noqa: B023

        threads.start(put)
        assert select(queues, PATIENCE) == (queues[chosen], 7)
        threads.join()


def test_the_get_of_a_subclass_is_what_takes() -> None:
    class Doubling(Queue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            return 2 * super().get(block, timeout)

    mine, other = Doubling(), Queue[int]()
    mine.put(4)
    assert select([other, mine]) == (mine, 8)
    with pytest.raises(Empty):
        select([other, mine], 0)
    threads = Threads()
    found: list[Any] = []
    waiting = threads.start(lambda: found.append(select([other, mine])))
    wait_until_asleep(waiting)
    mine.put(5)
    threads.join()
    assert found == [(mine, 10)]
    mine.shutdown()
    other.shutdown()
    with pytest.raises(ShutDown):
        select([mine, other])


def test_a_list_may_change_while_it_is_searched() -> None:
    class Shrinking(Queue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            queues.pop()
            raise Empty

    other = Queue[int]()
    other.put(1)
    queues: list[Queue[int]] = [Shrinking(), other]
    assert select(queues, 0, ordered=True) == (other, 1)
    assert len(queues) == 1


def test_what_a_list_loses_while_it_is_searched_keeps_its_item() -> None:
    class Shrinking(Queue[int]):
        def _qsize(self) -> int:
            del queues[1:]
            return 0

    other = Queue[int]()
    other.put(1)
    queues: list[Queue[int]] = [Shrinking(), other]
    with pytest.raises(Empty):
        select(queues, 0, ordered=True)
    assert (len(queues), len(other)) == (1, 1)


def test_what_the_hook_of_a_queue_raises_is_raised_if_no_other_has_an_item() -> None:
    class Broken(Queue[int]):
        def _qsize(self) -> int:
            raise OSError("broken")

    mine, other = Broken(), Queue[int]()
    other.put(1)
    assert select([mine, other], ordered=True) == (other, 1)
    with pytest.raises(OSError, match="broken"):
        select((mine, other), 0)


def test_what_a_queue_fails_with_is_raised_if_no_other_has_an_item() -> None:
    class Broken(Queue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            raise OSError("broken")

    mine, other = Broken(), Queue[int]()
    other.put(1)
    assert select([mine, other], ordered=True) == (other, 1)
    with pytest.raises(OSError, match="broken"):
        select([mine, other])


def test_items_count_as_those_of_get_do() -> None:
    mine = Queue[int]()
    mine.put(1)
    assert mine.unfinished_tasks == 1
    select([mine])
    mine.task_done()
    assert mine.unfinished_tasks == 0
    files = IN_FILES.make().sync_q
    files.put("a")
    select([files])
    files.task_done()
    files.join()


@pytest.mark.parametrize("timeout", [0, 0.0, 0.001, timedelta(milliseconds=1)])
def test_no_item_in_time_is_empty(timeout: Any) -> None:
    with pytest.raises(Empty, match="none of the queues has an item") as raised:
        select([Queue[int](), SimpleQueue[int]()], timeout)
    assert isinstance(raised.value, standard.Empty)


@pytest.mark.parametrize("timeout", [1e300, float("inf"), 10**400, timedelta.max])
def test_a_timeout_beyond_any_clock_is_none(timeout: Any) -> None:
    mine = Queue[int]()
    threads = Threads()
    found: list[Any] = []
    waiting = threads.start(lambda: found.append(select([mine, Queue[int]()], timeout)))
    wait_until_asleep(waiting)
    mine.put(1)
    threads.join()
    assert found == [(mine, 1)]


foreign: list[Any] = [Queue(), standard.Queue(), asyncio.Queue()]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: select([]), ValueError, "'queues' must have at least one queue"),
        (lambda: select(iter(())), ValueError, "at least one"),
        (lambda: select(Queue()), TypeError, "not a queue"),
        (lambda: select(IN_FILES.make()), TypeError, "not a queue"),
        (lambda: select(None), TypeError, "'queues' must be an iterable of queues, not NoneType"),  # type: ignore[call-overload]
        (lambda: select(foreign), TypeError, r"queues\[1\] must be a queue of elasticq, not Queue"),
        (lambda: select(foreign[2:]), TypeError, r"queues\[0\] must be"),
        (lambda: select([Queue()], -1), ValueError, "'timeout' must be a non-negative number, not -1"),
        (lambda: select([Queue()], float("nan")), ValueError, "timeout"),
        (lambda: select([Queue()], "soon"), TypeError, "'timeout' must be a number of seconds, not str"),  # type: ignore[call-overload]
        (lambda: select([Queue.__new__(Queue), object()]), TypeError, r"queues\[1\]"),  # type: ignore[arg-type]
        (
            lambda: select([elasticq.PersistentCircularBuffer.__new__(elasticq.PersistentCircularBuffer)]),
            elasticq.InvalidOperation,
            "was not opened",
        ),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_an_iterable_that_raises_takes_nothing() -> None:
    mine = Queue[int]()
    mine.put(1)

    def queues() -> Any:
        yield mine
        raise LookupError("no more")

    with pytest.raises(LookupError):
        select(queues())
    assert len(mine) == 1


def test_what_only_has_a_queue_of_ours_is_none() -> None:
    class Holder:
        _buffer = Queue[int]()

    Holder._buffer.put(1)
    with pytest.raises(TypeError, match=r"queues\[0\] must be a queue of elasticq, not Holder"):
        select([Holder()])  # type: ignore[arg-type]
    assert len(Holder._buffer) == 1


def test_the_length_of_what_names_the_queues_does_not_matter() -> None:
    class Named(list[Queue[int]]):
        def __len__(self) -> int:
            return sys.maxsize

    mine = Queue[int]()
    mine.put(1)
    assert select(Named([mine])) == (mine, 1)


def test_a_queue_may_be_there_twice() -> None:
    mine = Queue[int]()
    mine.put_many([1, 2])
    assert [select([mine, mine])[1], select([mine, mine])[1]] == [1, 2]
    threads = Threads()
    found: list[Any] = []
    for _ in range(2):
        wait_until_asleep(threads.start(lambda: found.append(select([mine, mine])[1])))
    mine.put(3)
    mine.put(4)
    threads.join()
    assert sorted(found) == [3, 4]


@unix_only("signals for one thread")
def test_a_signal_ends_the_call_which_has_taken_nothing() -> None:
    class InterruptedCallError(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise InterruptedCallError

    a, b = Queue[int](), IN_FILES.make()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        main = threading.main_thread()

        def interrupt_main() -> None:
            wait_until_asleep(main)
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1)

        for _ in range(20):
            threads = Threads()
            threads.start(interrupt_main)
            with pytest.raises(InterruptedCallError):
                select([a, b])
            threads.join()
            got: list[int] = []
            getting = threads.start(lambda: got.append(a.get(timeout=PATIENCE)))  # noqa: B023
            a.put(1)
            threads.join()
            assert got == [1]
            assert not getting.is_alive()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_a_handler_raises_while_a_queue_tells_its_length_is_raised() -> None:
    class InterruptedCallError(Exception):
        pass

    class Interrupted(Queue[int]):
        strikes = False

        def _qsize(self) -> int:
            size = super()._qsize()
            # To know how many to wake, the queue asks for its length.
            if size and self.strikes:
                self.strikes = False
                signal.raise_signal(signal.SIGINT)
            return size

    def interrupt(*_: object) -> None:
        raise InterruptedCallError

    mine, other = Interrupted(), Queue[int]()
    threads = Threads()
    found: list[Any] = []
    wait_until_asleep(threads.start(lambda: found.append(select([other, mine]))))
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        mine.strikes = True
        with pytest.raises(InterruptedCallError):
            mine.put(1)
    finally:
        signal.signal(signal.SIGINT, before)
    threads.join()
    assert found == [(mine, 1)]


@unix_only("fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_selects_over_queues_in_which_threads_of_its_parent_wait() -> None:
    a, b = Queue[int](), elasticq.LockFreeMPMCQueue[int]()
    threads = Threads()
    found: list[Any] = []
    waiting = threads.start(lambda: found.append(select([a, b])))
    wait_until_asleep(waiting)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            b.put(1)
            status = 0 if select([a, b], PATIENCE) == (b, 1) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    a.put(2)
    threads.join()
    assert found == [(a, 2)]


def test_nothing_is_kept() -> None:
    mine, other = Queue[object](), Queue[object]()
    item = object()

    def take() -> None:
        mine.put(item)
        select([other, mine])

    def time_out() -> None:
        with pytest.raises(Empty):
            select([other, mine], 0.0001)

    check_for_leaks(item, [take, time_out])


def test_threads_that_select_lose_and_double_nothing() -> None:
    seed = int(os.environ.get("ELASTICQ_SEED", random.randrange(1 << 32)))
    print("ELASTICQ_SEED =", seed)
    kinds = [kind for kind in KINDS if kind.calls.take_timeouts and "SC" not in kind.name]
    queues = [kind.make() for kind in kinds]
    # A heap orders its items, which messages don't.
    pairs = [(k, q) for k, q in zip(kinds, queues, strict=True) if k.name != "PriorityQueue"]
    threads = Threads()
    senders, count = 3, 2000
    taken: list[list[Message]] = [[] for _ in range(4)]

    def send(sender: int) -> None:
        chance = random.Random(seed + sender)
        for number in range(count):
            kind, queue = chance.choice(pairs)
            kind.put(queue, Message(sender, number))

    def take(into: list[Message]) -> None:
        mine = [queue for _, queue in pairs]
        while True:
            try:
                into.append(select(mine, PATIENCE)[1])
            except ShutDown:
                return

    for into in taken:
        threads.start(take, into)
    for thread in [threads.start(send, sender) for sender in range(senders)]:
        thread.join()
    for _, queue in pairs:
        shut_down(queue)
    threads.join()
    everything = sorted((m.sender, m.number) for messages in taken for m in messages if m.intact())
    assert everything == [(sender, number) for sender in range(senders) for number in range(count)]
