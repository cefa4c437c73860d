"""What culsans has beside queues: the names can be imported, and using one raises."""

from __future__ import annotations

from typing import Any, NoReturn

from ._errors import UnsupportedOperation


class Grouper:
    """culsans' lock of groups: not there. Making one raises UnsupportedOperation."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> NoReturn:
        raise UnsupportedOperation(
            f"{cls.__name__}: elasticq has queues and no locks; import this one from culsans itself"
        )


class RWLock(Grouper):
    """culsans' lock of readers and writers: not there. Making one raises UnsupportedOperation."""
