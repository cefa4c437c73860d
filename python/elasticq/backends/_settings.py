"""Settings of work queues: from a URL, where all are text, or from keywords. Each has one meaning.

A reader of a setting gets the text or the value, and gives what the engine takes. What it can't read is a
ValueError or a TypeError whose text is the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from elasticq._errors import InvalidConfiguration

Reader = Callable[[Any], Any]

_SECRETS = ("password", "token")


def settings_of(
    scheme: str, query: str, keywords: Mapping[str, Any], readers: Mapping[str, Reader]
) -> dict[str, Any]:
    """Reads all settings of a URL and of a call. None, as a keyword, is as good as no setting."""
    found: dict[str, Any] = {}
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, value in [*pairs, *((name, value) for name, value in keywords.items() if value is not None)]:
        if name not in readers:
            known = ", ".join(sorted(readers))
            raise InvalidConfiguration(f"{scheme}:// has no setting {name!r}; it has: {known}")
        if name in found:
            raise InvalidConfiguration(f"the setting {name!r} of {scheme}:// was given twice")
        try:
            found[name] = readers[name](value)
        except (TypeError, ValueError) as error:
            shown = "not usable" if name in _SECRETS else repr(value)
            raise InvalidConfiguration(f"the setting {name!r} of {scheme}:// is {shown}: {error}") from None
    return found


def whole(least: int) -> Reader:
    """A whole number that is at least this."""

    def read(value: Any) -> int:
        rule = f"it must be a whole number, at least {least}"
        if isinstance(value, (bool, float)) or not isinstance(value, (int, str)):
            raise TypeError(rule)
        try:
            number = int(value)
        except ValueError:
            raise ValueError(rule) from None
        if number < least:
            raise ValueError(rule)
        return number

    return read


def seconds(least: float = 0.0, *, beyond: bool = False) -> Reader:
    """A length of time in seconds: at least this, or more than this (`beyond`)."""

    def read(value: Any) -> float:
        rule = f"it must be seconds, {'more than' if beyond else 'at least'} {least:g}"
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise TypeError(rule)
        try:
            length = float(value)
        except ValueError:
            raise ValueError(rule) from None
        if not least <= length < float("inf") or (beyond and length == least):
            raise ValueError(rule)
        return length

    return read


def text(value: Any) -> str:
    """Text that is not empty; a path becomes text."""
    rule = "it must be text that is not empty"
    if not isinstance(value, str):
        if not hasattr(value, "__fspath__"):
            raise TypeError(rule)
        value = value.__fspath__()
    if not isinstance(value, str) or not value:
        raise ValueError(rule)
    return value


def one_of(*names: str) -> Reader:
    """One of these names."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"it must be one of {', '.join(names)}")
        return str(value)

    return read
