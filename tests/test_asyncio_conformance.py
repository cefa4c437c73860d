"""CPython's own tests of asyncio's queues, with `Queue.async_q` and `elasticq.asyncio` in their place.

What is left out looks at private fields, or counts the steps of the event loop. A Python may come without
its test suite.
"""

from __future__ import annotations

import asyncio
import types
import unittest
from typing import Any

import pytest

import elasticq
import elasticq.asyncio as ours

suite: Any = pytest.importorskip("test.test_asyncio.test_queues")

PRIVATE = {
    "test_format": "_format and _unfinished_tasks",
    "test_get_with_putters": "_putters",
    "test_cancelled_getters_not_being_held_in_self_getters": "_getters",
    "test_cancelled_puts_not_being_held_in_self_putters": "_putters",
}
"""The tests that are left out, and the private fields that they read or set."""

STEPS = {
    "test_repr": "a task gives way once before it stands in line, so it is not among the getters that soon",
    "test_str": "the same",
}
"""The tests that are left out as they count the steps of the event loop, with what is different here."""

VIEW_ONLY = {"test_generic_alias": "the view is not made by calling a class here"}

PLAIN = ("QueueBasicTests", "QueueGetTests", "QueuePutTests", "QueueJoinTests", "QueueShutdownTests")
ALL = [name for name in vars(suite) if name.endswith("Tests")]


def view(maxsize: float = 0) -> elasticq.AsyncQueue[Any]:
    """What the tests of `async_q` get in place of `asyncio.Queue`. One has a limit between two integers."""
    limit = int(maxsize) if maxsize == int(maxsize) else int(maxsize) + 1
    return elasticq.Queue[Any](limit).async_q


def standing_in(queues: dict[str, Any]) -> types.ModuleType:
    """The module asyncio with other queues."""
    module = types.ModuleType("asyncio")
    vars(module).update(vars(asyncio), **queues)
    return module


def cases(names: list[str], left_out: dict[str, str]) -> list[Any]:
    """Each test of these classes, but those that are left out."""
    loader = unittest.TestLoader()
    chosen = []
    for name in names:
        case = getattr(suite, name)
        methods = [method for method in loader.getTestCaseNames(case) if method not in left_out]
        chosen += [pytest.param(case, method, id=f"{name}.{method}") for method in methods]
    return chosen


def run(case: type[Any], method: str) -> None:
    result = case(method).run()
    assert result is not None
    assert result.wasSuccessful(), "".join(text for _, text in result.errors + result.failures)
    assert result.testsRun == 1


@pytest.mark.parametrize(
    ("case", "method"), cases([name for name in PLAIN if name in ALL], PRIVATE | STEPS | VIEW_ONLY)
)
def test_the_view_does_what_asyncio_tests(
    case: type[Any], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "asyncio", standing_in({"Queue": view}))
    if hasattr(case, "q_class"):
        monkeypatch.setattr(case, "q_class", staticmethod(view))
    run(case, method)


@pytest.mark.parametrize(("case", "method"), cases(ALL, PRIVATE | STEPS))
def test_the_three_classes_do_what_asyncio_tests(
    case: type[Any], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "asyncio", standing_in({name: getattr(ours, name) for name in ours.__all__}))
    if getattr(case, "q_class", None) is not None:
        monkeypatch.setattr(case, "q_class", getattr(ours, case.q_class.__name__))
    run(case, method)
