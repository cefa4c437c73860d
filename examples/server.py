"""An asyncio server whose requests are worked on by a pool of threads. Channels join the two.

python examples/server.py
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import elasticq

THREADS = 4
CLIENTS = 8
REQUESTS = 50


@dataclass
class Request:
    """A line that a client has sent, and the channel on which its connection waits for the answer."""

    line: bytes
    answers: elasticq.BufferChannel[bytes]


def work(requests: elasticq.BufferChannel[Request]) -> int:
    """A thread of the pool: it serves requests until the channel is closed."""
    served = 0
    for request in requests.consume():
        digest = hashlib.pbkdf2_hmac("sha256", request.line, b"salt", 500)
        request.answers.send(digest.hex().encode())
        served += 1
    return served


async def serve(
    requests: elasticq.BufferChannel[Request], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """A connection. It waits while all threads are busy and the channel is full; the others go on."""
    answers: elasticq.BufferChannel[bytes] = elasticq.BufferChannel()
    while line := await reader.readline():
        await requests.asend(Request(line.strip(), answers))
        writer.write(await answers.arecv() + b"\n")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(port: int, client: int) -> int:
    """A client: sends its requests one by one, and checks each answer's length."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(REQUESTS):
        writer.write(b"client %d, request %d\n" % (client, number))
        answer = await reader.readline()
        assert len(answer) == 65
    writer.close()
    await writer.wait_closed()
    return REQUESTS


async def main() -> None:
    requests: elasticq.BufferChannel[Request] = elasticq.BufferChannel(max_capacity=16)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(THREADS) as pool:
        workers = [loop.run_in_executor(pool, work, requests) for _ in range(THREADS)]
        with requests:  # closed at the end, which ends the threads
            server = await asyncio.start_server(lambda *ends: serve(requests, *ends), "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                asked = await asyncio.gather(*(ask(port, client) for client in range(CLIENTS)))
        served = await asyncio.gather(*workers)
    print(f"{sum(asked)} requests, served by {THREADS} threads: {sum(served)}")
    assert sum(asked) == sum(served)


if __name__ == "__main__":
    asyncio.run(main())
