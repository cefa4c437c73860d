"""Ports for servers that have to be told one."""

from __future__ import annotations

import atexit
import socket
import sys


def free_port() -> int:
    """A port of the loopback interface that nobody uses, nor gets by chance until this process ends.

    Linux gives a port that a socket is bound to only to those who ask for it by its number. Other systems
    give it to nobody else, so there it has to be let go.
    """
    keeper = socket.socket()
    if sys.platform == "linux":
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        atexit.register(keeper.close)
    keeper.bind(("127.0.0.1", 0))
    port: int = keeper.getsockname()[1]
    if sys.platform != "linux":
        keeper.close()
    return port
