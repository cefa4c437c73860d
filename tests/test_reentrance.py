"""Code that runs in the middle of a call, in the same thread, may use the same queue.

A signal handler, a `__del__`, a weak reference's callback or a comparison may come between any two steps of
the interpreter. Here each step is interrupted in turn, by tracing every instruction.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from support import PATIENCE, Threads

import elasticq
from elasticq import Empty, Full, LifoQueue, PriorityQueue, Queue, ShutDown, _queue, _standard

MAXSIZE = 3


class Hooked(Queue[Any]):
    """A queue with hooks and a container of its own."""

    def _init(self, maxsize: int) -> None:
        self.queue: list[Any] = []

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: Any) -> None:
        items = self.queue
        items.insert(len(items), item)

    def _get(self) -> Any:
        items = self.queue
        return items.pop(0)

    def _peek(self) -> Any:
        return self.queue[0]

    def _in_order(self, items: list[Any]) -> list[Any]:
        return items


class HookedHeap(PriorityQueue[Any]):
    """Almost the recipe of the standard library's documentation."""

    def _put(self, item: Any) -> None:
        super()._put(item)

    def _get(self) -> Any:
        return super()._get()

    def _peek(self) -> Any:
        return super()._peek()

    def _in_order(self, items: list[Any]) -> list[Any]:
        return super()._in_order(items)


class Compared:
    """An item that only Python code can compare."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __lt__(self, other: Compared) -> bool:
        return self.number < other.number

    def __repr__(self) -> str:
        return f"<{self.number}>"


CODES: set[CodeType] = {
    function.__code__
    for each in (*vars(_standard).values(), *vars(_queue).values(), Hooked, HookedHeap, Compared)
    if isinstance(each, type) and each.__module__ in ("elasticq", "elasticq._standard", __name__)
    for function in vars(each).values()
    if isinstance(function, FunctionType)
}
"""The code that is interrupted: the package's, hooks, and a comparison."""


class Ledger:
    """Makes items, and knows what became of them. Nothing else calls the queue."""

    def __init__(self, q: Queue[Any], make: Callable[[int], Any]) -> None:
        self.q, self.make = q, make
        self.made = 0
        self.added: list[Any] = []
        self.taken: list[Any] = []

    def items(self, count: int) -> list[Any]:
        self.made += count
        return [self.make(number) for number in range(self.made - count, self.made)]

    def put(self) -> None:
        (item,) = self.items(1)
        try:
            self.q.put_nowait(item)
        except (Full, ShutDown):
            return
        self.added.append(item)

    def put_many(self) -> None:
        items = self.items(2)
        try:
            self.q.put_many(items, timeout=0)
        except (Full, ShutDown) as error:
            items = items[: len(items) - len(error.remaining)]
        self.added += items

    def put_whole(self) -> None:
        items = self.items(2)
        try:
            self.q.put_many(items, block=False)
        except (Full, ShutDown) as error:
            if len(error.remaining) < len(items):
                raise AssertionError("a part of a batch that goes in as one") from error
            return
        self.added += items

    def get(self) -> None:
        with contextlib.suppress(Empty, ShutDown):
            self.taken.append(self.q.get_nowait())

    def get_many(self) -> None:
        with contextlib.suppress(Empty, ShutDown):
            self.taken += self.q.get_many(2, block=False)

    def drain(self) -> None:
        self.taken += self.q.drain()

    def clear(self) -> None:
        self.q.clear()

    def end(self) -> None:
        self.q.shutdown(immediate=True)

    def peek(self) -> None:
        with contextlib.suppress(Empty, ShutDown):
            self.q.peek()

    def look(self) -> None:
        assert len(list(self.q)) <= MAXSIZE

    def check(self) -> None:
        """Checks that nothing is lost, doubled or too much, and that the counts are right."""
        size = self.q.qsize()
        assert size <= MAXSIZE
        assert size == len(self.q.queue)
        found = self.taken + list(self.q)
        assert len({id(item) for item in found}) == len(found)
        assert {id(item) for item in found} <= {id(item) for item in self.added}
        assert self.q.unfinished_tasks == len(found)
        assert self.q.stats().messages_enqueued == len(self.added)


def in_python(kind: Callable[..., Queue[Any]]) -> Callable[..., Queue[Any]]:
    """Makes queues with a lock of their user's, so that no call is served without Python code."""

    def make(*limit: int, **policy: Any) -> Queue[Any]:
        q, lock = kind(*limit, **policy), threading.RLock()
        q.mutex = lock
        q.not_empty, q.not_full, q.all_tasks_done = (threading.Condition(lock) for _ in range(3))
        return q

    return make


MAKES: dict[str, tuple[Callable[..., Queue[Any]], Callable[[int], Any]]] = {
    "moved": (in_python(Queue), lambda number: [number]),
    "moved stack": (in_python(LifoQueue), lambda number: [number]),
    "PriorityQueue": (in_python(PriorityQueue), lambda number: (number % 3, number)),
    "compared": (in_python(PriorityQueue), Compared),
    "hooks": (Hooked, lambda number: [number]),
    "hooks of a heap": (HookedHeap, Compared),
}

CALLS = ["put", "put_many", "put_whole", "get", "get_many", "drain", "clear", "end", "peek", "look"]

each_queue = pytest.mark.parametrize("name", MAKES)
each_handler = pytest.mark.parametrize("handler", ["put", "put_many", "get", "get_many", "clear", "end"])


class Injection:
    """Runs something before the instruction with that number in the interrupted code."""

    def __init__(self, number: int, run: Callable[[], None]) -> None:
        self.left, self.run = number, run

    def step(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            self.run()

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in CODES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.step()
        return self.trace

    def into(self, run: Callable[[], object]) -> None:
        """Calls something, and interrupts it."""
        if sys.version_info < (3, 12):
            before = sys.gettrace()  # say, that of coverage.py
            sys.settrace(self.trace)
            try:
                run()
            finally:
                sys.settrace(before)
        else:
            # On these Pythons, tracing by instruction starts late or not at all.
            monitoring = sys.monitoring
            monitoring.use_tool_id(TOOL, "test_reentrance")
            try:
                monitoring.register_callback(TOOL, monitoring.events.INSTRUCTION, self.step)
                for code in CODES:
                    monitoring.set_local_events(TOOL, code, monitoring.events.INSTRUCTION)
                run()
            finally:
                for code in CODES:
                    monitoring.set_local_events(TOOL, code, 0)
                monitoring.free_tool_id(TOOL)


TOOL = 4


Round = tuple[Callable[[], object], Callable[[], None], Callable[[], None]]
"""What to run, what to interrupt it with, and what checks the outcome."""


def at_every_instruction(call: Callable[[], Round]) -> int:
    """Repeats the call until it has been interrupted at every instruction. Returns their number."""
    counting = Injection(sys.maxsize, lambda: None)
    counting.into(call()[0])
    instructions = sys.maxsize - counting.left
    for number in range(1, instructions + 1):
        run, interrupt, check = call()
        injection = Injection(number, interrupt)
        injection.into(run)
        try:
            assert injection.left <= 0
            check()
        except AssertionError as error:
            raise AssertionError(f"interrupted at instruction {number}") from error
    return instructions


@each_queue
@each_handler
def test_a_handler_may_come_at_every_instruction(name: str, handler: str) -> None:
    make, item = MAKES[name]
    # So the handler takes the last place, or the last item.
    inside = MAXSIZE - 1 if handler in ("put", "put_many") else 1
    for call in CALLS:

        def begin(call: str = call) -> Any:
            ledger = Ledger(make(MAXSIZE), item)
            for _ in range(inside):
                ledger.put()

            def interrupt() -> None:
                getattr(ledger, handler)()
                assert ledger.q.qsize() <= MAXSIZE

            return getattr(ledger, call), interrupt, ledger.check

        assert at_every_instruction(begin) > 5, call


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
@pytest.mark.parametrize("name", ["moved", "moved stack", "hooks"])
@each_handler
def test_a_handler_may_come_while_a_queue_drops(name: str, handler: str, policy: str) -> None:
    make, item = MAKES[name]
    for call in ("put", "put_many"):

        def begin(call: str = call) -> Any:
            ledger = Ledger(make(MAXSIZE, overflow=policy), item)
            for _ in range(MAXSIZE):
                ledger.put()

            def check() -> None:
                q = ledger.q
                assert q.qsize() <= MAXSIZE
                found = ledger.taken + list(q)
                assert len({id(each) for each in found}) == len(found)
                assert q.unfinished_tasks == len(found)

            return getattr(ledger, call), getattr(ledger, handler), check

        assert at_every_instruction(begin) > 5, call


def test_a_handler_that_raises_loses_nothing_of_a_batch() -> None:
    """Whatever the moment, each item is either in the queue or in `remaining`."""
    for make, item in MAKES.values():

        def begin(make: Any = make, item: Any = item) -> Any:
            q = make(MAXSIZE)
            items = [item(number) for number in range(MAXSIZE + 2)]
            ended: list[BaseException] = []

            def run() -> None:
                try:
                    q.put_many(items, timeout=0)
                except (Full, KeyboardInterrupt) as error:
                    ended.append(error)

            def interrupt() -> None:
                raise KeyboardInterrupt

            def check() -> None:
                remaining = getattr(ended[0], "remaining", None)
                assert remaining is not None
                found = [id(each) for each in [*q, *remaining]]
                # A subclass is responsible for its hooks: one that was cut short may have done its part.
                surplus = 1 if q._Hooks__order is None else 0
                assert len(items) <= len(found) <= len(items) + surplus
                assert set(found) == {id(each) for each in items}

            return run, interrupt, check

        # Python goes on to handle an exception if another one is raised behind `except`, before the handling
        # has ended. All later exceptions of the thread would show it as their context.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(at_every_instruction, begin).result() > 5


class Meddling(Compared):
    """Runs something during the comparison with that number."""

    left = 0
    run: Callable[[], object]

    def __lt__(self, other: Compared) -> bool:
        Meddling.left -= 1
        if Meddling.left == 0:
            Meddling.run()
        return super().__lt__(other)


@pytest.mark.parametrize("make", [PriorityQueue, HookedHeap])
@each_handler
def test_a_comparison_may_use_the_queue_that_it_is_made_for(make: Any, handler: str) -> None:
    for call in CALLS:
        number = 0
        while True:
            number += 1
            Meddling.left = 0
            ledger = Ledger(make(MAXSIZE), Meddling)
            for _ in range(MAXSIZE - 1):
                ledger.put()
            # A real signal interrupts, and is handled at once.
            Meddling.run = lambda: signal.raise_signal(signal.SIGINT)
            old = signal.signal(signal.SIGINT, lambda *_, ledger=ledger: getattr(ledger, handler)())
            try:
                Meddling.left = number
                getattr(ledger, call)()
            finally:
                signal.signal(signal.SIGINT, old)
            if Meddling.left > 0:
                break
            Meddling.left = 0
            ledger.check()
            numbers = [each.number for each in ledger.q.drain()]
            assert numbers == sorted(numbers)


def test_nobody_is_kept_out_by_a_comparison(threads: Threads) -> None:
    """A comparison may wait for a thread that uses the queue."""
    q: PriorityQueue[Any] = PriorityQueue(10)
    used = threading.Event()
    compares = threading.Event()

    class Waiting(Compared):
        def __lt__(self, other: Compared) -> bool:
            compares.set()
            assert used.wait(PATIENCE)
            return super().__lt__(other)

    def use() -> None:
        assert compares.wait(PATIENCE)
        assert q.get() is first
        q.put(2)
        q.get()
        assert (q.qsize(), list(q), q.full()) == (0, [], False)
        used.set()

    first = Compared(1)
    q.put(first)
    threads.start(use)
    q.put(Waiting(0))
    threads.join()
    assert [item.number for item in q.drain()] == [0]


def test_threads_that_compare_leave_each_other_their_turn(threads: Threads) -> None:
    q: PriorityQueue[Compared] = PriorityQueue(20)
    taken: list[int] = []

    def produce(first: int) -> None:
        for number in range(first, first + 300):
            q.put(Compared(number))

    def consume() -> None:
        for _ in range(300):
            taken.append(q.get().number)

    for first in (0, 1000, 2000):
        threads.start(produce, first)
        threads.start(consume)
    threads.join()
    assert sorted(taken) == [*range(300), *range(1000, 1300), *range(2000, 2300)]


@each_queue
def test_what_ends_with_an_item_may_use_the_queue(name: str) -> None:
    """A `__del__` and a weak reference's callback, of a dropped object and of a collected one."""
    make, _ = MAKES[name]
    q = make(MAXSIZE)
    used: list[int] = []
    taken: list[object] = []

    def use(*_: object) -> None:
        taken.extend(q.drain())
        q.put_nowait(Compared(9))
        used.append(q.qsize())

    class Item(Compared):
        def __del__(self) -> None:
            use()

    q.put(Item(1))
    q.clear()
    item = Item(2)
    item.itself = item  # type: ignore[attr-defined]
    reference = weakref.ref(item, use)
    q.clear()
    q.put(item)
    del item
    q.clear()
    gc.collect()
    assert (reference(), len(used), q.qsize(), q.unfinished_tasks) == (None, 3, 1, 1 + len(taken))
    assert elasticq.Queue.stats(q).messages_enqueued == 2 + len(used)
