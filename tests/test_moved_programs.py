"""Programs that have moved by one import do what they did: theirs is the output of the standard modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import python

PROGRAMS = Path(__file__).parent / "moved"
MOVED = {
    "asyncio_program.py": ("from elasticq.asyncio import ", "from asyncio import "),
    "queue_program.py": ("import elasticq as queue\n", "import queue\n"),
}
"""Each program, with its import of ours and the standard one that it takes the place of."""


@pytest.mark.parametrize("program", MOVED)
def test_a_program_that_moved_by_its_import_does_what_it_did(program: str) -> None:
    ours, standard = MOVED[program]
    moved = (PROGRAMS / program).read_text(encoding="utf-8")
    assert moved.count(ours) == 1
    assert moved.count("elasticq") == 1
    output = python(moved)
    assert output
    assert output == python(moved.replace(ours, standard))
