"""The proxy: a source that stores in an outbox, which hands on to a target."""

from __future__ import annotations

import shutil
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from elasticq import AlreadyOpen, Corrupted, QueueError, metrics
from elasticq.cli.common import DAMAGED, FAILED, CommandError, text_of

from ._address import Address
from ._link import Link, made_client
from ._outbox import DeadMessage, Outbox
from ._source import Receiver, Source
from ._state import State
from ._told import Figures, Teller
from ._wire import Wire

if TYPE_CHECKING:
    from elasticq import SyncMode

_LAST_SECONDS = 2.0
"""How long what is on its way may take at the end."""
_ROOM_AGAIN = 0.9
"""The share of the disk limit below which the source is connected again."""
_FREE = 32 * 1024 * 1024
"""A disk with fewer free bytes is as good as full: the queues grow by files of 16 MiB."""
_ROUND_SECONDS = 0.5


@dataclass(frozen=True)
class Side:
    """What is known of one side."""

    address: Address
    client_id: str | None
    version: Literal["3.1.1", "5"]
    context: ssl.SSLContext | None


@dataclass(frozen=True)
class Settings:
    """What the proxy was told to do."""

    source: Side
    target: Side
    folder: Path
    filters: Sequence[str]
    prefix: str = ""
    keepalive: int = 60
    max_inflight: int = 200
    max_tries: int = 5
    max_disk: int | None = None
    overflow: Literal["block", "drop-oldest", "drop-newest"] = "block"
    sync_mode: Literal["no_sync", "every_write"] | SyncMode = "every_write"
    bridge: bool = False
    retry_dead: bool = False


class Proxy:
    """Takes, keeps and hands on, from `start` to `close`."""

    def __init__(self, settings: Settings, teller: Teller) -> None:
        self._settings = settings
        self._teller = teller
        self._prepare_folder()
        source, target = settings.source, settings.target
        state = State(settings.folder)
        receiver = made_client(
            Receiver, source.client_id or state.from_id, source.version, source.address, source.context
        )
        assert isinstance(receiver, Receiver)
        self._receiver = receiver
        if settings.bridge:
            receiver.enable_bridge_mode()
        sender = made_client(
            Wire, target.client_id or state.to_id, target.version, target.address, target.context
        )
        sender.max_inflight_messages = 0  # the outbox has a limit, and paho's is slow
        self._links = {
            "from": Link("from", source.address, receiver, settings.keepalive, teller),
            "to": Link("to", target.address, sender, settings.keepalive, teller),
        }
        self._links["from"].receive_maximum = settings.max_inflight
        self._links["to"].begins_anew = not state.to_begun
        self._links["to"].when_connected = state.note_target
        self.outbox = self._opened(sender)
        self._source = Source(
            self._links["from"],
            receiver,
            self.outbox,
            state,
            teller,
            filters=settings.filters,
            prefix=settings.prefix.encode("utf-8"),
            drops_newest=settings.overflow == "drop-newest",
            room_again=self._has_room_again,
        )
        self._has_begun = False
        self._names = ExitStack()
        for qos, queue in self.outbox._queues.items():
            self._names.enter_context(metrics.instrument(queue, f"mqtt qos {qos}"))

    def run(self, stop: threading.Event) -> int:
        """Works until `stop` is set. Returns the exit status.

        Raises:
            CommandError: Something is wrong that trying again does not mend.
        """
        self._has_begun = True
        if self._settings.retry_dead:
            self.outbox.retry_dead()
        stored = self.outbox.depth
        self._teller.tell(
            "started", f"{self._settings.folder}: {stored:,} messages are stored", stored=stored
        )
        for link in self._links.values():
            link.start()
        while not stop.wait(_ROUND_SECONDS):
            self._check()
        return 0

    def close(self) -> None:
        """Stops receiving, gives what is on its way a moment, and closes."""
        self._links["from"].stop()
        self.outbox._hand_over.publish_no_more()
        if self._links["to"].connected:
            deadline = time.monotonic() + _LAST_SECONDS
            while self.outbox._hand_over.on_the_way and time.monotonic() < deadline:
                time.sleep(0.01)
        seen = self.figures()
        self._names.close()
        self.outbox.close()
        self._links["to"].stop()
        if not self._has_begun:
            return
        received, forwarded = (sum(seen[name].values()) for name in ("received", "forwarded"))
        line = f"stopped: {received:,} received, {forwarded:,} forwarded, {seen['depth']:,} stored"
        self._teller.tell("stopped", line, **seen)

    def tell_metrics(self, address: str) -> None:
        """Tells where the page for Prometheus is."""
        self._teller.tell("metrics", f"metrics: {address}", address=address)

    def figures(self) -> Figures:
        """What Prometheus is told."""
        hand_over, receiver = self.outbox._hand_over, self._receiver
        dropped = sum(self.outbox._dropped.values()) + self._source.dropped
        return {
            "received": dict(receiver.received),
            "forwarded": dict(hand_over.delivered),
            "redelivered": receiver.redelivered,
            "duplicates": receiver.duplicates,
            "repeated": hand_over.repeated,
            "dropped": {"disk": dropped, "expired": hand_over.expired},
            "given_up": hand_over.refused,
            "depth": self.outbox.depth,
            "disk_bytes": self.outbox._disk(),
            "oldest_age_seconds": round(self.outbox._oldest() or 0.0, 3),
            "connected": {side: int(link.connected) for side, link in self._links.items()},
        }

    def _prepare_folder(self) -> None:
        folder = self._settings.folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandError(text_of(error)) from error

    def _opened(self, sender: Wire) -> Outbox:
        settings = self._settings
        try:
            return Outbox(
                sender,
                settings.folder,
                sync_mode=settings.sync_mode,
                max_inflight=settings.max_inflight,
                max_tries=settings.max_tries,
                max_disk=settings.max_disk,
                overflow="drop_oldest" if settings.overflow == "drop-oldest" else "refuse",
                on_dead=self._tell_dead,
            )
        except AlreadyOpen as error:
            raise CommandError(f"{settings.folder}: in use: {error}") from error
        except Corrupted as error:
            raise CommandError(f"{error}; elasticq repair helps", DAMAGED) from error
        except QueueError as error:
            raise CommandError(text_of(error) if isinstance(error, OSError) else str(error)) from error

    def _tell_dead(self, dead: DeadMessage) -> None:
        line = f"target: a message to {dead.topic[:200]!r} was given up: {dead.reason}"
        facts = {
            "topic": dead.topic[:200],
            "qos": dead.qos,
            "bytes": len(dead.payload),
            "reason": dead.reason,
        }
        self._teller.tell("given_up", line, **facts)

    def _has_room_again(self) -> bool:
        """Whether the source may be connected again after a pause."""
        is_empty = self.outbox.depth == 0
        if is_empty and self._is_tight():
            for queue in self.outbox._queues.values():
                queue.compact()
        # With less room than was asked for, the same messages would come and be refused again.
        return not self._is_tight() and (is_empty or self.outbox._has_room(self.outbox._refused))

    def _is_tight(self) -> bool:
        limit = self._settings.max_disk
        if limit is not None and self.outbox._disk() > _ROOM_AGAIN * limit:
            return True
        return shutil.disk_usage(self._settings.folder).free < _FREE

    def _check(self) -> None:
        """Ends what can't go on."""
        for link in self._links.values():
            if link.ended.is_set():
                raise CommandError(link.failure or "it has ended", DAMAGED if link.has_broken else FAILED)
        if self._source.refusal is not None:
            raise CommandError(self._source.refusal)
        if self.outbox._hand_over.failure is not None:
            error = self.outbox._hand_over.failure
            raise CommandError(f"{self._settings.folder}: nothing is handed on any more: {error}", DAMAGED)
