"""Which Cargo manifest builds the binding for an interpreter.

Free-threaded CPython 3.13 needs an older PyO3 than all others, and so a manifest of its own.
"""

from __future__ import annotations

FREE_THREADED_3_13 = "rust-3.13t/Cargo.toml"


def manifest(version: tuple[int, ...], without_gil: bool) -> str | None:
    """Return the path of the manifest from the root. None: the one that `pyproject.toml` names.

    `version` begins with the major and the minor number. `without_gil`: whether it is a free-threaded build.
    """
    return FREE_THREADED_3_13 if without_gil and version[:2] == (3, 13) else None
