"""A program that uses an installed elasticq, in an environment that has nothing else.

    python -I scripts/smoke.py VERSION TAG

It fails if the package is not of this version, was not compiled for an interpreter with this tag (cp313t),
is not that of the environment, or does not work: items go through a queue between threads and a task, and
through one in files, and the command line shows its help. So scripts/python-package knows that a wheel can be
used.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

import elasticq

ITEMS = 1000
PRODUCERS = 2


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        sys.exit(f"smoke: {what} is {found!r}, not {wanted!r}")


def through_threads_and_a_task() -> None:
    q: elasticq.Queue[int] = elasticq.Queue(maxsize=10)
    doubled: elasticq.Queue[int] = elasticq.Queue()

    async def task() -> None:
        for _ in range(PRODUCERS * ITEMS):
            await doubled.aput(2 * await q.aget())

    def produce() -> None:
        for number in range(ITEMS):
            q.put(number)

    threads = [threading.Thread(target=produce) for _ in range(PRODUCERS)]
    threads.append(threading.Thread(target=asyncio.run, args=(task(),)))
    for thread in threads:
        thread.start()
    got = [doubled.get() for _ in range(PRODUCERS * ITEMS)]
    for thread in threads:
        thread.join()
    wanted = sorted(2 * number for number in range(ITEMS) for _ in range(PRODUCERS))
    expect("what went through threads and a task", sorted(got), wanted)


def through_files(folder: Path) -> None:
    def opened() -> elasticq.PersistentCircularBuffer[dict[str, int]]:
        return elasticq.PersistentCircularBuffer(folder)

    for _ in range(2):
        with opened() as durable:
            durable.push({"number": len(durable)})
    with opened() as durable:
        expect("what went through files", [durable.pop(), durable.pop()], [{"number": 0}, {"number": 1}])


def command_lines() -> None:
    for command in ("demo", "inspect"):
        program = [sys.executable, "-I", "-m", "elasticq", command, "--help"]
        ran = subprocess.run(program, capture_output=True, text=True, check=False)
        expect(f"the status of elasticq {command} --help ({ran.stderr})", ran.returncode, 0)
        expect(f"whether elasticq {command} --help shows its usage", "usage:" in ran.stdout.lower(), True)


def main() -> None:
    version, tag = sys.argv[1:]
    expect("the version", elasticq.__version__, version)
    without_gil = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    expect("the interpreter's tag", f"cp{sys.version_info[0]}{sys.version_info[1]}{without_gil}", tag)
    expect("the environment", Path(elasticq.__file__).is_relative_to(sys.prefix), True)
    through_threads_and_a_task()
    with tempfile.TemporaryDirectory() as folder:
        through_files(Path(folder, "queue"))
    command_lines()
    if without_gil:
        expect("whether the GIL is on", sys._is_gil_enabled(), False)  # type: ignore[attr-defined]
    print("items through threads, a task and files, 2 command lines")


if __name__ == "__main__":
    main()
