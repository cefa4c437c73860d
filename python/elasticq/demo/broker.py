"""The broker: a `nats-server` process with JetStream and an MQTT listener on the loopback interface.

The server chooses free ports itself. When it is ready, it writes a file with its ports. One of them is the
port of its monitoring page, which names the MQTT port. Its own protocol has a port, too (`nats_port`).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from elasticq.demo import DemoError
from elasticq.demo.guard import guarded

_PROGRAM = "nats-server"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02

# max_ack_pending: how many messages of QoS 1 and 2 may be on their way to the subscriber at a time.
# ack_wait: after so long without an acknowledgement, the broker delivers a message again.
_CONFIG = """\
server_name: elasticq_demo
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
jetstream {{ store_dir: {store} }}
mqtt {{ listen: "127.0.0.1:-1", max_ack_pending: 4096, ack_wait: "{ack_wait:d}s" }}
"""


def find_program() -> Path | None:
    """Where `nats-server` is: beside this interpreter, in its scripts folder, or on PATH."""
    user_scripts = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    beside = (os.path.dirname(sys.executable), sysconfig.get_path("scripts"), user_scripts)
    found = shutil.which(_PROGRAM, path=os.pathsep.join(beside)) or shutil.which(_PROGRAM)
    return Path(found).absolute() if found else None


class Broker:
    """A broker, as a context manager that starts it and always stops it again.

    `ack_wait` is by default far longer than any pause of the subscriber, so that nothing is delivered twice
    without need.
    """

    def __init__(self, program: Path, folder: Path, ack_wait: int = 60) -> None:
        self._program = program
        self._folder = folder
        self._ack_wait = ack_wait
        self._log = folder / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.nats_port = 0
        self.pid = 0
        self.version = ""

    def __enter__(self) -> Broker:
        self._folder.mkdir()
        config = self._folder / "nats-server.conf"
        store = json.dumps(str(self._folder / "store"))
        config.write_text(_CONFIG.format(store=store, ack_wait=self._ack_wait), encoding="utf-8")
        command = [str(self._program), "-c", str(config), "--ports_file_dir", str(self._folder)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                guarded(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = self._process.pid
        try:
            self._learn_ports(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def alive(self) -> bool:
        """Whether the server process is running."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines: int = 5) -> str:
        """The last lines that the server has logged."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _learn_ports(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while (ports := _ports(self._folder, process.pid)) is None:
            try:
                status = process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                raise DemoError(
                    f"{self._program} was not ready within {_START_SECONDS:g} s:\n{self.log_tail()}"
                ) from None
            raise DemoError(f"{self._program} ended with status {status}:\n{self.log_tail()}")
        server = _monitoring_page(urlsplit(str(ports["monitoring"][0])).netloc)
        self.nats_port = urlsplit(str(ports["nats"][0])).port or 0
        self.version = str(server["version"])
        self.port = int(server["mqtt"]["port"])

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ports(folder: Path, pid: int) -> dict[str, list[str]] | None:
    """The addresses of the broker's listeners. None until the file with them is there and complete."""
    for ports_file in folder.glob(f"*_{pid}.ports"):
        try:
            ports: dict[str, list[str]] = json.loads(ports_file.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return None
        return ports
    return None


def _monitoring_page(address: str) -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=_START_SECONDS)) as connection:
        connection.request("GET", "/varz")
        page: dict[str, Any] = json.load(connection.getresponse())
        return page
