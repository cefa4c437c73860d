"""What the methods return passes for a coroutine, and the methods pass for coroutine functions."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import functools
import gc
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

import pytest
from kinds import PLAIN
from support import PATIENCE, python

from elasticq import AsyncQueue, PriorityAsyncQueue, PrioritySyncQueue, Queue

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "aget": (),
    "aput": (1,),
    "aget_many": (),
    "aput_many": ([1],),
    "ajoin": (),
    "apeek": (),
    "aput_with_priority": (1, 2),
    "aput_many_with_priority": ([1], 2),
}
METHODS: dict[str, tuple[Callable[[], Any], str, tuple[Any, ...]]] = {
    **{
        f"{kind.name}.{name}": (kind.make, name, arguments)
        for kind in PLAIN
        for name, arguments in ARGUMENTS.items()
        if hasattr(kind.cls, name)
    },
    "AsyncQueue.put": (lambda: Queue().async_q, "put", (1,)),
    "AsyncQueue.get": (lambda: Queue().async_q, "get", ()),
}
OTHER_CLASSES = [(AsyncQueue, "join"), (PriorityAsyncQueue, "put"), (PrioritySyncQueue, "ajoin")]


class Subclass(Queue[Any]):
    """A subclass that overrides nothing."""


def method(which: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A method of a queue, which keeps the queue alive, and arguments for it."""
    make, name, arguments = METHODS[which]
    return getattr(make(), name), arguments


def called(which: str) -> Any:
    """What a method returns."""
    function, arguments = method(which)
    return function(*arguments)


@pytest.mark.parametrize("which", METHODS)
def test_a_method_is_a_coroutine_function(which: str) -> None:
    make, name, _ = METHODS[which]
    queue = make()
    bound = getattr(queue, name)
    for function in (bound, getattr(type(queue), name), functools.partial(bound)):
        assert inspect.iscoroutinefunction(function)
        if sys.version_info < (3, 14):
            assert asyncio.iscoroutinefunction(function)
    assert inspect.isroutine(bound)
    assert bound == getattr(queue, name)


@pytest.mark.parametrize("which", METHODS)
def test_to_ask_again_makes_nothing_new(which: str) -> None:
    function, arguments = method(which)
    assert function.__code__ is function.__code__
    call = function(*arguments)
    assert call.cr_code is call.cr_code is call.cr_frame.f_code
    call.close()


@pytest.mark.parametrize(("owner", "name"), OTHER_CLASSES)
def test_so_are_those_of_the_other_views(owner: type, name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(owner, name))


def test_so_are_those_of_a_subclass() -> None:
    assert inspect.iscoroutinefunction(Subclass().aput)
    assert not inspect.iscoroutinefunction(Subclass().put)


@pytest.mark.parametrize("which", METHODS)
def test_a_method_shows_its_name_its_signature_and_its_docstring(which: str) -> None:
    function, arguments = method(which)
    assert function.__name__ == which.partition(".")[2]
    assert function.__qualname__.endswith(function.__name__)
    assert function.__doc__
    inspect.signature(function).bind(*arguments)
    with pytest.raises(TypeError):
        inspect.signature(function).bind(*arguments, 1, 2, 3)


def test_a_method_is_called_in_every_way_a_method_is() -> None:
    q: Any = Queue()
    function: Any = Queue.aput
    asyncio.run(function(q, 1))
    asyncio.run(q.aput(item=2))
    asyncio.run(functools.partial(function, q, item=3)())
    assert q.drain() == [1, 2, 3]
    for wrong, arguments in ((q.aput, ()), (q.aput, (1, 2)), (function, (1, 2)), (function, ())):
        with pytest.raises(TypeError):
            wrong(*arguments)
    with pytest.raises(TypeError):
        q.aput(thing=1)


@pytest.mark.parametrize("which", METHODS)
def test_what_it_gives_is_a_coroutine_to_all_who_ask(which: str) -> None:
    call = called(which)
    assert inspect.isawaitable(call)
    assert inspect.iscoroutine(call)
    assert asyncio.iscoroutine(call)
    assert isinstance(call, collections.abc.Coroutine)
    assert call.__qualname__ == which
    assert call.__name__ == which.partition(".")[2]
    assert (call.cr_await, call.cr_origin, call.cr_running) == (None, None, False)
    assert call.cr_code.co_name == call.__name__
    call.close()


@pytest.mark.parametrize("which", METHODS)
async def test_it_tells_what_state_it_is_in(which: str) -> None:
    q = METHODS[which][0]()
    function, arguments = getattr(q, METHODS[which][1]), METHODS[which][2]
    call = function(*arguments)
    assert inspect.getcoroutinestate(call) == inspect.CORO_CREATED
    assert call.cr_frame.f_code.co_name == call.__name__
    assert (call.cr_frame.f_back, call.cr_frame.f_locals) == (None, {})
    if call.__name__ in ("aget", "get", "aget_many", "apeek"):
        task = asyncio.ensure_future(call)
        for _ in range(5):
            await asyncio.sleep(0)
            assert inspect.getcoroutinestate(call) == inspect.CORO_SUSPENDED
        assert len(task.get_stack()) == 1
        q.close()
        await asyncio.wait([task])
        assert task.exception()
    else:
        await call
    assert inspect.getcoroutinestate(call) == inspect.CORO_CLOSED
    assert call.cr_frame is None
    closed = function(*arguments)
    closed.close()
    assert inspect.getcoroutinestate(closed) == inspect.CORO_CLOSED


def test_it_tells_that_it_is_running() -> None:
    states = []

    def weigh(_: object) -> int:
        states.append(inspect.getcoroutinestate(call))
        return 1

    q: Queue[int] = Queue(max_weight=1, weigh=weigh)
    call: Any = q.aput(1)
    asyncio.run(call)
    assert states == [inspect.CORO_RUNNING]


def warned(drop: Callable[[], object]) -> list[str]:
    """The warnings that a function causes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drop()
        gc.collect()
    assert all(warning.category is RuntimeWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("which", METHODS)
def test_who_forgets_to_await_it_is_warned(which: str) -> None:
    text = f"coroutine '{which}' was never awaited"
    assert warned(lambda: called(which)) == [text]
    assert warned(lambda: [called(which) for _ in range(3)]) == [text] * 3  # even for reused objects

    def in_a_cycle() -> None:
        cycle = [called(which)]
        cycle.append(cycle)

    assert warned(in_a_cycle) == [text]


@pytest.mark.parametrize("which", METHODS)
def test_who_awaited_closed_or_threw_is_not_warned(which: str) -> None:
    def use() -> None:
        called(which).close()
        with pytest.raises(LookupError):
            called(which).throw(LookupError)
        function, arguments = method(which)
        call = function(*arguments)
        with contextlib.suppress(StopIteration):
            call.send(None)

    assert warned(use) == []


def test_one_that_is_dropped_while_an_exception_is_on_its_way_disturbs_nothing() -> None:
    q: Queue[int] = Queue()

    def drop_and_raise() -> None:
        call = q.aput(1)
        raise LookupError(call is None)

    def drop() -> None:
        with pytest.raises(LookupError):
            drop_and_raise()

    assert warned(drop) == ["coroutine 'Queue.aput' was never awaited"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_warning_that_is_made_an_error_is_not_raised_out_of_nowhere() -> None:
    unraisable: list[Any] = []
    with warnings.catch_warnings(), mock.patch.object(sys, "unraisablehook", unraisable.append):
        warnings.simplefilter("error")
        called("Queue.aput")
    assert [hint.exc_type for hint in unraisable] == [RuntimeWarning]


def test_the_end_of_the_interpreter_warns_of_nothing() -> None:
    code = """
    import elasticq
    q = elasticq.Queue()
    kept = q.aput(1), q.aget_many()
    cycle = [q.aput(2)]
    cycle.append(cycle)
    """
    assert python(code, "-W", "always") == ""


async def test_a_task_of_it_says_what_it_does() -> None:
    q: Queue[int] = Queue()
    task = asyncio.create_task(q.aget(), name="taker")
    assert "name='taker' coro=<Queue.aget() running at" in repr(task)
    await asyncio.sleep(0)
    q.put(1)
    assert await task == 1
    assert "coro=<Queue.aget() done, defined at" in repr(task)


def test_it_can_be_run_by_itself() -> None:
    q: Queue[int] = Queue()
    asyncio.run(q.aput(1), debug=True)
    assert asyncio.run(q.aget()) == 1
    wrapped: Callable[[], Coroutine[Any, Any, int]] = types.coroutine(q.aget)
    q.put(2)
    assert asyncio.run(wrapped()) == 2


def test_one_who_asks_before_calling_awaits_what_comes() -> None:
    """Frameworks do this with functions that they run in the background."""
    q: Queue[int] = Queue()

    async def run_in_the_background(function: Callable[..., Any], *arguments: Any) -> None:
        if inspect.iscoroutinefunction(function):
            await function(*arguments)
        else:
            await asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    for function in (q.aput, q.async_q.put, q.put):
        asyncio.run(run_in_the_background(function, 1))
    assert q.drain() == [1, 1, 1]


async def test_mocks_of_a_queue_have_coroutines_where_it_has() -> None:
    queue = mock.create_autospec(Queue, instance=True)
    queue.aget.return_value = 1
    assert await queue.aget() == 1
    queue.get.return_value = 2
    assert queue.get() == 2
    view = mock.create_autospec(AsyncQueue, instance=True)
    await view.put(1)
    view.put.assert_awaited_once_with(1)


def test_a_task_group_of_anyio_runs_it() -> None:
    anyio = pytest.importorskip("anyio")
    q: Queue[int] = Queue()
    taken: list[int] = []

    async def main() -> None:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(q.aput, 1)
                group.start_soon(q.async_q.put, 2, name="named")
            async with anyio.create_task_group() as group:
                group.start_soon(q.aput_many, [3, 4])
            taken.extend([await q.aget() for _ in range(4)])
            async with anyio.create_task_group() as group:
                group.start_soon(q.aget)
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()

    anyio.run(main)
    assert sorted(taken) == [1, 2, 3, 4]
    assert len(q) == 0
