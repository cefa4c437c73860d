"""The figures of queues over a Unix socket, for `elasticq top` (which reads a page for Prometheus as well).

`serve` makes a socket that only the user of the process may open. Whoever connects is sent one look at all
instrumented queues, and the connection ends. Nothing is read, so nothing that is sent to the process can make
it do anything.

An answer is JSON lines: first the process, then each queue.

    {"elasticq": "0.4.0", "process": 4711, "clock": 1234.5, "queues": 1}
    {"queue": "jobs", "samples": [["elasticq_queue_depth", {}, 3], ...]}

`clock` is in seconds, and only grows. The samples are those of `elasticq.metrics.look`.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import logging
import os
import selectors
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

from elasticq import __version__
from elasticq._public import publish as _publish

from . import look
from ._series import shown

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Server", "serve"]

_log = logging.getLogger("elasticq.metrics")

_SEND_SECONDS = 2.0
"""A client that does not read for so long gets no more."""
_BACKLOG = 16

_RETRY_SECONDS = 0.1

_servers: set[Server] = set()
"""Those that serve."""


class Server:
    """A socket that tells the figures of all instrumented queues, until `close`. `with` closes it at its end.

    Its thread is a daemon. A forked child does not serve, and leaves the socket to its parent.
    """

    __slots__ = ("_file", "_listening", "_lock", "_path", "_stop", "_stopped", "_thread")

    def __init__(self, path: str, listening: socket.socket) -> None:
        self._path = path
        self._listening = listening
        self._file = _identity(path)
        self._lock = threading.RLock()  # a signal handler may close what is just being closed
        self._stop, self._stopped = socket.socketpair()
        self._thread: threading.Thread | None = threading.Thread(
            target=_answer_all, args=(listening, self._stopped), name="elasticq.metrics.live", daemon=True
        )
        self._thread.start()
        _servers.add(self)

    @property
    def path(self) -> str:
        """Where the socket is."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether it serves no longer, as in a forked child."""
        return self._thread is None

    def close(self) -> None:
        """Serve no longer, and remove the socket. Doing it twice is no error. Safe from any thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            # First the name, so that nobody comes who gets no answer.
            if _identity(self._path) == self._file:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
            self._stop.close()
            _servers.discard(self)
        thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<elasticq.metrics.live.Server {self._path!r}{' closed' if self.closed else ''}>"

    def _leave(self) -> None:
        """Let go of the socket in a forked child. The parent goes on."""
        self._thread = None
        self._lock = threading.RLock()
        for each in (self._listening, self._stop, self._stopped):
            with contextlib.suppress(OSError):
                each.close()


def serve(path: str | os.PathLike[str]) -> Server:
    """Tell the figures of all instrumented queues over a Unix socket, from a thread of its own.

    A socket that a process has left behind is replaced. The name is removed at the end of the process, but
    for one that is killed.

    Args:
        path: Where to make the socket. Its mode is 0600: only the user of this process may open it.

    Returns:
        The server, which need not be kept.

    Raises:
        OSError: Another process serves there, something else has that name, the path is too long for a
            socket, or this Python has no Unix sockets, as on Windows; then serve a page of metrics.

    Example:
        >>> import os, tempfile
        >>> from elasticq import Queue, metrics
        >>> from elasticq.metrics.live import serve
        >>> jobs = Queue()
        >>> registration = metrics.instrument(jobs, "jobs")
        >>> folder = tempfile.TemporaryDirectory()
        >>> server = serve(os.path.join(folder.name, "queues"))  # now: elasticq top .../queues
        >>> server.close()
        >>> folder.cleanup()
    """
    name = os.fsdecode(path)
    if not hasattr(socket, "AF_UNIX"):
        text = "this Python has no Unix sockets; serve a page of metrics, which `elasticq top` reads as well"
        raise OSError(errno.EAFNOSUPPORT, text, name)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(listening, name)
        try:
            # Nobody can connect before `listen`, so nobody else ever can.
            os.chmod(name, stat.S_IRUSR | stat.S_IWUSR)
            listening.listen(_BACKLOG)
            listening.setblocking(False)
            return Server(os.path.abspath(name), listening)
        except BaseException:
            os.unlink(name)
            raise
    except BaseException:
        listening.close()
        raise


def _bind(listening: socket.socket, name: str) -> None:
    try:
        listening.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            # "AF_UNIX path too long" has no number.
            raise OSError(error.errno or errno.ENAMETOOLONG, error.strerror or str(error), name) from error
        _remove_left_behind(name)
        listening.bind(name)


def _remove_left_behind(name: str) -> None:
    """Remove the socket of a process that is no more."""
    if not stat.S_ISSOCK(os.lstat(name).st_mode):
        raise FileExistsError(errno.EEXIST, "there is something else that is no socket", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_SEND_SECONDS)
        try:
            asking.connect(name)
        except ConnectionRefusedError:
            os.unlink(name)
            return
        except OSError as error:
            raise OSError(error.errno, f"there is a socket: {error.strerror or error}", name) from error
    raise OSError(errno.EADDRINUSE, "another one serves there", name)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _answer_all(listening: socket.socket, stopped: socket.socket) -> None:
    """Answer each client until the other end of `stopped` is closed. Runs in the thread."""
    with listening, stopped, selectors.PollSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        selector.register(stopped, selectors.EVENT_READ)
        while not any(key.fileobj is stopped for key, _ in selector.select()):
            try:
                client, _ = listening.accept()
            except BlockingIOError:  # the client has gone
                continue
            except OSError:  # the process has too many files open; some may be closed soon
                time.sleep(_RETRY_SECONDS)
                continue
            with client, contextlib.suppress(OSError):  # the client goes, or does not read
                client.settimeout(_SEND_SECONDS)
                client.sendall(_answer())


def _answer() -> bytes:
    try:
        seen = look()
    except Exception:
        _log.exception("a look at the queues has failed")
        seen = {}
    head = {
        "elasticq": __version__,
        "process": os.getpid(),
        "clock": time.monotonic(),
        "queues": len(seen),
    }
    lines: list[object] = [head]
    for name, samples in seen.items():
        told = [[sample.metric.name, sample.labels, sample.value] for sample in samples]
        lines.append({"queue": shown(name), "samples": told})
    return "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines).encode("ascii")


def _close_all() -> None:
    for server in list(_servers):
        server.close()


def _leave_all() -> None:
    while _servers:
        _servers.pop()._leave()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # elsewhere nothing forks
    os.register_at_fork(after_in_child=_leave_all)

_publish(globals())
