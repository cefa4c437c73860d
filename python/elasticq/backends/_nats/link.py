"""The connection to the servers. It renews itself, and tells those who wait for answers when it breaks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from nats import errors
from nats.aio.client import Client

from elasticq._errors import InvalidConfiguration, ShutDown

from .._errors import AccessDenied, Unreachable
from .exchange import Exchange

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from .options import Options
    from .pulls import Inbox

BETWEEN = 0.25
"""Seconds between two attempts to reach one server."""
ATTEMPT = 5
"""Seconds for one attempt."""
_DENIED = ("authorization violation", "authentication expired", "authentication revoked", "user jwt", "nkey")
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""Errors of encryption that only say that the connection broke."""


class _Client(Client):
    """A client that sends its credentials to no server that was to encrypt and does not, and whose requests
    end when the server says that this client may not make them."""

    def __init__(self) -> None:
        super().__init__()
        self._asking: set[tuple[str, asyncio.Future[Msg]]] = set()

    async def request(self, subject: str, *args: Any, **settings: Any) -> Msg:
        """Sends a request, and returns the answer. AccessDenied if the server does not take it."""
        denied: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        asked = (subject.lower(), denied)
        request = asyncio.create_task(super().request(subject, *args, **settings))
        self._asking.add(asked)
        try:
            await asyncio.wait((request, denied), return_when=asyncio.FIRST_COMPLETED)
            return await (denied if denied.done() else request)
        finally:
            self._asking.discard(asked)
            request.cancel()
            denied.cancel()

    def denied(self, subject: str | None, error: AccessDenied) -> None:
        """Ends the requests to a subject, given in small letters. None: no answers come, to any request."""
        for asked, denied in self._asking:
            if subject in (asked, None) and not denied.done():
                denied.set_exception(error)

    def _connect_command(self) -> bytes:
        if self.options.get("tls") is not None and not self._server_info.get("tls_required"):
            raise AccessDenied("it offers no encryption, so no credentials were sent")
        return super()._connect_command()


class Link:
    """A connection. All its methods run in one event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.timeout = options.timeout
        self._loop = asyncio.get_running_loop()
        self.client = _Client()
        self.closed = False
        self.inboxes: list[Inbox] = []
        self._up = asyncio.Event()
        self._error: Exception | None = None
        self._exchanges: dict[str, Exchange] = {}
        self._pulling: set[Inbox] = set()
        self._numbers = count()
        self._answers = ""
        self._tasks: set[asyncio.Task[Any]] = set()

    def now(self) -> float:
        """The time, in seconds."""
        return self._loop.time()

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._up.is_set()

    async def open(self) -> None:
        """Connects, within the timeout. Credentials that are wrong are an error at once."""
        await self._connect(self.now() + self.timeout)

    def end(self) -> None:
        """Ends the use of the connection. Whoever waits for it gets ShutDown."""
        self.closed = True
        self._up.set()
        self._break()

    async def close(self) -> None:
        """Closes the connection."""
        self.end()
        for task in list(self._tasks):
            task.cancel()
        if self._answers:  # it was open once
            await self.client.close()

    async def wait_up(self, end: float | None) -> None:
        """Waits until the connection stands. Unreachable if that is not before `end`."""
        while not self._up.is_set():
            try:
                async with asyncio.timeout_at(end):
                    await self._up.wait()
            except TimeoutError:
                raise self.unreachable("was not reached in time") from None
        if self.closed:
            raise ShutDown("the queue was closed")

    def unreachable(self, what: str) -> Unreachable:
        """The error that says so, with the last reason that is known."""
        return Unreachable(f"{self._options.shown} {what}{_reason(self._error)}")

    def register(self, exchange: Exchange) -> str:
        """A number for an exchange, which gets the answers to what it sends."""
        number = str(next(self._numbers))
        self._exchanges[number] = exchange
        return number

    def unregister(self, number: str) -> None:
        """Ends that."""
        del self._exchanges[number]

    def answers_to(self, number: str) -> str:
        """With what the subjects begin on which the exchange of that number gets answers just now."""
        return f"{self._answers}.{number}."

    def pulls(self, inbox: Inbox, begins: bool) -> None:
        """Notes that an inbox waits for messages, or does so no more."""
        if begins:
            self._pulling.add(inbox)
        else:
            self._pulling.discard(inbox)

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Does something in the background, until the connection is closed."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _connect(self, end: float | None) -> None:
        options = self._options
        client = _Client()
        wrong: asyncio.Future[Exception] = self._loop.create_future()

        async def failed(error: Exception) -> None:
            self._error = error
            if self.client is client and self.up:
                self._denied(error)
            elif _is_final(error) and not wrong.done():
                wrong.set_result(error)

        async def disconnected() -> None:
            if self.client is client:
                self._break()

        async def reconnected() -> None:
            if self.client is client:
                self._up.set()

        async def ended() -> None:
            # The client has given up, say since the server has ended its credentials: make a new one.
            if self.client is client and not self.closed:
                self._break()
                self.spawn(self._renew())

        connecting = self._loop.create_task(
            client.connect(
                list(options.servers),
                name=f"elasticq {options.stream}",
                error_cb=failed,
                disconnected_cb=disconnected,
                reconnected_cb=reconnected,
                closed_cb=ended,
                connect_timeout=ATTEMPT,
                reconnect_time_wait=BETWEEN,  # type: ignore[arg-type] # seconds of any kind
                max_reconnect_attempts=-1,
                tls=options.tls,
                tls_hostname=options.tls_hostname,
                user=options.user,
                password=options.password,
                token=options.token,
                nkeys_seed=options.nkey,
                user_credentials=options.creds,
            )
        )
        try:
            await self._attempt(connecting, wrong, end)
        except BaseException:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            with suppress(AssertionError):  # of nats-py, if it had not even begun
                await client.close()
            raise
        self._answers = client.new_inbox()
        await client.subscribe(
            f"{self._answers}.>", cb=self._answered, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self.client = client
        self.inboxes.clear()
        self._up.set()

    async def _attempt(
        self, connecting: asyncio.Task[None], wrong: asyncio.Future[Exception], end: float | None
    ) -> None:
        """Waits until a client is connected, or until it is clear that it never will be."""
        options = self._options
        try:
            async with asyncio.timeout_at(end):
                await asyncio.wait((connecting, wrong), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise self.unreachable(f"was not reached in {self.timeout:g} s") from None
        error = connecting.exception() if connecting.done() else wrong.result()
        if error is None:
            return
        if _is_final(error):
            raise AccessDenied(f"{options.shown} denies access{_reason(error)}") from error
        key = options.nkey or options.creds
        if key is not None and not isinstance(error, (errors.Error, OSError)):
            reason = f"{type(error).__name__}{_reason(error)}: {key!r}"
            raise InvalidConfiguration(f"the key of {options.shown} can't be used: {reason}") from error
        raise error

    async def _answered(self, answer: Msg) -> None:
        _, exchange, number = answer.subject.rsplit(".", 2)
        found = self._exchanges.get(exchange)
        if found is not None:
            found.answer(int(number), answer)

    async def _renew(self) -> None:
        while not self.closed:
            try:
                await self._connect(None)
                return
            except Exception as error:
                self._error = error
                await asyncio.sleep(1)

    def _break(self) -> None:
        """Tells whoever waits for an answer that none comes."""
        if not self.closed:
            self._up.clear()
        for exchange in list(self._exchanges.values()):
            exchange.lost()
        for inbox in list(self._pulling):
            inbox.lost()

    def _denied(self, error: Exception) -> None:
        """Tells whoever sends to a subject that the server does not let this client do that.

        If it may not listen to a subject, then that is one for answers: none come to anything that is sent.
        """
        text = str(error).lower()  # nats-py gives the subject in small letters, too
        if "permissions violation for " not in text or '"' not in text:
            return
        subject = text.split('"')[1] if "violation for publish" in text else None
        denied = AccessDenied(f"{self._options.shown} denies access{_reason(error)}")
        self.client.denied(subject, denied)
        for exchange in list(self._exchanges.values()):
            exchange.denied(subject, denied)
        for inbox in list(self._pulling):
            inbox.denied(subject, denied)


def _is_final(error: BaseException) -> bool:
    """Whether trying again gives the same error: credentials and certificates do not change meanwhile."""
    if isinstance(error, (ssl.SSLError, ssl.CertificateError, AccessDenied, errors.AuthorizationError)):
        return not isinstance(error, _CUT_OFF)
    text = str(error).lower()
    return isinstance(error, errors.Error) and any(part in text for part in _DENIED)


def _reason(error: BaseException | None) -> str:
    if error is None:
        return ""
    text = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
    return f": {text}"
