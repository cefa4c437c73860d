"""Where there is no memory, a call raises MemoryError or does without, and nothing is lost."""

from __future__ import annotations

import sys

import pytest
from support import python

pytest.importorskip("_testcapi", reason="this Python can't refuse memory")


@pytest.mark.parametrize(
    "call",
    ["q.aget()", "q.aput(item)", "view.get()", "view.put(item)", "taker.__anext__()", "q.aput(item=item)"],
)
def test_a_coroutine_that_there_is_no_memory_for_is_a_memory_error(call: str) -> None:
    """Each of the first ten allocations fails once."""
    output = python(
        f"""
    import _testcapi, gc, sys
    from elasticq import Queue

    q, item = Queue(), object()
    view, taker = q.async_q, q.__aiter__()
    made, failed = [None] * 10, 0
    first = {call}  # what only the first call of a thread needs is there from now on
    references = sys.getrefcount(item)
    for number in range(10):
        _testcapi.set_nomemory(number, number + 1)
        try:
            made[number] = {call}  # kept, so that no object is used again
        except MemoryError:
            failed += 1
        finally:
            _testcapi.remove_mem_hooks()
    for call in filter(None, made):
        call.close()
    del call, made
    gc.collect()
    print(failed > 0, q.empty(), sys.getrefcount(item) - references)
    first.close()
    """
    )
    assert output == "True True 0\n"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="collections run between calls since then")
def test_a_batch_that_comes_out_smaller_than_its_list_is_not_lost() -> None:
    """Other code takes some items while the list is made, and there is no memory to cut the list."""
    output = python(
        """
    import _testcapi, gc
    from elasticq import Queue

    q = Queue()
    q.put_many(range(30))
    lists = [[] for _ in range(200)]  # so that the collector has something to do for each new list
    taken = []

    def take(phase, info):
        if phase == "stop" and not taken:
            taken.extend(q._poll(None) for _ in range(20))
            _testcapi.set_nomemory(1)

    gc.collect()
    gc.set_threshold(1)
    gc.callbacks.append(take)
    try:
        batch = q.get_many()
    finally:
        _testcapi.remove_mem_hooks()
        gc.disable()
    print(taken == list(range(20)), batch == list(range(20, 30)), q.empty())
    """
    )
    assert output == "True True True\n"


def test_what_a_thread_keeps_for_its_next_calls_goes_with_it() -> None:
    """On free-threaded builds; with a GIL the threads share it."""
    output = python(
        """
    import asyncio, gc, sys, threading
    from elasticq import Queue

    def work():
        async def take(q):
            return await q.aget()

        async def main():
            q = Queue()
            tasks = [asyncio.ensure_future(take(q)) for _ in range(50)]
            await asyncio.sleep(0)
            for number in range(50):
                await q.aput(number)
            await asyncio.gather(*tasks)

        asyncio.run(main())

    def blocks_after(threads):
        for _ in range(threads):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(10)
    print(blocks_after(40) - before < 400)
    """
    )
    assert output == "True\n"
