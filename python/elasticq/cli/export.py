"""`export`: all items that are inside, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticq._core import _Export
from elasticq.cli import values
from elasticq.cli.common import DAMAGED, FINE, print_json, say
from elasticq.cli.durable import Watched, guarded
from elasticq.cli.durable import parser as parser_of_tool
from elasticq.cli.manual import Manual, Text
from elasticq.cli.report import damage

FORMS: dict[str, list[Text]] = {
    "each item is a line with a JSON object": [
        ("number", "of the item, by which items are in order"),
        ("state", "ready, leased, delayed or dead"),
        ("until", "when a delayed item can be taken"),
        ("reason", "why a dead item is dead"),
        ("deliveries", "how often it was leased"),
        ("put", "when it was put in"),
        ("id, headers", "if it has any"),
        ("item", "the item"),
    ],
    "how items are written": [
        "null, true, false, texts, lists, and numbers that every JSON reader reads exactly are themselves. A "
        "dict whose keys are texts is an object. Everything else is an object with one of these keys:",
        *values.FORMS.items(),
    ],
}

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


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Prints all items that are inside, as JSON lines: ready, leased, delayed and dead ones. Reads only, "
        "and takes no lock. From a damaged queue come all items that can be read.",
        "Use it to see what is in a queue, to move items elsewhere, or to save them from a broken disk. No "
        "code runs that an item names: pickles are shown, and never loaded.",
    ]
    examples = [
        f"$ {program} /var/lib/app/jobs > items.jsonl",
        f'$ {program} /var/lib/app/jobs | grep \'"state":"dead"\'',
    ]
    made = parser_of_tool(program, about, {"examples": examples, **FORMS}, has_json=False)
    made.add_argument(
        "--raw", action="store_true", help="print items and headers as base64 of the bytes that were stored"
    )
    return made


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)
    return guarded(lambda: Exported(chosen.path, chosen.raw).print())


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
