"""A real Prometheus for the tests, and its tool promtool. Debian has both in its package `prometheus`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support import wait_until

_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 30.0


def program(name: str) -> str:
    """Where a program is. A developer may go without it, continuous integration may not."""
    found = shutil.which(name)
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"{name} is not installed; on Debian: apt-get install prometheus")
    return found


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports of the loopback interface that nobody uses, nor gets by chance until the end.

    Linux gives a port that a socket is bound to only to those who ask for it by its number.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Asks a server on this machine. Gives the status and the text of its answer."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    ) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8")


class Prometheus:
    """A server that has read a configuration, as a context manager that always stops it."""

    def __init__(self, config: Path, data: Path) -> None:
        self._stack = contextlib.ExitStack()
        (self.port,) = self._stack.enter_context(free_ports(1))
        self._log = data.with_suffix(".log")
        self._command = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self._ready, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str, **parameters: object) -> Any:
        """The data of an answer of the HTTP API, which must not be an error."""
        status, text = get(self.port, f"/api/v1/{path}?{urlencode(parameters)}")
        answer = json.loads(text)
        assert (status, answer["status"]) == (200, "success"), f"{path} {parameters}: {text}"
        return answer["data"]

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
        with contextlib.suppress(ConnectionError):
            return get(self.port, "/-/ready")[0] == 200
        return False
