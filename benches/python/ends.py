"""The two ends of those queues that only these benchmarks have."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from typing import Any

import culsans
import janus

import elasticq
import elasticq.asyncio
from elasticq.bench.ends import Ends, Plain, Tasks, ToThread


def elastic_queue_nowait() -> Plain:
    """Ours, with the calls that never wait."""
    ours = elasticq.Queue[Any]()
    return Ends(ours.put_nowait, ours.get_nowait, ours.qsize)


def elastic_stack() -> Plain:
    """Ours, which gives its newest item first."""
    ours = elasticq.LifoQueue[Any]()
    return Ends(ours.put, ours.get, ours.qsize)


def standard_stack() -> Plain:
    """The one to be replaced."""
    standard = queue.LifoQueue[Any]()
    return Ends(standard.put, standard.get, standard.qsize)


def elastic_heap() -> Plain:
    """Ours, which gives its smallest item first."""
    ours = elasticq.PriorityQueue[Any]()
    return Ends(ours.put, ours.get, ours.qsize)


def standard_heap() -> Plain:
    """The one to be replaced."""
    standard = queue.PriorityQueue[Any]()
    return Ends(standard.put, standard.get, standard.qsize)


def moved_queue() -> Plain:
    """Ours, after somebody has used its lock."""
    ours = elasticq.Queue[Any]()
    with ours.mutex:
        pass
    return Ends(ours.put, ours.get, ours.qsize)


def plain_deque() -> Plain:
    """Not a queue, since it can't wait. The least time for anything that holds items."""
    plain = deque[Any]()
    return Ends(plain.append, plain.popleft, plain.__len__)


def elastic_to_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> ToThread:
    """Ours."""
    ours = elasticq.Queue[Any](maxsize)
    return Ends(ours.aput, ours.get, ours.qsize)


def janus_to_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> ToThread:
    """A queue with one side for threads and one for tasks."""
    both = janus.Queue[Any](maxsize)
    return Ends(both.async_q.put, both.sync_q.get, both.sync_q.qsize, both.aclose)


def culsans_to_thread(maxsize: int, _: asyncio.AbstractEventLoop) -> ToThread:
    """Another such queue, for several event loops."""
    both = culsans.Queue[Any](maxsize)
    return Ends(both.async_q.put, both.sync_q.get, both.sync_q.qsize, both.aclose)


def elastic_asyncio_tasks(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """Ours, under asyncio's names."""
    ours = elasticq.asyncio.Queue[Any](maxsize)
    return Ends(ours.put, ours.get, ours.qsize)


def elastic_asyncio_lifo(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """Ours, which gives the last item first."""
    ours = elasticq.asyncio.LifoQueue[Any](maxsize)
    return Ends(ours.put, ours.get, ours.qsize)


def elastic_asyncio_priority(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """Ours, which gives the smallest item first."""
    ours = elasticq.asyncio.PriorityQueue[Any](maxsize)
    return Ends(ours.put, ours.get, ours.qsize)


def asyncio_lifo(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """The standard library's, which gives the last item first."""
    standard = asyncio.LifoQueue[Any](maxsize)
    return Ends(standard.put, standard.get, standard.qsize)


def asyncio_priority(maxsize: int, _: asyncio.AbstractEventLoop) -> Tasks:
    """The standard library's, which gives the smallest item first."""
    standard = asyncio.PriorityQueue[Any](maxsize)
    return Ends(standard.put, standard.get, standard.qsize)
