"""The figures of all contests in a file, to be drawn as bars (`cargo run --bin draw`)."""

from __future__ import annotations

import csv
import datetime
import io
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from elasticq.bench.machine import interpreter, machine, with_gil

from .standings import Outcome


def write(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Writes the medians to a file in a folder that names the processor and the interpreter."""
    version = ".".join(platform.python_version_tuple()[:2])
    where = machine()
    file = folder / file_name(where.partition(",")[0], version, with_gil())
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    file.write_text(text(outcomes, f"{where}; {interpreter()}", date), encoding="utf-8")
    return file


def file_name(processor: str, version: str, gil: bool) -> str:
    """The name of the file for a kind of processor and an interpreter: "python-3.13-amd-epyc.csv", say."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"\((R|TM)\)", "", processor).lower())
    kind = "-".join(words[:2]) or "unknown"
    return f"python-{version}{'' if gil else 't'}-{kind}.csv"


def text(outcomes: Sequence[Outcome], where: str, date: str) -> str:
    """The notes, and a line for each contender of each case: the median of its times in nanoseconds."""
    written = io.StringIO()
    written.write(f"# machine: {where}\n# date: {date}\n# command: make bench ARGS=python\n")
    written.write(f"# figures: {len(outcomes[0].ours.seconds)} interleaved rounds\n")
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("case", "contender", "nanoseconds", "settled"))
    for outcome in outcomes:
        for standing in (outcome.ours, *outcome.others):
            time = standing.time
            rows.writerow((outcome.case, standing.name, f"{time.all:.1f}", "yes" if time.settled else "no"))
    return written.getvalue()
