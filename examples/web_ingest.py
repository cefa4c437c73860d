"""A web service that takes events at once, and stores them in the background.

pip install starlette uvicorn
uvicorn --app-dir examples web_ingest:app
curl --data '[{"name": "signup"}]' http://localhost:8000/events

The answer is 202 when the events are in the queue. When they don't fit, it is 503 with `Retry-After`: nothing
of them was taken, and memory stays bounded. A thread writes them to SQLite, many in one transaction, while
the event loop goes on. When the server ends, it first stores all that it has accepted.

The environment may set INGEST_DATABASE (events.db) and INGEST_QUEUE, the most events that wait (10000).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import elasticq

DATABASE = os.environ.get("INGEST_DATABASE", "events.db")
MOST_EVENTS = int(os.environ.get("INGEST_QUEUE", "10000"))
BATCH = 500
RETRY_AFTER = {"Retry-After": "1"}  # seconds


def store(events: elasticq.Queue[str]) -> None:
    """A thread: it stores batches until the queue is shut down and empty."""
    try:
        with contextlib.closing(sqlite3.connect(DATABASE, timeout=60)) as connection:
            with connection:
                connection.execute("create table if not exists events (event text)")
            while True:
                batch = events.get_many(BATCH)
                with connection:  # one transaction
                    connection.executemany("insert into events values (?)", [(event,) for event in batch])
    except elasticq.ShutDown:
        pass
    finally:
        events.shutdown()  # after an error, say of the disk, nothing more is accepted


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Has the thread run as long as the server does, and waits until everything is stored."""
    events: elasticq.Queue[str] = elasticq.Queue(maxsize=MOST_EVENTS)
    storing = asyncio.create_task(asyncio.to_thread(store, events))
    try:
        yield {"events": events}
    finally:
        events.shutdown()
        await storing


async def accept(request: Request) -> JSONResponse:
    """Takes a list of events, all or none."""
    events: elasticq.Queue[str] = request.state.events
    try:
        new = await request.json()
        # Here, where it harms only who has sent it, and not in the thread that stores.
        texts = [json.dumps(event) for event in new] if isinstance(new, list) else None
    except (ValueError, RecursionError):  # no JSON, or lists in lists without an end
        texts = None
    if texts is None:
        return JSONResponse({"error": "the body must be a list of events, in JSON"}, 400)
    if len(texts) > events.maxsize:
        return JSONResponse({"error": f"at most {events.maxsize} events at once"}, 413)
    try:
        events.put_many(texts, block=False)
    except elasticq.Full:
        return JSONResponse({"error": "too many events are waiting"}, 503, RETRY_AFTER)
    except elasticq.ShutDown:
        return JSONResponse({"error": "events can't be stored any more"}, 503)
    return JSONResponse({"accepted": len(texts)}, 202)


async def state(request: Request) -> JSONResponse:
    """How many events wait, for a probe."""
    events: elasticq.Queue[str] = request.state.events
    return JSONResponse({"waiting": len(events)}, 503 if events.is_shutdown else 200)


app = Starlette(
    routes=[Route("/events", accept, methods=["POST"]), Route("/state", state)],
    lifespan=lifespan,
)
