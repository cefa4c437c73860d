"""An interpreter that ends while threads wait, and interpreters beside the main one."""

from __future__ import annotations

import os
import sys

import pytest
from support import python

ROUNDS = 8

WAITING = {
    "threads in get": """
for _ in range(8):
    threading.Thread(target=empty.get, daemon=True).start()
""",
    "threads in get with a timeout": """
for _ in range(8):
    threading.Thread(target=empty.get, kwargs={"timeout": 600}, daemon=True).start()
""",
    "threads in put and join": """
for _ in range(4):
    threading.Thread(target=full.put, args=("new",), daemon=True).start()
    threading.Thread(target=full.put_many, args=(["new", "newer"],), daemon=True).start()
    threading.Thread(target=full.join, daemon=True).start()
""",
    "threads and tasks at queues of every kind": f"""
sys.path.insert(0, {os.path.dirname(__file__)!r})
from kinds import KINDS

queues = []
for kind in KINDS:
    queue, full_one = kind.make(), kind.make(1)
    queues += queue, full_one
    threading.Thread(target=kind.get, args=(queue,), daemon=True).start()
    threading.Thread(target=next, args=(queue.consume(),), daemon=True).start()
    if kind.bounded:
        kind.put(full_one, "old")
        threading.Thread(target=kind.put, args=(full_one, "new"), daemon=True).start()

async def wait():
    await asyncio.gather(*(queue.aget() for queue in queues[::2]))

threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
""",
    "threads and tasks at a buffer with levels": """
levels = elasticq.PriorityCircularBuffer(level_capacities={0: 1}, max_wait=0.001)
levels.push_with_priority("old", 0)
for _ in range(4):
    threading.Thread(target=levels.sync_q.put, args=("new",), kwargs={"priority": 0}, daemon=True).start()
    threading.Thread(target=lambda: [levels.push(item) for item in levels.consume()], daemon=True).start()

async def wait():
    while True:
        await levels.aput_with_priority(await levels.aget(), 2)

threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
""",
    "threads amid traffic": """
def serve():
    for item in empty.consume():
        empty.put(item)

empty.put_many(range(10))
for _ in range(4):
    threading.Thread(target=serve, daemon=True).start()
""",
    "an event loop in a thread": """
async def wait():
    await asyncio.gather(empty.aget(), full.aput("new"), free[0].aget())

threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
""",
    "threads that wake an event loop in another one": """
async def wait():
    while True:
        await asyncio.gather(empty.aget(), free[0].aget())

def put():
    while True:
        empty.put(1)
        free[0].put(1)

threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
threading.Thread(target=put, daemon=True).start()
""",
    "threads in moved queues": """
len(empty.queue), len(full.queue)
for _ in range(4):
    threading.Thread(target=empty.get, daemon=True).start()
threading.Thread(target=full.put, args=("new",), daemon=True).start()
threading.Thread(target=full.join, daemon=True).start()
""",
    "threads amid the traffic of a moved queue": """
def serve():
    for item in empty.consume():
        empty.put(item)

len(empty.queue)
empty.put_many(range(10))
for _ in range(4):
    threading.Thread(target=serve, daemon=True).start()
""",
    "tasks that give up again and again": """
async def get():
    try:
        await asyncio.wait_for(empty.aget(), 0.0001)
    except asyncio.TimeoutError:
        pass

async def wait():
    while True:
        await asyncio.gather(*(get() for _ in range(5)))

threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
""",
    "a batch without an end": """
def numbers():
    while True:
        yield 0

threading.Thread(target=empty.put_many, args=(numbers(),), daemon=True).start()
threading.Thread(target=free[0].enqueue_batch, args=(numbers(),), daemon=True).start()
""",
    "items that are compared": """
class Item:
    def __lt__(self, other):
        return sum(range(100)) < 0

def sort():
    queue = elasticq.PriorityQueue()
    while True:
        queue.put_many([Item(), Item(), Item()])
        queue.get_many()

threading.Thread(target=sort, daemon=True).start()
""",
    "items that are weighed": """
def weigh(item):
    return sum(range(100)) - 4949

def fill():
    queue = elasticq.Queue(max_weight=10, weigh=weigh, overflow="drop_oldest")
    while True:
        queue.put_many(range(10))

threading.Thread(target=fill, daemon=True).start()
""",
    "items whose end takes long": """
class Item:
    def __del__(self):
        sum(range(1000))

def drop():
    while True:
        empty.put_many([Item(), Item(), Item()])
        empty.clear()

threading.Thread(target=drop, daemon=True).start()
""",
    "an event loop that was left": """
loop = asyncio.new_event_loop()
task = loop.create_task(empty.aget())
loop.run_until_complete(asyncio.sleep(0))
task._log_destroy_pending = False
loop.close()
""",
    "a thread whose queue nobody else holds": """
threading.Thread(target=lambda: elasticq.Queue().get(), daemon=True).start()
threading.Thread(target=lambda: elasticq.LockFreeMPMCQueue().get(), daemon=True).start()
del empty, full, free
""",
    "items that use the queue at the very end": """
class Last:
    def __del__(self, queues=(empty, *free)):
        for queue in queues:
            queue._offer(1)
            queue.drain()

full.get()
full.put(Last())
empty.put(full)
threading.Thread(target=elasticq.Queue().get, daemon=True).start()
""",
}


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
def test_the_interpreter_ends_while_somebody_waits(waiting: str) -> None:
    """There is no hang, no crash and no output. The moment varies, so there are several runs."""
    for number in range(ROUNDS):
        python(
            f"""
import asyncio, sys, threading
import elasticq

empty, full = elasticq.Queue(), elasticq.Queue(1)
full.put("old")
free = [elasticq.LockFreeMPSCQueue(), elasticq.LockFreeMPMCQueue(), elasticq.LockFreeSPSCQueue()]
{waiting}
import time
time.sleep({number} / 1000)
"""
        )


CALLS = [
    "empty.aget()",
    "full.aput('new')",
    "empty.aget_many(2)",
    "full.aput_many(['new', 'newer'])",
    "full.ajoin()",
    "empty.__aiter__().__anext__()",
    "empty.async_q.get()",
    "full.async_q.put('new')",
    "full.async_q.join()",
    "elasticq.LockFreeMPMCQueue().aget()",
    "elasticq.PriorityCircularBuffer().aget()",
    "full_level().aput_with_priority('new', 0)",
    "full_level().async_q.put('new')",
]

STAGES = {
    "alone": """
suspended = wait()
suspended.send(None)
""",
    "a task that gives way": """
loop = asyncio.new_event_loop()
suspended = loop.create_task(wait())
suspended._log_destroy_pending = False
loop.call_soon(loop.stop)
loop.run_forever()
assert not suspended.done()
loop.close()
""",
    "a task in line": """
loop = asyncio.new_event_loop()
suspended = loop.create_task(wait())
suspended._log_destroy_pending = False
for _ in range(5):
    loop.run_until_complete(asyncio.sleep(0))
assert not suspended.done()
loop.close()
""",
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("call", CALLS)
def test_the_interpreter_ends_while_a_coroutine_is_suspended(call: str, stage: str) -> None:
    """The coroutine is closed when the last objects go: after the interpreter says that it is not there."""
    python(
        f"""
import asyncio
import elasticq

empty, full = elasticq.Queue(), elasticq.Queue(1)
full.put("old")

def full_level():
    levels = elasticq.PriorityCircularBuffer(level_capacities={{0: 1, 1: 1}})
    levels.push_with_priority("old", 0)
    levels.push_with_priority("old", 1)
    return levels

async def wait():
    await {call}

{stage}
"""
    )


def test_the_last_object_may_do_anything_with_a_queue() -> None:
    """Also what needs more than the innermost calls: waking, throwing, attributes, what was never awaited."""
    output = python(
        """
    import asyncio
    import elasticq

    empty, full, ended = elasticq.Queue(), elasticq.Queue(1), elasticq.Queue()
    full.put("old")
    ended.shutdown()

    async def start(*calls):
        tasks = [asyncio.ensure_future(call) for call in calls]
        for _ in range(5):
            await asyncio.sleep(0)
        return tasks

    async def main():
        # What is imported when it is first needed: at the end nothing can be imported.
        await start(empty.aget_many())
        empty.put("first")
        try:
            ended.get()
        except elasticq.ShutDown:
            pass
        tasks = await start(empty.aget_many(), full.aput_many(["new"]))
        for task in tasks:
            task._log_destroy_pending = False
        return tasks

    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(main())
    loop.close()

    class Last:
        def __del__(self, empty=empty, full=full, ended=ended):
            for call in (empty.aput("item"), full.aget()):
                try:
                    call.send(None)
                except StopIteration as stop:
                    print(stop.value)
            print(empty.get())
            waiting = empty.aget()
            print(waiting.send(None), waiting.cr_suspended)
            try:
                waiting.throw(ValueError("thrown"))
            except ValueError as thrown:
                print(thrown)
            for call in (ended.__aiter__().__anext__(), ended.async_q.put(1), ended.aput_many([1])):
                try:
                    call.send(None)
                except Exception as error:
                    print(isinstance(error, StopAsyncIteration))
            try:
                full.put_many(["more", "than fits"], block=False)
            except Exception as error:
                print(*error.remaining)
            try:
                empty.aget.__code__
            except ImportError:
                pass
            empty.aget()

    last = Last()
    """
    )
    assert output.splitlines() == [
        *("None", "old", "item", "None True", "thrown"),
        *("True", "False", "False", "more than fits"),
    ]


ARGUMENTS = {
    "a flag": "queue.put('item', Forever())",
    "a number": "queue.get_many(Forever())",
    "a number in a coroutine's method": "queue.aget_many(Forever())",
    "a timeout": "queue.get(timeout=Forever())",
    "a setting": "elasticq.Config(growth_factor=Forever())",
    "a capacity": "elasticq.Config().with_min_capacity(Forever())",
    "a limit": "elasticq.Queue(Forever())",
    "settings of levels": "elasticq.PriorityCircularBuffer(level_capacities=Forever())",
    "an override of put": "overriding.put_nowait('item')",
    "an override of get": "next(overriding.consume())",
    "an iterator": "iterating.iter()",
    "a copy": "copy.copy(overriding)",
    "a computed attribute": "computed.attribute",
}


@pytest.mark.parametrize("first", ARGUMENTS.values(), ids=ARGUMENTS)
def test_the_interpreter_ends_while_a_thread_s_first_call_runs_python_code(first: str) -> None:
    """Before the thread has come so far that it could wait."""
    for _ in range(2):
        python(
            f"""
        import collections.abc, copy, threading, time
        import elasticq, elasticq._core

        started = threading.Event()

        def forever(*_, **__):
            started.set()
            while True:
                sum(range(100))

        class Forever(collections.abc.Mapping):
            __bool__ = __index__ = __float__ = __len__ = __iter__ = __getitem__ = items = forever
            __code__ = property(forever)

        class Overriding(elasticq.Queue):
            put = get = __getstate__ = forever

        class Iterating(elasticq.DynamicCircularBuffer):
            __iter__ = forever

        class Computed:
            attribute = elasticq._core._computed(forever)

        class Last:
            def __del__(self, sleep=time.sleep):
                sleep(0.02)

        queue, overriding, iterating = elasticq.Queue(), Overriding(), Iterating()
        computed, last = Computed(), Last()
        threading.Thread(target=lambda: {first}, daemon=True).start()
        started.wait()
        """
        )


def test_sys_exit_in_the_main_thread_does_not_wait_for_daemons() -> None:
    python(
        """
    import sys, threading
    from elasticq import Queue
    queue = Queue()
    threading.Thread(target=queue.get, daemon=True).start()
    sys.exit(0)
    """
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the module _interpreters came with 3.13")
def test_another_interpreter_is_told_that_it_cannot_import_it() -> None:
    output = python(INTERPRETERS.format(configuration="isolated"))
    assert output.startswith("ImportError: module elasticq._core does not support loading in subinterpreters")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the module _interpreters came with 3.13")
def test_nor_may_one_that_shares_the_gil() -> None:
    output = python(INTERPRETERS.format(configuration="legacy"))
    assert output.startswith("ImportError: ")
    assert "interpreter" in output


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the module _interpreters came with 3.13")
def test_the_main_interpreter_goes_on() -> None:
    output = python(INTERPRETERS.format(configuration="isolated") + "\nprint(elasticq.Queue().empty())\n")
    assert output.endswith("True\n")


INTERPRETERS = """
import elasticq
import _interpreters
interpreter = _interpreters.create({configuration!r})
failed = _interpreters.run_string(interpreter, "import elasticq")
print(failed.type.__name__ + ": " + failed.msg if failed else "imported")
_interpreters.destroy(interpreter)
"""
