"""What waiting costs (processor time of blocked threads) and how soon it ends (Ctrl-C in a blocked call).

python benches/python/idle.py
"""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time

from elasticq import Queue
from elasticq.bench.machine import interpreter, machine

THREADS, SECONDS, ROUNDS = 100, 5.0, 20


def processor_time() -> float:
    """Seconds of processor time that this process has used so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def blocked_threads() -> float:
    """Processor time of threads that only wait for an item."""
    queue: Queue[None] = Queue()
    threads = [threading.Thread(target=queue.get) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)  # by then all of them sleep
    before = processor_time()
    time.sleep(SECONDS)
    used = processor_time() - before
    queue.put_many([None] * THREADS)
    for thread in threads:
        thread.join()
    return used


BLOCKED = """
import signal, time
from elasticq import Queue
signal.signal(signal.SIGINT, signal.default_int_handler)
empty, full = Queue(), Queue(1)
full.put(0)
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print(time.clock_gettime(time.CLOCK_MONOTONIC))
"""


def interrupt(call: str, round_: int) -> float:
    """Seconds from Ctrl-C to KeyboardInterrupt in a call of the main thread."""
    code = BLOCKED.format(call=call)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1 + round_ * 0.05 / ROUNDS)  # at any point of the wait
        sent = time.clock_gettime(time.CLOCK_MONOTONIC)
        os.kill(process.pid, signal.SIGINT)
        return float(process.stdout.read()) - sent


def main() -> None:
    print(f"{interpreter()}; {machine()}")
    used = blocked_threads()
    print(f"{THREADS} threads blocked in get for {SECONDS:.0f} s: {used:.4f} s of processor time")
    for call in ("empty.get()", "full.put(1)", "empty.get(timeout=600)"):
        times = [interrupt(call, n) * 1000 for n in range(ROUNDS)]
        print(f"Ctrl-C in {call}: median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms")


if __name__ == "__main__":
    main()
