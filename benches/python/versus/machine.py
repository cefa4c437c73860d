"""What a measurement was made on: the processor, its threads, the system, and the interpreter."""

from __future__ import annotations

import os
import platform
import sys

from cpuinfo import get_cpu_info  # type: ignore[import-untyped]


def with_gil() -> bool:
    """Whether this interpreter runs only one thread at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def hardware_threads() -> int:
    """How many threads this machine runs at once."""
    return os.cpu_count() or 1


def threads_at_once() -> int:
    """How many threads of this interpreter may run at once."""
    return 1 if with_gil() else hardware_threads()


def machine() -> str:
    """The machine as the tables name it, "AMD EPYC, 2 hardware threads, Linux 6.1", say."""
    processor = get_cpu_info().get("brand_raw") or platform.machine()
    release = ".".join(platform.release().split(".")[:2])
    return f"{processor}, {hardware_threads()} hardware threads, {platform.system()} {release}"


def interpreter() -> str:
    """The interpreter as the tables name it, "CPython 3.13.5 with the GIL", say."""
    gil = "with" if with_gil() else "without"
    return f"{platform.python_implementation()} {platform.python_version()} {gil} the GIL"
