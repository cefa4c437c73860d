"""A real Prometheus for the tests, and its tool promtool. Debian has both in its package `prometheus`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ports import free_port
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
        self.port = free_port()
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
