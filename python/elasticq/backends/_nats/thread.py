"""An event loop in a daemon thread of its own, and how threads and other loops call coroutines in it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from elasticq._errors import InvalidOperation, ShutDown
from elasticq._waits import result_of

R = TypeVar("R")


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody has asked for. That a connection has failed is told to whoever waits for it anyway, and
    would be printed once more.
    """
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


CLOSED = "the queue was closed"

LAST = 5.0
"""Seconds that the last coroutine of a loop may take."""


class LoopThread:
    """An event loop that runs until it is stopped."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_unheard)
        self._process = os.getpid()
        self._stopped = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Runs a coroutine in the loop, and blocks until it ends."""
        future = self._begun(work)
        try:
            return result_of(future)
        except CancelledError:
            raise ShutDown(CLOSED) from None
        except BaseException:
            future.cancel()  # an exception of a signal handler, say: nobody waits for the result any more
            raise

    async def arun(self, work: Coroutine[Any, Any, R]) -> R:
        """Runs a coroutine in the loop, and waits for its end in any loop. Cancelling one cancels both."""
        try:
            return await asyncio.wrap_future(self._begun(work))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._stopped and not (task and task.cancelling()):
                raise ShutDown(CLOSED) from None
            raise

    def post(self, call: Callable[..., object], *arguments: object) -> None:
        """Lets the loop make a call soon. If it has ended, nothing happens."""
        if self._process == os.getpid():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call, *arguments)

    def close(self, first: Callable[[], object], last: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Makes a call in the loop, which tells all that runs there to end, and then runs a last coroutine.
        After that the loop and its thread end. What still runs there is cancelled.
        """
        if self._stopped or self._process != os.getpid():
            return
        self._stopped = True
        if threading.current_thread() is self._thread:  # the last reference went there
            ending = self._loop.create_task(self._last(first, last))
            ending.add_done_callback(lambda _: self._loop.stop())
        else:
            result_of(asyncio.run_coroutine_threadsafe(self._last(first, last), self._loop))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    async def _last(
        self, first: Callable[[], object], last: Callable[[], Coroutine[Any, Any, object]]
    ) -> None:
        try:
            async with asyncio.timeout(LAST):
                first()
                if self._calls:
                    await asyncio.wait(list(self._calls), timeout=LAST / 2)
                await last()
        except TimeoutError:
            return  # the servers don't answer, and notice by themselves that the client has gone

    async def _call(self, work: Coroutine[Any, Any, R]) -> R:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await work
        finally:
            self._calls.discard(task)

    def _begun(self, work: Coroutine[Any, Any, R]) -> Future[R]:
        try:
            if self._process != os.getpid():
                raise InvalidOperation("the queue was opened before this process was forked: open it anew")
            if self._stopped:
                raise ShutDown(CLOSED)
            if threading.current_thread() is self._thread:
                raise InvalidOperation(
                    "a callback of the queue's own client can't call the queue: it would wait for itself"
                )
            try:
                return asyncio.run_coroutine_threadsafe(self._call(work), self._loop)
            except RuntimeError:
                raise ShutDown(CLOSED) from None
        except BaseException:
            work.close()
            raise
