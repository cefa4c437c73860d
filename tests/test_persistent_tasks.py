"""The queue in files in coroutines: nothing waits for a sync in a loop's thread, and nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, linux_only, settle, wait_until, wait_until_asleep

from elasticq import Empty, InvalidOperation, PersistentCircularBuffer, ShutDown

Queue = PersistentCircularBuffer[Any]
each_mode = pytest.mark.parametrize("mode", ["no_sync", "every_write"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@each_mode
def test_tasks_put_take_and_lease(path: Path, mode: Any) -> None:
    async def main() -> None:
        async with Queue(path, mode) as queue:
            assert await queue.aput("a", id="a", headers={"h": 1})
            assert not await queue.aput("a", id="a")
            await queue.aput_many(["b", "c", "d", "e"])
            async with await queue.alease() as lease:
                assert (lease.item, lease.headers) == ("a", {"h": 1})
            assert await queue.aget() == "b"
            assert await queue.aget_many(2) == ["c", "d"]
            leases = await queue.alease_batch(10, ttl=60)
            await leases[0].anack()
            leases = await queue.alease_batch(10)
            assert (leases[0].item, leases[0].deliveries) == ("e", 2)
            await queue.aack_batch(leases)
            assert queue.stats().current_size == 0
            queue.push("last")
            queue.shutdown()
            assert [item async for item in queue] == ["last"]
            for call in (queue.aget, queue.alease, lambda: queue.aput("late")):
                with pytest.raises(ShutDown):
                    await call()
        with pytest.raises(ShutDown, match="the queue was closed"):
            await queue.aget()

    asyncio.run(main())


@each_mode
@pytest.mark.parametrize("what", ["aget", "alease"])
def test_a_task_waits_until_a_thread_or_a_task_puts(path: Path, mode: Any, what: str) -> None:
    async def main() -> None:
        async with Queue(path, mode) as queue:
            for put in (
                lambda: threading.Thread(target=queue.push, args=("item",)).start(),
                lambda: queue.push("item"),
            ):
                taking = asyncio.create_task(getattr(queue, what)())
                await settle()
                assert not taking.done()
                put()
                taken = await taking
                assert (taken if what == "aget" else taken.item) == "item"
                if what == "alease":
                    await taken.aack()
            taking = asyncio.create_task(getattr(queue, what)())
            await settle()
            await queue.aput("delayed", delay=0.01)
            await taking

    asyncio.run(main())


def test_a_task_waits_for_room(path: Path) -> None:
    async def main() -> None:
        async with Queue(path, maxsize=2) as queue:
            await queue.aput_many([1, 2])
            putting = asyncio.create_task(queue.aput(3))
            both = asyncio.create_task(queue.aput_many([4, 5]))
            await settle()
            assert not putting.done()
            assert [await queue.aget() for _ in range(3)] == [1, 2, 3]
            assert await putting
            await both
            assert list(queue) == [4, 5]

    asyncio.run(main())


@each_mode
@pytest.mark.parametrize("what", ["aget", "aget_many", "alease", "aput", "aput_many"])
def test_a_task_that_is_cancelled_while_it_waits_has_done_nothing(path: Path, mode: Any, what: str) -> None:
    async def main() -> None:
        async with Queue(path, mode, maxsize=1) as queue:
            arguments: list[Any] = []
            if "put" in what:
                queue.push("old")
                arguments = ["new" if what == "aput" else ["new"]]
            task = asyncio.create_task(getattr(queue, what)(*arguments))
            await settle()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            if "put" in what:
                assert await queue.aget() == "old"
                with pytest.raises(Empty):
                    queue.pop()
            else:
                await queue.aput("item")
                assert queue.pop() == "item"

    asyncio.run(main())


def test_tasks_in_two_loops_and_threads_lose_nothing(path: Path) -> None:
    taken: list[int] = []
    with Queue(path, "every_write", maxsize=20) as queue:

        async def consume() -> None:
            async def take() -> None:
                taken.extend([number async for number in queue])

            await asyncio.gather(*(take() for _ in range(3)))

        consumers = [threading.Thread(target=asyncio.run, args=(consume(),)) for _ in range(2)]
        for consumer in consumers:
            consumer.start()

        async def produce() -> None:
            async def put(first: int) -> None:
                for number in range(first, 300, 3):
                    await queue.aput(number)

            await asyncio.gather(*(put(first) for first in range(3)))

        asyncio.run(produce())
        queue.shutdown()
        for consumer in consumers:
            consumer.join(PATIENCE)
    assert sorted(taken) == list(range(300))


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes syncs wait."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        assert os.environ.get("CI") != "true", "there is no C compiler"
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("slow_disk") / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@linux_only("LD_PRELOAD")
def test_no_call_of_a_task_keeps_its_loop_waiting_for_the_disk(path: Path, slow_disk: Path) -> None:
    """While a sync takes as long as it likes, the loop's timers go on; nothing is reported done meanwhile."""
    gate = path.with_name("gate")
    code = f"""
        import asyncio, os
        from elasticq import PersistentCircularBuffer
        gate = {str(gate)!r}

        async def main():
            queue = PersistentCircularBuffer({str(path)!r}, "every_write")
            await queue.aput_many(range(10))
            leases = [await queue.alease() for _ in range(4)]
            calls = [
                lambda: queue.aput("new"),
                lambda: queue.aput_many(["newer", "newest"]),
                lambda: queue.aget(),
                lambda: queue.aget_many(2),
                lambda: leases[0].aack(),
                lambda: leases[1].anack(),
                lambda: queue.aack_batch(leases[2:]),
                lambda: queue.alease(),
                lambda: queue.async_q.put("by the view"),
                lambda: queue.async_q.get(),
            ]
            loop = asyncio.get_running_loop()
            for call in calls:
                open(gate, "w").close()
                task = asyncio.create_task(call())
                late = []
                for _ in range(20):
                    due = loop.time() + 0.002
                    await asyncio.sleep(0.002)
                    late.append(loop.time() - due)
                assert not task.done(), call
                print(f"{{sorted(late)[10] * 1000:.1f}}")
                os.unlink(gate)
                await task
            await queue.aclose()

        asyncio.run(main())
        """
    environment = {**os.environ, "LD_PRELOAD": str(slow_disk), "SLOW_DISK": str(gate)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    lateness = [float(line) for line in run.stdout.split()]
    assert len(lateness) == 10
    assert sorted(lateness)[5] < 5, (
        lateness
    )  # in milliseconds; a sync takes as long as all 20 timers together


def test_a_failed_call_fails_for_tasks_as_for_threads(path: Path) -> None:
    async def main() -> None:
        async with Queue(path) as queue:
            with pytest.raises(TypeError):
                await queue.aput(object())
            with pytest.raises(ValueError, match="'n'"):
                await queue.aget_many(0)
            await queue.aput(1)
            lease = await queue.alease()
            await lease.aack()
            with pytest.raises(InvalidOperation):
                await lease.aack()
            with pytest.raises(asyncio.QueueEmpty):
                queue.async_q.get_nowait()

    asyncio.run(main())


def test_an_exception_gives_a_leased_item_back(path: Path) -> None:
    async def main() -> None:
        async with Queue(path) as queue:
            await queue.aput("job")

            async def fail() -> None:
                async with await queue.alease():
                    raise KeyError

            with pytest.raises(KeyError):
                await fail()
            assert (await queue.alease()).deliveries == 2

    asyncio.run(main())


def test_they_are_coroutines_and_do_nothing_before_they_are_awaited(path: Path) -> None:
    with Queue(path) as queue:
        for coroutine in (queue.aput("item"), queue.aget(), queue.alease(), queue.aput_many([1])):
            assert inspect.iscoroutine(coroutine)
            coroutine.close()
        assert len(queue) == 0
        pending = queue._aput("item", None, None, None)
        assert len(queue) == 0

        async def twice(awaited: Awaitable[Any]) -> None:
            await awaited
            with pytest.raises(RuntimeError, match="already awaited"):
                await awaited

        asyncio.run(twice(pending))
        assert len(queue) == 1


def test_join_waits_for_what_is_taken(path: Path) -> None:
    async def main() -> None:
        async with Queue(path) as queue:
            view = queue.async_q
            await view.put("a")
            await view.put("b")
            joining = asyncio.create_task(view.join())
            assert await view.get() == "a"
            view.task_done()
            async with await queue.alease():
                await settle()
                assert not joining.done()
            await joining

    asyncio.run(main())


def test_a_task_gives_its_loop_turns(path: Path) -> None:
    async def main() -> None:
        async with Queue(path, "no_sync") as queue:
            loop = asyncio.get_running_loop()
            turns = 0

            def turn() -> None:
                nonlocal turns
                turns += 1
                loop.call_later(0.002, turn)

            loop.call_soon(turn)
            while turns < 5:
                await queue.aput("item")
                await queue.aget()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_task_of_a_loop_that_was_closed_is_forgotten(path: Path) -> None:
    with Queue(path) as queue:

        class Mark:
            pass

        async def wait(_mark: Mark) -> None:
            await queue.aget()

        def leave() -> weakref.ref[Mark]:
            loop = asyncio.new_event_loop()
            mark = Mark()
            loop.create_task(wait(mark))  # noqa: RUF006 - nobody keeps it
            loop.run_until_complete(settle())
            loop.close()
            return weakref.ref(mark)

        mark = leave()

        def collected() -> bool:
            gc.collect()
            return mark() is None

        wait_until(collected, "the task is gone")
        queue.push("item")
        assert queue.pop() == "item"


def test_a_wake_up_that_a_cancelled_task_got_goes_on(path: Path) -> None:
    async def main() -> None:
        async with Queue(path) as queue:
            first, second = (asyncio.create_task(queue.aget()) for _ in range(2))
            await settle()
            queue.push("item")
            first.cancel()
            assert await second == "item"
            with pytest.raises(asyncio.CancelledError):
                await first

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_closing_ends_tasks_that_wait(path: Path) -> None:
    async def main() -> None:
        queue = Queue(path, maxsize=1)
        queue.push("full")
        calls: list[Callable[[], Awaitable[Any]]] = [lambda: queue.aput("x"), lambda: queue.aput_many(["x"])]
        tasks = [asyncio.ensure_future(call()) for call in calls]
        await settle()
        thread = threading.Thread(target=queue.close)
        thread.start()
        for task in tasks:
            with pytest.raises(ShutDown):
                await task
        thread.join()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_thread_may_wait_beside_tasks(path: Path) -> None:
    async def main() -> None:
        async with Queue(path) as queue:
            taken: list[object] = []
            thread = threading.Thread(target=lambda: taken.append(queue.sync_q.get()))
            thread.start()
            wait_until_asleep(thread)
            task = asyncio.create_task(queue.aget())
            await settle()
            await queue.aput_many([1, 2])
            taken.append(await task)
            await asyncio.to_thread(thread.join)
            assert sorted(taken) == [1, 2]  # type: ignore[type-var]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_what_a_task_takes_while_the_queue_is_closed_is_taken_or_there(path: Path) -> None:
    async def main() -> None:
        queue = Queue(path, "every_write")
        queue.push("precious")
        taking = asyncio.create_task(queue.aget())
        await asyncio.sleep(0)  # it has taken the item, and waits for the disk
        queue.close()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking

    asyncio.run(main())
    with Queue(path) as queue:
        assert list(queue) == ["precious"]


def test_a_wake_up_of_a_task_whose_loop_was_closed_goes_on(path: Path) -> None:
    with Queue(path, "no_sync") as queue:
        loop = asyncio.new_event_loop()
        task = loop.create_task(queue.aget())
        loop.run_until_complete(settle())
        loop.close()
        taken: list[object] = []
        thread = threading.Thread(target=lambda: taken.append(queue.sync_q.get(timeout=PATIENCE)))
        thread.start()
        wait_until_asleep(thread)
        queue.push("item")
        thread.join()
        assert taken == ["item"]
        task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["no_sync", "every_write"])
def test_a_lease_whose_end_was_cancelled_has_ended(path: Path, mode: Any) -> None:
    async def main() -> None:
        async with Queue(path, mode) as queue:
            joining: asyncio.Task[None] | None = None
            for number in range(200):  # so that some calls would give their loop a turn
                await queue.aput(number)
                lease = await queue.alease()
                joining = joining or asyncio.create_task(queue.async_q.join())
                task = asyncio.create_task(lease.aack())
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert (lease.active, queue.stats().current_size) == (False, 0)
            assert joining
            await joining

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
