"""Where there is no memory, a call raises MemoryError or does without, and nothing is lost."""

from __future__ import annotations

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
    """
    )
    assert output == "True True 0\n"
