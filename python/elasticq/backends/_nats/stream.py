"""Streams and consumers: made if they are not there, compared if they are. What is there is never changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nats import errors
from nats.js import api
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from elasticq._errors import InvalidConfiguration, StorageError

from .exchange import PAUSE

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from .link import Link
    from .options import Options

R = TypeVar("R")

DUPLICATE_WINDOW = 120.0
"""Seconds for which a server knows the names of messages, if nobody says otherwise."""
TTL = 30.0
"""Seconds of a lease, if nobody says otherwise."""

WAITING = 16_384
"""So many workers may wait for a message at once."""

_DISABLED = (10039, 10076)
_IN_USE = (10058, 10013, 10148)
_NO_MESSAGE = 10037
_REPLICAS = (10005, 10074)
_SEVERAL_CONSUMERS = (10099, 10100)


class Streams:
    """The streams of a queue, and its consumer."""

    def __init__(self, link: Link, options: Options) -> None:
        self._link = link
        self._options = options
        self.ack_wait = options.ttl or TTL
        self.max_depth = options.max_depth
        self.dead = f"{options.stream}_dead"
        self._has_dead = False
        self._most_bytes = 0

    def most_bytes(self) -> int:
        """The most bytes of a message: the server's limit, or the stream's own if that is less."""
        most: int = self._link.client.max_payload
        return min(most, self._most_bytes) if self._most_bytes else most

    async def ask(self, request: Callable[[JetStreamContext], Awaitable[R]]) -> R:
        """Makes a request to the server, and repeats it until the timeout if no server can take it now."""
        link = self._link
        end = link.now() + link.timeout
        while True:
            await link.wait_up(end)
            try:
                return await request(link.client.jetstream(timeout=min(2.0, link.timeout)))
            except NotFoundError:
                raise
            except APIError as error:
                if error.err_code in _DISABLED or not isinstance(error, ServiceUnavailableError):
                    raise
                what = f"has no JetStream that can answer now: {error.description or 'is it on? (-js)'}"
            except errors.Error:
                what = "did not answer"
            if link.now() >= end:
                raise link.unreachable(what)
            await asyncio.sleep(PAUSE)

    async def ensure(self) -> None:
        """Makes the stream and the consumer, or compares them with what was asked for."""
        options = self._options
        config = api.StreamConfig(
            name=options.stream,
            subjects=[options.subject],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.NEW,
            max_msgs=options.max_depth or -1,
            num_replicas=options.replicas or 1,
            duplicate_window=options.duplicate_window or DUPLICATE_WINDOW,
        )
        found = await self._stream(config)
        if found is not None:
            self._compare_stream(found)
            if found.max_msgs and found.max_msgs > 0:
                self.max_depth = found.max_msgs
            self._most_bytes = max(found.max_msg_size or 0, 0)
        await self._consumer()

    async def ensure_dead(self) -> None:
        """Makes the stream of dead letters, if it is not there."""
        if not self._has_dead:
            info = await self.ask(lambda js: js.stream_info(self._options.stream))
            found = await self._stream(
                api.StreamConfig(
                    name=self.dead,
                    subjects=[self.dead],
                    retention=api.RetentionPolicy.LIMITS,
                    storage=api.StorageType.FILE,
                    num_replicas=info.config.num_replicas,
                    duplicate_window=DUPLICATE_WINDOW,
                    metadata={"elasticq": f"dead letters of {self._options.stream}"},
                )
            )
            if found is not None:
                self.check_dead(found)
            self._has_dead = True

    def check_dead(self, found: api.StreamConfig) -> None:
        """Refuses a stream of that name which is somebody else's."""
        wanted: dict[str, tuple[Any, Any]] = {
            "retention": (_plain(found.retention), "limits"),
            "subjects": (found.subjects, [self.dead]),
        }
        self._compare(f"the stream {self.dead!r}, where dead letters go,", wanted)

    def lost_dead(self) -> None:
        """Somebody may have removed the stream of dead letters: look again before the next one."""
        self._has_dead = False

    async def letter(self, number: int) -> api.RawStreamMsg:
        """The first dead letter that has this number or a higher one. NotFoundError: there is none."""
        return await self.ask(lambda js: js.get_msg(self.dead, number, subject=self.dead, next=True))

    async def forget(self, number: int) -> None:
        """Drops the dead letter with this number, if it is there."""
        try:
            await self.ask(lambda js: js.delete_msg(self.dead, number))
        except APIError as error:
            if error.err_code != _NO_MESSAGE and not isinstance(error, NotFoundError):
                raise

    async def _stream(self, config: api.StreamConfig) -> api.StreamConfig | None:
        """The settings of a stream that is there; None if it was not, and was made."""
        name = config.name or ""
        for _ in range(2):  # somebody else may make it between the look and the attempt
            try:
                return (await self.ask(lambda js: js.stream_info(name))).config
            except NotFoundError:
                pass
            except APIError as error:
                raise self._refused(f"the stream {name!r}", error) from error
            try:
                await self.ask(lambda js: js.add_stream(config))
                return None
            except APIError as error:
                if error.err_code not in _IN_USE:
                    raise self._refused(f"the stream {name!r}", error) from error
        raise InvalidConfiguration(
            f"{self._options.shown}: the stream {name!r} was made and removed meanwhile"
        )

    def _compare_stream(self, found: api.StreamConfig) -> None:
        options = self._options
        wanted: dict[str, tuple[Any, Any]] = {
            "retention": (_plain(found.retention), "workqueue"),
            "subjects": (found.subjects, [options.subject]),
            "storage": (_plain(found.storage), "file"),
            "max_age": (found.max_age or 0, 0),
            "no_ack": (bool(found.no_ack), False),
            "max_msgs_per_subject": (max(found.max_msgs_per_subject or 0, 0), 0),  # it drops the oldest
        }
        if (found.max_msgs or 0) > 0 or (found.max_bytes or 0) > 0 or options.max_depth:
            wanted["discard"] = (_plain(found.discard), "new")
        if options.max_depth:
            wanted["max_depth (max_msgs)"] = (found.max_msgs, options.max_depth)
        if options.replicas:
            wanted["replicas (num_replicas)"] = (found.num_replicas, options.replicas)
        if options.duplicate_window:
            wanted["duplicate_window"] = (found.duplicate_window, options.duplicate_window)
        if found.subjects and options.subject in found.subjects:
            del wanted["subjects"]
        self._compare(f"the stream {options.stream!r}", wanted)

    async def _consumer(self) -> None:
        options = self._options
        config = api.ConsumerConfig(
            name=options.consumer,
            durable_name=options.consumer,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait,
            max_ack_pending=-1,
            max_waiting=WAITING,
        )
        try:
            try:
                info = await self.ask(lambda js: js.consumer_info(options.stream, options.consumer))
            except NotFoundError:
                info = await self.ask(lambda js: js.add_consumer(options.stream, config))
        except APIError as error:
            raise self._refused(f"the consumer {options.consumer!r}", error) from error
        found = info.config
        wanted: dict[str, tuple[Any, Any]] = {
            "ack_policy": (_plain(found.ack_policy), "explicit"),
            "max_deliver": (found.max_deliver, -1),
            "deliver_subject": (found.deliver_subject, None),
            "headers_only": (bool(found.headers_only), False),
            "filter_subject": (found.filter_subject or options.subject, options.subject),
        }
        if options.ttl:
            wanted["ttl (ack_wait)"] = (found.ack_wait, options.ttl)
        self._compare(f"the consumer {options.consumer!r} of the stream {options.stream!r}", wanted)
        self.ack_wait = found.ack_wait or TTL

    def _compare(self, what: str, settings: dict[str, tuple[Any, Any]]) -> None:
        differing = [
            f"{name} is {there!r}, wanted {wanted!r}"
            for name, (there, wanted) in settings.items()
            if there != wanted
        ]
        if differing:
            raise InvalidConfiguration(
                f"{self._options.shown}: {what} exists with other settings: {'; '.join(differing)}. "
                "It was not changed"
            )

    def _refused(self, what: str, error: APIError) -> Exception:
        text = f"{self._options.shown} refused {what}: {error.description} (error {error.err_code})"
        if error.err_code in _DISABLED:
            return InvalidConfiguration(f"{self._options.shown} has no JetStream: {error.description}")
        if error.err_code in _SEVERAL_CONSUMERS:
            return InvalidConfiguration(
                f"{text}; a work queue has one consumer, and the one of this stream has another name than "
                f"{self._options.consumer!r}"
            )
        if error.code == 400 or error.err_code in _REPLICAS:
            return InvalidConfiguration(text)
        return StorageError(text)


def _plain(value: Any) -> Any:
    """A name of nats-py's enumerations as text."""
    return getattr(value, "value", value)
