"""Child processes that cannot outlive their parent, however it ends.

Linux can send a process a signal when its parent has ended, even if SIGKILL has ended the parent. The process
has to ask for that itself. A program that can't ask (the broker) is started through this file: run as a
script, this file asks and then becomes the program. It imports nothing but the standard library.

Windows has nothing of the kind that a program could ask for itself. A demo that is killed there may leave
processes behind; one that ends in any other way stops them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Asks for a SIGTERM at the end of the process `parent`, and exits if that has ended already."""
    if sys.platform == "win32":  # the parent may be the launcher of a virtual environment
        return
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit(f"parent process {parent} has ended")


def guarded(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` as a child that ends with this process."""
    if sys.platform == "win32":  # a program can't become another one: it would start it and end
        return list(command)
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *command]


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
