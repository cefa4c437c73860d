"""A pool of worker processes over a queue in files. Each job is leased until a worker has done it.

python examples/worker_pool.py [FOLDER]

- A worker that is killed, or that hangs: its job goes to another one when its lease's time is over.
- A job that fails is tried again after a pause.
- A job that was delivered three times in vain is dead. It is kept aside, to be looked at.
- Ctrl-C, or a SIGKILL of all: the next run on the same FOLDER goes on with the jobs that are left.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import elasticq

Jobs = elasticq.PersistentCircularBuffer[str]
WORKERS = 3
TTL = 2.0  # seconds that a worker has for a job
DELIVERIES = 3
SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang


def do(job: str, deliveries: int) -> str:
    """The work itself. It may be done twice, so it should be such that this does no harm."""
    match job:
        case "kill the worker" if deliveries == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        case "hang" if deliveries == 1:
            threading.Event().wait()
        case "fail once" if deliveries == 1:
            raise ConnectionError("no answer")
        case "fail":
            raise ValueError("this is no number")
    return job.upper()


def end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def work(jobs: Connection) -> None:
    """A worker process: it answers each job with (True, result) or (False, error)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    threading.Thread(target=end_with_parent, daemon=True).start()  # also if SIGKILL ends it
    with contextlib.suppress(EOFError, ConnectionError):  # of the connection: the parent has ended
        jobs.send("ready")
        while True:
            job, deliveries = jobs.recv()
            try:
                answer = True, do(job, deliveries)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            jobs.send(answer)


class Worker:
    """A worker process, and the connection to it."""

    def __init__(self) -> None:
        self._jobs, other = SPAWN.Pipe()
        self._process = SPAWN.Process(target=work, args=(other,))
        self._process.start()
        other.close()
        self._jobs.recv()  # "ready": the time of a job does not include the start

    def ask(self, job: str, deliveries: int) -> tuple[bool, str]:
        """Has the worker do a job. Raises EOFError if it dies, and TimeoutError if it takes too long."""
        self._jobs.send((job, deliveries))
        if not self._jobs.poll(TTL):
            raise TimeoutError
        success, text = self._jobs.recv()
        return success, text

    def end(self) -> None:
        if self._jobs.closed:  # it was ended, and no other one could be started in its place
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        self._jobs.close()


def supervise(jobs: Jobs, stopping: threading.Event) -> None:
    """A thread: it leases jobs for a worker of its own, and replaces one that is lost."""
    worker = Worker()
    try:
        while not stopping.is_set():
            lease = jobs.lease(ttl=TTL)
            try:
                success, text = worker.ask(lease.item, lease.deliveries)
            except (EOFError, OSError):  # nobody acknowledges the job: it comes back when the lease ends
                logging.warning("delivery %d of %r: the worker is lost", lease.deliveries, lease.item)
                worker.end()
                time.sleep(TTL)  # so that a job that kills its workers does not do so without a pause
                worker = Worker()
                continue
            logging.info("delivery %d of %r: %s", lease.deliveries, lease.item, text)
            with contextlib.suppress(elasticq.InvalidOperation):  # the lease has just ended
                lease.ack() if success else lease.nack(delay=0.1 * 2**lease.deliveries)
    except elasticq.ShutDown:
        pass
    finally:
        worker.end()


def run(folder: Path) -> None:
    stopping = threading.Event()
    with Jobs(folder, max_deliveries=DELIVERIES) as jobs:
        threads = [threading.Thread(target=supervise, args=(jobs, stopping)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            for job in ("kill the worker", "hang", "fail once", "fail", *(f"job {n}" for n in range(10))):
                jobs.push(job, id=job)  # a name that is known already adds nothing
            # Until each job is done or dead, or no thread is left because no process could be started.
            while jobs.sync_q.unfinished_tasks and any(thread.is_alive() for thread in threads):
                time.sleep(0.05)
        except KeyboardInterrupt:
            logging.info("interrupted")
        finally:
            stopping.set()
            jobs.shutdown()
            for thread in threads:
                thread.join()
        stats = jobs.stats()
        logging.info("%d jobs are left", stats.current_size - stats.dead)
        for dead in jobs.dead_letters():  # jobs.retry_dead() would have them delivered again
            logging.error("dead: %r, %s", dead.item, dead.reason)


def main() -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder) / "jobs")


if __name__ == "__main__":
    main()
