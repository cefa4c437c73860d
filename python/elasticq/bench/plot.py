"""A picture of what was measured. matplotlib draws it, and is asked for before anything is measured."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from elasticq.bench.cases import Result
from elasticq.bench.machine import interpreter, machine
from elasticq.cli.common import CommandError

FORMATS = ("png", "svg", "pdf")


def wanted(text: str) -> Path:
    """The file of a picture. What would fail only after minutes is checked at once."""
    path = Path(text)
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise CommandError(
            f"--plot {text}: the name must end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}"
        )
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CommandError(f"--plot {text}: it must name a file in a folder that can be written to")
    _matplotlib()
    return path


def _matplotlib() -> ModuleType:
    try:
        importlib.import_module("matplotlib").use("agg")  # needs no screen
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise CommandError("--plot needs matplotlib; pip install matplotlib installs it") from error


def draw(results: Sequence[Result], path: Path) -> None:
    """Draws a bar for each peer: how many times as fast ours is, and the spread of single rounds."""
    bars = max(1, sum(len(result.others) for result in results))
    figure = _matplotlib().Figure(figsize=(9, 1.2 + 0.55 * len(results) + 0.4 * bars), layout="constrained")
    heights = [max(1, len(result.others)) for result in results]
    axes = figure.subplots(len(results), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for result, (panel,) in zip(results, axes, strict=True):
        _panel(panel, result)
    figure.suptitle(
        f"How many times as fast as its peers elasticq is\n{interpreter()}; {machine()}", fontsize=9
    )
    try:
        figure.savefig(path)
    except OSError as error:
        raise CommandError(f"--plot {path}: {error.strerror or error}") from error


def _panel(panel: Any, result: Result) -> None:
    names = [standing.name for standing in result.others]
    ratios = [standing.ratio_to(result.ours).all for standing in result.others]
    rounds = [standing.paired_with(result.ours) for standing in result.others]
    below = [max(0.0, ratio - min(paired)) for ratio, paired in zip(ratios, rounds, strict=True)]
    above = [max(0.0, max(paired) - ratio) for ratio, paired in zip(ratios, rounds, strict=True)]
    panel.barh(names, ratios, xerr=(below, above), height=0.6, capsize=3, color="#3b7ea1", ecolor="#333333")
    panel.axvline(1.0, color="black", linewidth=0.8)
    panel.set_xlim(left=0.0)
    panel.invert_yaxis()
    panel.set_title(f"{result.case.name}: {result.case.title}", fontsize=8, loc="left")
    panel.tick_params(labelsize=8)
    for place, ratio in enumerate(ratios):
        at_the_edge = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "xytext": (4, 0)}
        panel.annotate(f"{ratio:.1f}x", (1, place), va="center", fontsize=8, **at_the_edge)
