"""The schemes of `elasticq.connect`: which engine a URL means. Each is imported when its URL is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from elasticq._errors import InvalidConfiguration

from ._contract import WorkQueue

GROUP = "elasticq.backends"
"""The group of entry points whose names are further schemes."""


def _memory(url: str, parts: SplitResult, settings: Mapping[str, Any]) -> WorkQueue[Any]:
    from ._memory import open_memory

    return open_memory(url, parts, settings)


def _file(url: str, parts: SplitResult, settings: Mapping[str, Any]) -> WorkQueue[Any]:
    from ._local import open_files

    return open_files(url, parts, settings)


def _nats(url: str, parts: SplitResult, settings: Mapping[str, Any]) -> WorkQueue[Any]:
    try:
        import nats  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as error:
        if error.name != "nats":
            raise
        raise ImportError(
            f"{parts.scheme}:// needs the package nats-py: pip install 'elasticq[nats]'", name="nats"
        ) from None
    from ._nats import open_nats

    return open_nats(url, parts, settings)


_OURS: dict[str, Callable[[str, SplitResult, Mapping[str, Any]], WorkQueue[Any]]] = {
    "memory": _memory,
    "file": _file,
    "nats": _nats,
    "tls": _nats,
    "nats+tls": _nats,
}


def opened(url: str, settings: Mapping[str, Any]) -> WorkQueue[Any]:
    """Opens the queue of a URL: by an engine of ours, or by one that a package has registered."""
    if not isinstance(url, str):
        raise TypeError(f"the URL of a work queue must be text, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidConfiguration(f"{_shown(url)} is no URL of a work queue: {error}") from None
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise InvalidConfiguration(
            f"{_shown(url)} is no URL of a work queue: write memory://name, file:///path or nats://host/stream"
        )
    ours = _OURS.get(parts.scheme)
    if ours is not None:
        if parts.fragment:
            raise InvalidConfiguration(f"{_shown(url)} has a fragment; write '#' as %23")
        return ours(url, parts, settings)
    return _registered(scheme.lower())(url, **settings)


def _shown(url: str) -> str:
    """A URL for people. What may be a password in it is left out."""
    before, at, after = url.rpartition("@")
    scheme, separator, _ = before.partition(":")
    return repr(f"{scheme}{separator}//...@{after.partition('?')[0]}" if at else url.partition("?")[0])


def _registered(scheme: str) -> Callable[..., WorkQueue[Any]]:
    """What a package has registered for a scheme."""
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    for entry in found:
        if entry.name == scheme:
            engine: Callable[..., WorkQueue[Any]] = entry.load()
            return engine
    known = ", ".join(sorted({*_OURS, *(entry.name for entry in found)}))
    raise InvalidConfiguration(
        f"no work queue has the scheme {scheme!r}; known are {known}. "
        f"A package adds one by an entry point of the group {GROUP!r}"
    )
