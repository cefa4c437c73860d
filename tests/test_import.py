"""The promises of `import elasticq`: it is quick, since it imports little, and only the standard library.

What it imports is counted in a fresh interpreter that has imported nothing else. A time would depend on what
else the machine does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import elasticq

FOLDER = Path(elasticq.__file__).parent.parent


def imported(statement: str) -> set[str]:
    """The modules that a statement imports into an interpreter without site-packages."""
    program = f"import sys; sys.path.append(sys.argv[1]); before = set(sys.modules); {statement}; "
    program += "print(*sorted(set(sys.modules) - before))"
    command = [sys.executable, "-I", "-S", "-c", program, str(FOLDER)]
    return set(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split())


def test_the_import_needs_nothing_outside_the_standard_library() -> None:
    names = {name.partition(".")[0] for name in imported("import elasticq")}
    assert names - sys.stdlib_module_names == {"elasticq"}


def test_the_import_brings_no_more_of_the_standard_library_than_queues_need() -> None:
    """Neither asyncio nor inspect nor typing, which alone would take longer than all of this."""
    modules = {name for name in imported("import elasticq") if name.partition(".")[0] != "elasticq"}
    assert "asyncio" not in modules
    assert "inspect" not in modules
    assert "typing" not in modules
    assert modules <= imported("import __future__, functools, queue, threading, weakref")


def test_the_import_brings_only_what_the_public_names_need() -> None:
    """Metrics, the demo, the command line and the interfaces of others come when they are asked for."""
    modules = {name for name in imported("import elasticq") if name.startswith("elasticq.")}
    assert {name for name in modules if not name.startswith("elasticq._")} == set()
