"""What the command measures: each case with all queues that are installed, in turns, for so many seconds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from elasticq.bench import ends, files
from elasticq.bench.contest import LONGEST_SECONDS, Contender, Trial, calibrate, order, sample_seconds, timed
from elasticq.bench.loops import put_and_get
from elasticq.bench.machine import threads_at_once
from elasticq.bench.standings import Standing
from elasticq.bench.trials import Bridge, FromTaskToTask, FromThreadToTask, Pairs, Streams

LEAST_ROUNDS = 6
"""Fewer rounds have no halves worth comparing."""
MOST_ROUNDS = 60
_SHARE = 24
"""A contender takes about so many samples' time in a case: some rounds, and finding the samples' length."""
_LEAST_SYNCED = 20

Tick = Callable[[str], None]
"""Is told before each sample what is done. It may raise: between samples nothing is left half done."""


@dataclass
class Result:
    """What was measured in a case."""

    case: Case
    ours: Standing
    others: list[Standing]
    is_short: bool
    """Whether the samples are shorter than they should be, since there was too little time."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Peers that could not run, and why."""

    @property
    def rounds(self) -> int:
        """How often each contender ran."""
        return len(self.ours.seconds)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "case": self.case.name,
            "what": self.case.title,
            "threads": self.case.threads,
            "rounds": self.rounds,
            "samples_are_short": self.is_short,
            "contenders": [standing.as_dict(self.ours) for standing in (self.ours, *self.others)],
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Case:
    """One kind of work, and who does it. The first contender is ours."""

    name: str
    title: str
    contenders: Sequence[Contender]
    threads: int = 1

    def run(self, seconds: float, tick: Tick) -> Result:
        """Measures for about so many seconds, and at least some rounds."""
        deadline = perf_counter() + seconds
        usual = sample_seconds(self.threads, threads_at_once())
        wanted = min(usual, seconds / (_SHARE * len(self.contenders)))
        longest = LONGEST_SECONDS * wanted / usual
        running: list[tuple[Contender, Standing]] = []
        left_out: dict[str, str] = {}
        for contender in self.contenders:
            doing = f"{self.name}: how long a sample of {contender.name} has to be"
            try:
                batches = calibrate(_telling(contender, tick, doing), wanted, max(longest, wanted))
            except Exception as error:  # a peer of another version may do anything
                if not running:
                    raise
                left_out[contender.name] = f"{type(error).__name__}: {error}"
                continue
            running.append((contender, Standing(contender.name, batches * contender.batch)))
        round_ = 0
        while round_ < LEAST_ROUNDS or (perf_counter() < deadline and round_ < MOST_ROUNDS):
            for index in order(len(running), round_):
                tick(f"{self.name}: round {round_ + 1}")
                contender, standing = running[index]
                standing.seconds.append(timed(contender.trial(standing.items // contender.batch)))
            round_ += 1
        ours, *others = (standing for _, standing in running)
        return Result(self, ours, others, wanted < usual, left_out)


def _telling(contender: Contender, tick: Tick, doing: str) -> Contender:
    """The same contender, which tells what is done before each of its trials."""

    def trial(batches: int) -> Trial:
        tick(doing)
        return contender.trial(batches)

    return replace(contender, trial=trial)


def _one_thread(_: Path) -> Case:
    makers = [
        (ends.OURS, ends.elastic_queue),
        ("queue.Queue", ends.standard_queue),
        ("queue.SimpleQueue", ends.simple_queue),
    ]
    contenders = [Contender(name, partial(Pairs, put_and_get, make)) for name, make in makers]
    return Case("one-thread", "put and get, in one thread", contenders)


def _threads(producers: int, name: str, _: Path) -> Case:
    makers = [
        (ends.OURS, ends.elastic_queue),
        ("queue.Queue", ends.standard_queue),
        ("queue.SimpleQueue", ends.simple_queue),
    ]
    contenders = [
        Contender(label, partial(Streams, producers, make), batch=producers) for label, make in makers
    ]
    many = "1 thread puts" if producers == 1 else f"{producers} threads put"
    return Case(name, f"{many}, another one takes", contenders, producers + 1)


def _bridge(
    name: str, title: str, maxsize: int, trial: type[Bridge[Any]], makers: Sequence[tuple[str, str, Any]]
) -> Case:
    contenders = [
        Contender(label, partial(trial, partial(make, maxsize)))
        for module, label, make in makers
        if is_there(module)
    ]
    return Case(name, title, contenders, trial.threads)


def _thread_to_task(_: Path) -> Case:
    makers = [
        ("elasticq", ends.OURS, ends.elastic_from_thread),
        ("asyncio", "asyncio.Queue, call_soon", ends.call_soon_from_thread),
        ("janus", "janus.Queue", ends.janus_from_thread),
        ("culsans", "culsans.Queue", ends.culsans_from_thread),
    ]
    title = "a thread puts, a task of an event loop takes"
    return _bridge("thread-to-task", title, 0, FromThreadToTask, makers)


def _tasks(_: Path) -> Case:
    makers = [
        ("elasticq", ends.OURS, ends.elastic_tasks),
        ("asyncio", "asyncio.Queue", ends.asyncio_tasks),
        ("janus", "janus.Queue", ends.janus_tasks),
        ("culsans", "culsans.Queue", ends.culsans_tasks),
    ]
    title = "a task puts, another one takes; room for 100 items"
    return _bridge("tasks", title, 100, FromTaskToTask, makers)


def _durable(folder: Path) -> Case:
    peers = files.there(
        ("persistqueue", files.SQLITE_ACK, files.sqlite_ack), ("sqlite3", files.SQLITE, files.sqlite)
    )
    contenders = [
        Contender(name, partial(files.Work, files.both, make, folder), least=_LEAST_SYNCED)
        for name, make in [(files.OURS, files.ours_synced), *peers]
    ]
    title = "put, lease and acknowledge, in files, 100 bytes an item; each call is durable when it returns"
    return Case("durable", title, contenders)


CASES: dict[str, Callable[[Path], Case]] = {
    "one-thread": _one_thread,
    "threads": partial(_threads, 1, "threads"),
    "many-threads": partial(_threads, 4, "many-threads"),
    "thread-to-task": _thread_to_task,
    "tasks": _tasks,
    "durable": _durable,
}
"""Each case, which may make files in the folder that it is given."""

PEERS = {"janus": "janus", "culsans": "culsans", "persistqueue": "persist-queue"}
"""Modules that need not be installed, and their names on PyPI."""


def is_there(module: str) -> bool:
    """Whether a peer can be imported."""
    try:
        importlib.import_module(module)
    except Exception:  # one that is broken is no peer, either
        return False
    return True
