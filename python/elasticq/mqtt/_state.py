"""What a proxy must know after a restart: its names at the brokers, and what it has subscribed to.

The names are made once. With them a broker finds the session again, and with it what it has kept.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from elasticq.cli.common import CommandError

_FILE = "proxy.json"


class State:
    """The file `proxy.json` in the proxy's folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        name = f"elasticq-{secrets.token_hex(6)}"
        self.from_id = f"{name}-from"
        self.to_id = f"{name}-to"
        self.to_begun = False
        """Whether the target was connected once. Before that, it is to forget a session of this name: packet
        identifiers of an older outbox could be taken for ours."""
        self._lock = threading.Lock()
        self.subscribed: list[str] = []
        """The filters that the source has granted, with the prefix `ADDRESS ID ` of the session."""
        if self._file.exists():
            self._read()
        else:
            self._write()

    def remember(self, session: str, filters: Sequence[str]) -> None:
        """Notes what the source has granted to a session."""
        with self._lock:
            self.subscribed = [session, *filters]
            self._write()

    def note_target(self) -> None:
        """Notes that the target is connected."""
        with self._lock:
            if not self.to_begun:
                self.to_begun = True
                self._write()

    def filters_of(self, session: str) -> list[str] | None:
        """What the source has granted to this session; None: nothing is known of it."""
        return self.subscribed[1:] if self.subscribed[:1] == [session] else None

    def _read(self) -> None:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
            self.from_id, self.to_id = str(known["from_id"]), str(known["to_id"])
            self.subscribed = [str(each) for each in known["subscribed"]]
            self.to_begun = bool(known["to_begun"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{self._file}: damaged: {error}; remove it to begin new sessions") from error

    def _write(self) -> None:
        known = {
            "from_id": self.from_id,
            "to_id": self.to_id,
            "to_begun": self.to_begun,
            "subscribed": self.subscribed,
        }
        text = json.dumps(known)
        new = self._file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
