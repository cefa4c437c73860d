"""One look at a process: what it tells of its queues, over its Unix socket or on its page for Prometheus."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from elasticq import __version__
from elasticq.cli.common import CommandError
from elasticq.cli.terminal import visible

_ANSWER_SECONDS = 10.0
_MOST_BYTES = 64 << 20
"""More is no answer of a process of ours."""
_PREFIX = "elasticq_"


class Told(NamedTuple):
    """One figure that a process tells."""

    metric: str
    labels: Mapping[str, str]
    value: float


class Look(NamedTuple):
    """What a process told at one moment."""

    process: int | None
    clock: float
    """In seconds; only differences mean something."""
    queues: Mapping[str, list[Told]]


Source = Callable[[], Look]


class UnansweredError(CommandError):
    """Nobody answers, or what answers is nothing that can be shown."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(visible(f"{where}: {text}"))


def source(where: str) -> Source:
    """How to look at what is there: the address of a page, or the path of a socket."""
    if "://" not in where:
        return lambda: _over_socket(where)
    try:
        address = urlsplit(where)
        _ = address.port
    except ValueError as error:
        raise CommandError(f"{where}: this is no address of a page: {error}") from error
    if address.scheme not in ("http", "https") or not address.hostname:
        raise CommandError(f"{where}: the address of a page begins with http:// or https:// and a host")
    return lambda: _on_page(where, address)


def _over_socket(path: str) -> Look:
    if not hasattr(socket, "AF_UNIX"):
        raise CommandError(f"{path}: this Python has no Unix sockets; give the address of a page of metrics")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ANSWER_SECONDS)
        try:
            if not stat.S_ISSOCK(os.stat(path).st_mode):
                raise UnansweredError(path, "this is no socket")
            asking.connect(path)
            with asking.makefile("rb") as answer:
                text = answer.read(_MOST_BYTES)
        except ConnectionRefusedError as error:
            raise UnansweredError(
                path, "nobody answers; the process that made this socket has gone"
            ) from error
        except OSError as error:
            raise UnansweredError(path, f"{error.strerror or error}") from error
    try:
        return _in_lines(text)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UnansweredError(path, "what answers there is no process with elasticq.metrics.live") from error


def _in_lines(text: bytes) -> Look:
    """The look that an answer of `elasticq.metrics.live` stands for."""
    head, *lines = map(json.loads, text.splitlines())
    queues = {str(line["queue"]): [_told(*sample) for sample in line["samples"]] for line in lines}
    if not isinstance(head["elasticq"], str) or head["queues"] != len(lines):
        raise ValueError("the answer was cut off")
    return Look(int(head["process"]), float(head["clock"]), queues)


def _told(metric: object, labels: Mapping[Any, Any], value: Any) -> Told:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no figure")
    return Told(str(metric), {str(name): str(label) for name, label in labels.items()}, value)


def _on_page(where: str, address: SplitResult) -> Look:
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    asking = kind(address.hostname or "", address.port, timeout=_ANSWER_SECONDS)
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    with contextlib.closing(asking):
        try:
            headers = {"Accept": "text/plain;version=0.0.4", "User-Agent": f"elasticq/{__version__}"}
            asking.request("GET", path, headers=headers)
            answer = asking.getresponse()
            text = answer.read(_MOST_BYTES)
        except ConnectionRefusedError as error:
            raise UnansweredError(where, "nobody answers") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnansweredError(where, f"{said or type(error).__name__}") from error
    if answer.status != http.client.OK:
        raise UnansweredError(where, f"the answer is {answer.status} {answer.reason}, and no page")
    kind_of_page = answer.headers.get_content_type()
    if kind_of_page not in ("text/plain", "application/openmetrics-text"):
        raise UnansweredError(where, f"this is a page of {kind_of_page}, and none of metrics")
    queues: dict[str, list[Told]] = {}
    for told in samples(text.decode("utf-8", "replace")):
        if (name := told.labels.get("queue")) is not None:
            queues.setdefault(name, []).append(told)
    return Look(None, time.monotonic(), queues)


_SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?[ \t]+(?P<value>\S+)',
    re.ASCII,
)
_LABEL = re.compile(
    r'[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"(?P<value>(?:[^"\\]|\\.)*)"[ \t]*,?'
)
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def samples(page: str) -> Iterator[Told]:
    """The figures of our metrics on a page in Prometheus' text format. Other lines are passed over."""
    # Not `splitlines`: labels may contain other ends of lines.
    for line in page.split("\n"):
        if not line.startswith(_PREFIX):
            continue
        found = _SAMPLE.match(line)
        if found is None:
            continue
        with contextlib.suppress(ValueError):
            yield _told(found["name"], _labels(found["labels"] or ""), float(found["value"]))


def _labels(text: str) -> dict[str, str]:
    return {
        label["name"]: re.sub(r"\\.", lambda sign: _ESCAPED.get(sign[0], sign[0]), label["value"])
        for label in _LABEL.finditer(text)
    }
