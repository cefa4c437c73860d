"""`verify`: checks every record of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticq._core import _verify
from elasticq._tool.common import DAMAGED, FINE, answer, parser, print_json, run, with_json
from elasticq._tool.report import contents, damage, losses, table


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    purpose = (
        "Checks every record of a queue, and says what a repair could save. Reads only, and takes no lock."
    )
    chosen = with_json(parser(program, purpose)).parse_args(arguments)

    def work() -> int:
        found = answer(lambda progress: _verify(chosen.path, progress))
        if chosen.json:
            print_json(found)
        else:
            _show(found, program)
        return DAMAGED if found["verdict"] == "damaged" or found["behind"] else FINE

    return run(program, work)


def _show(found: dict[str, Any], program: str) -> None:
    print(f"{found['path']}: {_VERDICTS[found['verdict']]}")
    print(table([("items", contents(found)), ("records", f"{found['records']:,} can be read")]))
    print("\nFiles")
    columns = [("name", "records", "items", "bytes", "")]
    files = [
        (file["name"], file["records"], file["items"], file["bytes"], _fault(file)) for file in found["files"]
    ]
    print(table([*columns, *files]))
    if found["losses"]["places"]:
        print("\nWhat is wrong")
        print(damage(found["losses"]["places"]))
    lines = losses(found)
    if found["refusal"]:
        lines.append(f"Opening the queue says: {found['refusal']}")
    if found["behind"]:
        lines.append(
            f"Behind the torn end {found['behind']:,} records can be read. Opening the queue gives them up."
        )
    if found["verdict"] == "damaged" or found["behind"]:
        repair = program.replace("verify", "repair")
        lines.append(f"To keep all that can be read: {repair} {found['path']}")
    if lines:
        print("\n" + "\n".join(lines))


_VERDICTS = {
    "healthy": "healthy",
    "torn": "the end is torn, as after a power cut; opening the queue cuts it off",
    "damaged": "damaged",
}


def _fault(file: dict[str, Any]) -> str:
    unreadable = "the disk can't read a part of it" if file["unreadable_bytes"] else ""
    return "; ".join(filter(None, [file["fault"], unreadable]))
