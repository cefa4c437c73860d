"""What a measurement was made on: the processor, its threads, the system, and the interpreter."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path


def with_gil() -> bool:
    """Whether this interpreter runs only one thread at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def hardware_threads() -> int:
    """How many threads this process may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The name of the processor, as its maker writes it, or only what kind it is."""
    named = platform.processor() if sys.platform == "win32" else ""
    if sys.platform == "linux":
        named = _in_cpuinfo(Path("/proc/cpuinfo"))
    elif sys.platform == "darwin":
        named = _said_by("sysctl", "-n", "machdep.cpu.brand_string")
    return named or platform.machine() or "an unknown processor"


def _in_cpuinfo(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    named = (line.partition(":")[2] for line in text.splitlines() if line.startswith("model name"))
    return " ".join(next(named, "").split())


def _said_by(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def threads_at_once() -> int:
    """How many threads of this interpreter may run at once."""
    return 1 if with_gil() else hardware_threads()


def system() -> str:
    """The system, "Linux 6.1", say."""
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"


def machine() -> str:
    """The machine as the tables name it, "AMD EPYC, 2 hardware threads, Linux 6.1", say."""
    threads = hardware_threads()
    return f"{processor()}, {threads} hardware {'thread' if threads == 1 else 'threads'}, {system()}"


def interpreter() -> str:
    """The interpreter as the tables name it, "CPython 3.13.5 with the GIL", say."""
    gil = "with" if with_gil() else "without"
    return f"{platform.python_implementation()} {platform.python_version()} {gil} the GIL"
