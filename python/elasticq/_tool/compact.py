"""`compact`: makes the files of a queue as small as they can be."""

from __future__ import annotations

from collections.abc import Sequence

from elasticq._core import _compact
from elasticq._tool.common import FINE, answer, parser, print_json, run, size, with_json


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    purpose = "Makes the files of a queue that nobody has open as small as they can be."
    chosen = with_json(parser(program, purpose)).parse_args(arguments)

    def work() -> int:
        done = answer(lambda _: _compact(chosen.path))
        if chosen.json:
            print_json(done)
            return FINE
        before, after = done["bytes_before"], done["bytes_after"]
        files = f"{done['files_before']:,} files with records before, {done['files_after']:,} now"
        print(f"{chosen.path}: {size(before)} before, {size(after)} now; {files}")
        return FINE

    return run(program, work)
