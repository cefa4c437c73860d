"""From a thread to a task, from a task to a thread, and from task to task. The consumer adds up the items."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from ends import (
    asyncio_lifo,
    asyncio_priority,
    culsans_to_thread,
    elastic_asyncio_lifo,
    elastic_asyncio_priority,
    elastic_asyncio_tasks,
    elastic_to_thread,
    janus_to_thread,
)
from versus import Contest, Target

from elasticq.bench.contest import Contender
from elasticq.bench.ends import (
    OURS,
    Ends,
    asyncio_tasks,
    call_soon_from_thread,
    culsans_from_thread,
    culsans_tasks,
    elastic_from_thread,
    elastic_tasks,
    janus_from_thread,
    janus_tasks,
)
from elasticq.bench.trials import Bridge, FromTaskToTask, FromTaskToThread, FromThreadToTask

pytest_plugins = ["versus.plugin"]

Maker = Callable[[int, asyncio.AbstractEventLoop], Ends[Any, Any]]


def bridge(
    name: str,
    maxsize: int,
    trial: type[Bridge[Any]],
    makers: Sequence[tuple[str, Maker]],
    target: Target,
) -> Contest:
    """With a limit, the two ends wake each other. Without one, no task waits for room."""
    limit = f"room for {maxsize:,}" if maxsize else "no limit"
    contenders = [Contender(label, partial(trial, partial(make, maxsize))) for label, make in makers]
    return Contest(f"{name}, {limit}", contenders, [target], trial.threads)


@pytest.mark.parametrize("maxsize", [0, 1_000])
def test_thread_to_task(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers: list[tuple[str, Maker]] = [
        (OURS, elastic_from_thread),
        ("janus", janus_from_thread),
        ("culsans", culsans_from_thread),
    ]
    if maxsize == 0:
        makers.append(("call_soon_threadsafe", call_soon_from_thread))
    compete(bridge("thread to task", maxsize, FromThreadToTask, makers, Target("janus", 15)))


@pytest.mark.parametrize("maxsize", [0, 1_000])
def test_task_to_thread(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers = [(OURS, elastic_to_thread), ("janus", janus_to_thread), ("culsans", culsans_to_thread)]
    compete(bridge("task to thread", maxsize, FromTaskToThread, makers, Target("janus", 15)))


@pytest.mark.parametrize("maxsize", [0, 100, 1])
def test_task_to_task(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers = [
        (OURS, elastic_tasks),
        ("asyncio.Queue", asyncio_tasks),
        ("janus", janus_tasks),
        ("culsans", culsans_tasks),
    ]
    compete(bridge("task to task", maxsize, FromTaskToTask, makers, Target("asyncio.Queue", 3)))


@pytest.mark.parametrize("maxsize", [0, 100])
@pytest.mark.parametrize(
    ("name", "ours", "standard"),
    [
        ("Queue", elastic_asyncio_tasks, asyncio_tasks),
        ("LifoQueue", elastic_asyncio_lifo, asyncio_lifo),
        ("PriorityQueue", elastic_asyncio_priority, asyncio_priority),
    ],
)
def test_asyncio_names(
    compete: Callable[[Contest], None], name: str, ours: Maker, standard: Maker, maxsize: int
) -> None:
    """Programs that have moved by their import alone."""
    makers = [(f"elasticq.asyncio.{name}", ours), (f"asyncio.{name}", standard)]
    target = Target(f"asyncio.{name}", 5 if name == "Queue" else 1)
    compete(bridge(f"task to task, {name} of asyncio", maxsize, FromTaskToTask, makers, target))
