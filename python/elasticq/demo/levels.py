"""The pipeline's queue for --priority. It serves messages by their quality of service: a level for each."""

from __future__ import annotations

import elasticq
from elasticq.demo import message

_SMALLEST = 64  # its capacity at the start and when it is empty, as in `elasticq.Queue`
_LARGEST = 1 << 32  # more than any run has messages


class QosLevels:
    """A PriorityCircularBuffer as the pipeline's queue. The level of a message is its QoS."""

    def __init__(self) -> None:
        self._buffer: elasticq.PriorityCircularBuffer[bytes] = elasticq.PriorityCircularBuffer(
            levels=len(message.QOS_LEVELS),
            initial_capacity=_SMALLEST,
            min_capacity=_SMALLEST,
            max_capacity=_LARGEST,
        )
        self._queue = self._buffer.sync_q

    def put(self, item: bytes, /) -> None:
        self._queue.put(item, priority=message.identify(item).qos)

    def get_many(self, n: int, /) -> list[bytes]:
        return self._queue.get_many(n)

    def qsize(self) -> int:
        return self._queue.qsize()

    def shutdown(self) -> None:
        self._queue.shutdown()

    def stats(self) -> elasticq.QueueStats:
        return self._queue.stats()

    @property
    def capacity(self) -> int:
        return self._buffer.capacity

    @property
    def buffer(self) -> elasticq.PriorityCircularBuffer[bytes]:
        """The buffer itself."""
        return self._buffer

    def level_stats(self) -> elasticq.PriorityStats:
        """The counters by level."""
        return self._buffer.stats()
