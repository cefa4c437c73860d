"""The two ends of each queue that takes part, as plain callables, so that all queues run the same loops.

What may not be installed is imported only where such a queue is made.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import elasticq

P = TypeVar("P")
G = TypeVar("G")


async def _nothing() -> None:
    """There is nothing to close."""


@dataclass(frozen=True)
class Ends(Generic[P, G]):
    """A fresh queue of any kind: how items are put and taken, and how many are inside."""

    put: Callable[[Any], P]
    get: Callable[[], G]
    size: Callable[[], int]
    close: Callable[[], Awaitable[object]] = _nothing


Plain = Ends[object, Any]
FromThread = Ends[object, Awaitable[Any]]
ToThread = Ends[Awaitable[object], Any]
Tasks = Ends[Awaitable[object], Awaitable[Any]]

OURS = "elasticq.Queue"


def elastic_queue() -> Plain:
    """Ours."""
    ours = elasticq.Queue[Any]()
    return Ends(ours.put, ours.get, ours.qsize)


def standard_queue() -> Plain:
    """The queue to be replaced."""
    standard = queue.Queue[Any]()
    return Ends(standard.put, standard.get, standard.qsize)


def simple_queue() -> Plain:
    """The standard library's queue in C, without a limit and without task_done."""
    simple = queue.SimpleQueue[Any]()
    return Ends(simple.put, simple.get, simple.qsize)


def elastic_from_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> FromThread:
    """Ours."""
    ours = elasticq.Queue[Any](maxsize)
    return Ends(ours.put, ours.aget, ours.qsize)


def janus_from_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> FromThread:
    """A queue with one side for threads and one for tasks."""
    import janus

    both = janus.Queue[Any](maxsize)
    return Ends(both.sync_q.put, both.async_q.get, both.sync_q.qsize, both.aclose)


def culsans_from_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> FromThread:
    """Another such queue, for several event loops."""
    import culsans

    both = culsans.Queue[Any](maxsize)
    return Ends(both.sync_q.put, both.async_q.get, both.sync_q.qsize, both.aclose)


def call_soon_from_thread(_: int, loop: asyncio.AbstractEventLoop) -> FromThread:
    """The way that needs no library. It has no limit, since the putting thread could not wait for room."""
    plain = asyncio.Queue[Any]()
    put: Callable[[Any], object]
    put = partial(loop.call_soon_threadsafe, plain.put_nowait)  # type: ignore[arg-type]
    return Ends(put, plain.get, plain.qsize)


def elastic_tasks(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """Ours."""
    ours = elasticq.Queue[Any](maxsize)
    return Ends(ours.aput, ours.aget, ours.qsize)


def asyncio_tasks(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """The standard library's queue for tasks, which no other thread may touch."""
    standard = asyncio.Queue[Any](maxsize)
    return Ends(standard.put, standard.get, standard.qsize)


def janus_tasks(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """A queue with one side for threads and one for tasks."""
    import janus

    both = janus.Queue[Any](maxsize)
    return Ends(both.async_q.put, both.async_q.get, both.sync_q.qsize, both.aclose)


def culsans_tasks(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """Another such queue, for several event loops."""
    import culsans

    both = culsans.Queue[Any](maxsize)
    return Ends(both.async_q.put, both.async_q.get, both.sync_q.qsize, both.aclose)
