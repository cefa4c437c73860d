"""What an outbox hears of a client, beside the callbacks that its program has.

paho has room for one callback of a kind. So an outbox puts one of its own there, which calls the program's. A
program may set its callbacks at any time; the outbox notices, and puts its own before the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt

_Callback = Callable[..., Any]


class Hooks:
    """Callbacks that are called before the program's, which get what paho gives."""

    def __init__(self, client: mqtt.Client, heard: dict[str, _Callback]) -> None:
        self._client = client
        self._heard = heard
        self._placed: dict[str, tuple[_Callback, _Callback | None]] = {}
        """Ours that were placed, with the program's which they call."""
        self.place()

    def place(self) -> bool:
        """Puts the callbacks where they are not. Returns whether the program had replaced one."""
        replaced = False
        for name, heard in self._heard.items():
            present: _Callback | None = getattr(self._client, name)
            placed = self._placed.get(name)
            if placed is not None and present is placed[0]:
                continue
            replaced |= placed is not None
            ours = _chained(heard, present)
            self._placed[name] = (ours, present)
            setattr(self._client, name, ours)
        return replaced

    def remove(self) -> None:
        """Gives the program's callbacks their places back."""
        for name, (ours, theirs) in self._placed.items():
            if getattr(self._client, name) is ours:
                setattr(self._client, name, theirs)
        self._placed.clear()


def _chained(first: _Callback, then: _Callback | None) -> _Callback:
    if then is None:
        return first

    def both(*arguments: Any) -> Any:
        first(*arguments)
        return then(*arguments)

    return both
