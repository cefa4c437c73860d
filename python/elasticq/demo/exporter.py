"""The page with the metrics of the demo's queues, for Prometheus, and what the demo itself reads there.

The demo opens the socket, and whoever has the queue serves the page on it. So with --durable the address is
the same before and after a kill, and a scrape that comes between the two is answered by the next process.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from elasticq import metrics
from elasticq.demo import DemoError
from elasticq.demo.ledger import SCRAPED, Scrape
from elasticq.metrics.prometheus import Collector

HOST = "127.0.0.1"
PATH = "/metrics"

# The names of the queues: between subscriber and processor, and, with --durable, before it is stored.
INGEST = "ingest"
INBOX = "inbox"

_LAST_SCRAPE_SECONDS = 20.0  # longer than the interval that most servers scrape in, which is 15 s
_ANSWER_SECONDS = 10.0

_SERVER_SAYS = "HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS"  # only Prometheus sends this header


def listen(port: int) -> socket.socket:
    """A socket that accepts connections on this port of the loopback interface. 0 is any free port."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise DemoError(f"no metrics on port {port} of {HOST}: {error.strerror or error}") from error


def address_of(listening: socket.socket) -> str:
    """Where the page is."""
    return f"http://{HOST}:{listening.getsockname()[1]}{PATH}"


class Exporter:
    """Serves the metrics of queues, which it is given by their names, in threads of its own.

    The page has the metrics of `more` as well.
    """

    def __init__(self, listening: socket.socket, queues: Mapping[str, Any], more: Iterable[Any] = ()) -> None:
        self.port: int = listening.getsockname()[1]
        self._changed = threading.Condition()
        self._latest: float | None = None  # when the latest scrape of a Prometheus began
        self._registrations = contextlib.ExitStack()
        for name, queue in queues.items():
            self._registrations.enter_context(metrics.instrument(queue, name))
        registry = CollectorRegistry()
        for collector in (Collector(), *more):
            registry.register(collector)
        self._page = make_wsgi_app(registry)
        self._server = _Server(listening)
        self._server.set_app(self._answer)
        self._thread = threading.Thread(target=self._serve, name="exporter", daemon=True)

    def __enter__(self) -> Exporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._registrations.close()

    def final(self) -> Scrape:
        """What a scrape says, once the queue is empty. A Prometheus that has scraped before is waited for.

        Without that it would not know the last messages: the page is gone when the demo ends.
        """
        begin = time.monotonic()
        with self._changed:
            self._changed.wait_for(
                lambda: self._latest is None or self._latest > begin, timeout=_LAST_SCRAPE_SECONDS
            )
        return totals(self._read(), INGEST)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def _answer(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()
        page: Iterable[bytes] = self._page(request, start)
        if _SERVER_SAYS in request:
            with self._changed:
                self._latest = began
                self._changed.notify_all()
        return page

    def _read(self) -> str:
        with contextlib.closing(
            http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_SECONDS)
        ) as connection:
            connection.request("GET", PATH)
            return connection.getresponse().read().decode("utf-8")


def totals(page: str, queue: str) -> Scrape:
    """The counters that the ledger knows, as the page tells them of a queue. Those that it lacks are None."""
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels == {"queue": queue}
    }
    return {name: found.get(name) for name in SCRAPED}


@contextlib.contextmanager
def exported(listening: socket.socket | None, queues: Mapping[str, Any]) -> Iterator[Exporter | None]:
    """An exporter that serves, if there is a socket for it."""
    if listening is None:
        yield None
        return
    with Exporter(listening, queues) as exporter:
        yield exporter


class _Handler(WSGIRequestHandler):
    timeout = _ANSWER_SECONDS  # a client that says nothing does not keep the demo from its end

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    """A server on a socket that listens already. Its end waits for the answers that are on their way."""

    daemon_threads = False

    def __init__(self, listening: socket.socket) -> None:
        super().__init__((HOST, 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]
        self.setup_environ()
