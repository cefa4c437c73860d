"""`inspect`: looks at a queue, also at one that is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticq._core import _inspect
from elasticq._tool.common import DAMAGED, FINE, answer, parser, print_json, run, size, with_json
from elasticq._tool.export import FORMS, Exported
from elasticq._tool.report import contents, damage, table


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    purpose = "Looks at a queue, also at one that another process has open. Reads only, and takes no lock."
    options = with_json(parser(program, purpose, FORMS))
    options.add_argument("--items", action="store_true", help="list the items, as export does: JSON lines")
    chosen = options.parse_args(arguments)

    def work() -> int:
        found = answer(lambda _: _inspect(chosen.path))
        if chosen.json:
            print_json(found)
        else:
            _show(found)
        status = DAMAGED if found["damage"] else FINE
        return max(status, Exported(chosen.path).print()) if chosen.items else status

    return run(program, work)


def _show(found: dict[str, Any]) -> None:
    so_far = f"{found['enqueued']:,} put in, {found['dequeued']:,} taken, {found['dropped']:,} dropped"
    files = f"{found['files']:,} with {found['records']:,} records; {size(found['bytes'])} in all"
    rows = [
        ("items", contents(found)),
        ("so far", so_far),
        ("files", files),
        ("open", _owner(found)),
        ("closed well", "yes" if found["closed"] else "no"),
        ("next number", f"{found['next_number']:,}"),
        ("format", f"version {found['version']}"),
    ]
    if found["sync_failed"]:
        rows.append(("sync", "one has failed; opening the queue writes again what may be lost"))
    print(found["path"])
    print(table(rows))
    if found["damage"]:
        print("\nSomething is wrong. Run verify to see what can be done.")
        print(damage(found["damage"]))


def _owner(found: dict[str, Any]) -> str:
    if found["is_open"]:
        return f"in process {found['process']}"
    if found["is_open"] is None:
        return f"perhaps in process {found['process']}, which had it open last; the system does not tell"
    return "nowhere"
