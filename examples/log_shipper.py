"""A log shipper: it keeps lines in a queue in files until a collector has answered that it has them.

python examples/log_shipper.py --queue spool --file app.log http://localhost:8080/logs
my-program | python examples/log_shipper.py --queue spool http://localhost:8080/logs

It posts JSON: [{"number": 1, "line": "..."}, ...]. Each line arrives at least once, also if the shipper is
killed (SIGKILL) or the collector is away for days. A line that comes twice has the same number.

A file is followed for ever, from where the last run ended. It may be rotated while the shipper runs (on
Windows only by copying and truncating it: there a file that is read can't be renamed). What was in a pipe and
not yet read ends with the pipe. Ctrl-C and SIGTERM end the shipper after its present batch.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import elasticq

Lines = elasticq.PersistentCircularBuffer[bytes]
Places = elasticq.PersistentCircularBuffer[tuple[int, int, int]]
BATCH = 500
MOST_LINES = 1_000_000  # while so many wait for the collector, nothing is read
LONGEST_PAUSE = 30.0


def post(url: str, batch: list[elasticq.Lease[bytes]]) -> str:
    """Sends a batch, and gives the problem if the collector does not answer that it has taken it."""
    lines = [{"number": lease.number, "line": lease.item.decode("utf-8", "replace")} for lease in batch]
    body, headers = json.dumps(lines).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10):
            return ""
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def ship(lines: Lines, url: str, stopping: threading.Event) -> None:
    """A thread: it sends batches until the queue is shut down and empty, or until it should stop."""
    try:
        while not stopping.is_set():
            batch = lines.lease_batch(BATCH)  # leased as long as this process lives
            pause = 0.1
            while problem := post(url, batch):
                print(f"{problem}; again in {pause:.1f} s", file=sys.stderr)
                if stopping.wait(pause):
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
            lines.ack_batch(batch)
    except elasticq.ShutDown:
        pass
    finally:
        lines.shutdown()  # after an error, say of the disk, reading ends, too


def is_another(path: Path, inode: int, offset: int) -> bool:
    """Whether a file has been rotated (it is another one) or truncated (it is shorter than it was)."""
    try:
        status = path.stat()
    except FileNotFoundError:  # it is being rotated
        return False
    return status.st_ino != inode or status.st_size < offset


def complete_lines(file: BinaryIO, offset: int) -> list[bytes]:
    """Up to a thousand lines from there on, without one whose end is still to be written."""
    file.seek(offset)
    return [line for line in islice(file, 1_000) if line.endswith(b"\n")]


def follow(path: Path, lines: Lines, places: Places) -> None:
    """Puts the lines of a file into the queue, and remembers the place after at most a thousand.

    If it is killed in between, it puts some lines again. The queue knows them by their names (`id`), which
    are the time when the file was found and the offset.
    """

    def remember() -> None:
        lines.sync()  # the lines are on the disk before their place is
        places.push((inode, found, offset))
        places.pop_batch(len(places) - 1)

    inode, found, offset = places.peek() if places else (0, 0, 0)
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it is not there yet, or is just being rotated
            time.sleep(0.2)
            continue
        with file:
            status = os.fstat(file.fileno())  # of this file: the path may lead to another one by now
            if status.st_ino != inode or status.st_size < offset:
                inode, found, offset = status.st_ino, time.time_ns(), 0
                remember()
            rotated = False
            while not rotated:
                rotated = is_another(path, inode, offset)  # if so, what was written before is still read
                while complete := complete_lines(file, offset):
                    for line in complete:
                        lines.sync_q.put(line[:-1], id=f"{found}:{offset}")
                        offset += len(line)
                    remember()
                if not rotated:
                    time.sleep(0.2)
            file.seek(offset)
            for line in file:  # the last one has no end, and gets none any more
                lines.sync_q.put(line.removesuffix(b"\n"), id=f"{found}:{offset}")
                offset += len(line)
            remember()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url", metavar="URL")
    arguments.add_argument("--queue", type=Path, required=True, metavar="FOLDER")
    arguments.add_argument("--file", type=Path, help="what to follow, instead of the standard input")
    given = arguments.parse_args()
    given.queue.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    stopping = threading.Event()
    with (
        Lines(given.queue / "lines", maxsize=MOST_LINES) as lines,
        Places(given.queue / "places", "every_write") as places,
    ):
        shipper = threading.Thread(target=ship, args=(lines, given.url, stopping))
        shipper.start()
        try:
            if given.file:
                follow(given.file, lines, places)
            for line in sys.stdin.buffer:
                lines.sync_q.put(line.rstrip(b"\n"))
            lines.shutdown()
            while shipper.is_alive():  # the input has ended: until the collector has everything
                shipper.join(1)  # Python calls no handler during a wait that begins just after the signal
        except KeyboardInterrupt:
            pass
        finally:
            stopping.set()
            lines.shutdown()
            shipper.join()
            print(f"{len(lines)} lines are left for the next time", file=sys.stderr)


if __name__ == "__main__":
    main()
