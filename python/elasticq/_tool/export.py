"""`export`: all items that are inside, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticq._core import _Export
from elasticq._tool import values
from elasticq._tool.common import DAMAGED, FINE, Watched, parser, print_json, run, say
from elasticq._tool.report import damage

FORMS = f"""each line is an object:
  number      of the item, by which items are in order
  state       ready, leased, delayed or dead
  until       when a delayed item can be taken
  reason      why a dead item is dead
  deliveries  how often it was leased
  put         when it was put in
  id, headers if it has any
  item        the item

{values.FORMS}"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Exported:
    """The items of a queue, each as a dict that `json` can write."""

    def __init__(self, path: str, raw: bool = False) -> None:
        self._items = Watched(lambda _: _Export(path)).result()
        self._raw = raw

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, state, note, deliveries, put, id_, headers, stored in self._items:
            line: dict[str, Any] = {"number": number, "state": state}
            if note is not None:
                line.update({"until": _moment(int(note))} if state == "delayed" else {"reason": note})
            line.update(deliveries=deliveries, put=_moment(put))
            line.update({"id": _text(id_)} if id_ else {})
            line.update({"headers": self._value(headers)} if headers else {})
            line["item"] = self._value(stored)
            yield line

    def _value(self, stored: bytes) -> Any:
        return values.base64(stored) if self._raw else values.stored_as_json(stored)

    def print(self) -> int:
        """Prints all items, and what could not be read to stderr; returns the exit status."""
        for line in self:
            print_json(line)
        places = json.loads(self._items.damage())
        if places:
            say("Not everything could be read:\n" + damage(places))
        return DAMAGED if places else FINE


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    purpose = """Prints all items that are inside, as JSON lines: ready, leased, delayed and dead ones. Reads
only, and takes no lock. From a damaged queue come all items that can be read."""
    options = parser(program, purpose, FORMS)
    options.add_argument(
        "--raw", action="store_true", help="print items and headers as base64 of the bytes that were stored"
    )
    chosen = options.parse_args(arguments)
    return run(program, lambda: Exported(chosen.path, chosen.raw).print())


def _moment(milliseconds: int) -> str | int:
    """A time since 1970 as text; if no calendar goes so far, the number."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
    return moment.isoformat(timespec="milliseconds")


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"bytes": values.base64(value)}
