"""`compact`: makes the files of a queue as small as they can be."""

from __future__ import annotations

from collections.abc import Sequence

from elasticq._core import _compact
from elasticq.cli.common import FINE, print_json
from elasticq.cli.durable import answer, guarded, size
from elasticq.cli.durable import parser as parser_of_tool
from elasticq.cli.manual import Manual
from elasticq.cli.report import facts


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Makes the files of a queue that nobody has open as small as they can be.",
        "A queue does that by itself while it is used. Run this before the files are copied, or when a queue "
        "that was emptied is not going to be opened soon. A damaged queue stays as it is.",
    ]
    return parser_of_tool(program, about, {"examples": [f"$ {program} /var/lib/app/jobs"]})


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)

    def work() -> int:
        done = answer(lambda _: _compact(chosen.path))
        if chosen.json:
            print_json(done)
            return FINE
        before, after = done["bytes_before"], done["bytes_after"]
        print(f"{chosen.path}: {size(before)} before, {size(after)} now")
        print(
            facts([("files with records", f"{done['files_before']:,} before, {done['files_after']:,} now")])
        )
        return FINE

    return guarded(work)
