"""Public names say that they belong to the module where users find them, and not to the one where they stand.

Tracebacks, pickles, `repr` and `help` show that module.
"""

from __future__ import annotations

from types import FunctionType

from ._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["publish"]


def publish(module: dict[str, Any]) -> None:
    """Let the classes and functions that a module's `__all__` names say that they belong to it.

    This concerns those that stand in a private module of this package. All others are somebody else's, or are
    public elsewhere.

    Args:
        module: The module's `globals()`.
    """
    for name in module["__all__"]:
        value = module[name]
        if not isinstance(value, (type, FunctionType)):
            continue
        home = value.__module__
        if home.startswith("elasticq.") and "._" in home:
            value.__module__ = module["__name__"]
