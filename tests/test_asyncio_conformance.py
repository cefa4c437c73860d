"""CPython's own tests of `asyncio.Queue`, with `Queue.async_q` in its place.

Tests that look at the inside are left out (`_getters`, `_putters`, `_format`, and `repr`, which shows them).
So are those of the queues in other orders. A Python may come without its test suite.
"""

from __future__ import annotations

import asyncio
import types
import unittest
from typing import Any

import pytest

import elasticq

suite: Any = pytest.importorskip("test.test_asyncio.test_queues")

INSIDES = {
    "test_repr",
    "test_str",
    "test_generic_alias",
    "test_format",
    "test_get_with_putters",
    "test_cancelled_getters_not_being_held_in_self_getters",
    "test_cancelled_puts_not_being_held_in_self_putters",
}


def queue(maxsize: float = 0) -> elasticq.AsyncQueue[Any]:
    """What the tests get in place of `asyncio.Queue`. One of them gives a limit between two integers."""
    limit = int(maxsize) if maxsize == int(maxsize) else int(maxsize) + 1
    return elasticq.Queue[Any](limit).async_q


def standing_in() -> types.ModuleType:
    """The module asyncio with another Queue."""
    module = types.ModuleType("asyncio")
    vars(module).update(vars(asyncio), Queue=queue)
    return module


def cases() -> list[Any]:
    """Each test of each class for plain queues."""
    loader = unittest.TestLoader()
    chosen = []
    for name in ("QueueBasicTests", "QueueGetTests", "QueuePutTests", "QueueJoinTests", "QueueShutdownTests"):
        if (case := getattr(suite, name, None)) is not None:
            methods = [method for method in loader.getTestCaseNames(case) if method not in INSIDES]
            chosen += [pytest.param(case, method, id=f"{name}.{method}") for method in methods]
    return chosen


@pytest.mark.parametrize(("case", "method"), cases())
def test_what_asyncio_tests(case: type[Any], method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "asyncio", standing_in())
    if hasattr(case, "q_class"):
        monkeypatch.setattr(case, "q_class", staticmethod(queue))
    result = case(method).run()
    assert result is not None
    assert result.wasSuccessful(), "".join(text for _, text in result.errors + result.failures)
    assert result.testsRun == 1
