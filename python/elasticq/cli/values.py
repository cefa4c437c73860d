"""Stored values as JSON. What JSON can't say exactly is an object with the name of its type as a key."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from elasticq._core import _decode

FORMS = {
    '{"bytes": base64}': "bytes",
    '{"tuple": [...]}': "a tuple",
    '{"set": [...]}': "a set",
    '{"frozenset": [...]}': "a frozenset",
    '{"int": "0x1f..."}': "a whole number beyond 2**53",
    '{"dict": [[key, value], ...]}': "a dict with other keys, or with one of these",
    '{"float": "inf"}': "infinite, or no number",
    '{"text": base64}': "UTF-8 with lone surrogates",
    '{"datetime": "2026-11-28T19:43:11+01:00", "zone": ..., "fold": 1}': "zone and fold where they say more",
    '{"date": "2026-11-28"}': "a date",
    '{"time": "19:43:11", ...}': "a time, as datetime",
    '{"timedelta": [days, seconds, microseconds]}': "a timedelta",
    '{"timezone": {"timedelta": ...}, "name": "CET"}': "a timezone with a fixed offset",
    '{"zone": "Europe/Vienna"}': "a ZoneInfo",
    '{"pickle": base64}': "a pickle, which is never loaded",
    '{"stored": base64}': "what the queue has stored, if it is of another codec, or damaged",
}
"""What stands for a value, and what it means: for the manual."""

_FORMS = frozenset(re.findall(r'\{"(\w+)":', " ".join(FORMS)))
"""The keys above. A dict that has one of them is written as pairs."""

_PICKLE = b"\2"

_EXACT = 2**53
"""All whole numbers up to this one are floats, too, and many readers know no other numbers."""


def base64(value: bytes) -> str:
    """Bytes as text."""
    return b64encode(value).decode("ascii")


def stored_as_json(stored: bytes) -> Any:
    """A value as the binding's codec has stored it. Nothing is run that the bytes name."""
    if stored[:1] == _PICKLE:
        return {"pickle": base64(stored[1:])}
    try:
        value = _decode(stored)
    except Exception:  # what it raises depends on the bytes, and on the time zones that this machine knows
        return {"stored": base64(stored)}
    return as_json(value)


def as_json(value: Any) -> Any:
    """A value of the plain codec as `json` can write it. The types are exact: no other ones are stored."""
    write = _WRITERS.get(type(value), _time)
    return write(value)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    return value if -_EXACT <= value <= _EXACT else {"int": hex(value)}


def _sequence(value: Any) -> Any:
    return {type(value).__name__: [as_json(item) for item in value]}


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"text": base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _dict(value: dict[Any, Any]) -> Any:
    pairs = [(as_json(key), as_json(item)) for key, item in value.items()]
    if all(isinstance(key, str) and key not in _FORMS for key, _ in pairs):
        return dict(pairs)
    return {"dict": [list(pair) for pair in pairs]}


def _time(value: Any) -> Any:
    if isinstance(value, datetime | time):
        form = {type(value).__name__: value.isoformat(), **_zone_of(value.tzinfo)}
        return {**form, "fold": 1} if value.fold else form
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, tzinfo):
        return _zone(value)
    raise TypeError(f"no value of {type(value).__qualname__} is stored")


def _zone_of(zone: tzinfo | None) -> dict[str, Any]:
    """What the text of a time does not say of its zone."""
    if zone is None or (
        isinstance(zone, timezone) and zone == timezone(zone.utcoffset(None)) and _plain(zone)
    ):
        return {}
    return {"zone": _zone(zone)}


def _plain(zone: timezone) -> bool:
    return zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)


def _zone(zone: tzinfo) -> dict[str, Any]:
    if isinstance(zone, ZoneInfo):
        return {"zone": zone.key}
    offset = zone.utcoffset(None) or timedelta()
    form: dict[str, Any] = {"timezone": _time(offset)}
    if isinstance(zone, timezone) and not _plain(zone):
        form["name"] = zone.tzname(None)
    return form


_WRITERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: _text,
    int: _number,
    float: _number,
    bytes: lambda value: {"bytes": base64(value)},
    list: lambda value: [as_json(item) for item in value],
    tuple: _sequence,
    set: _sequence,
    frozenset: _sequence,
    dict: _dict,
}
