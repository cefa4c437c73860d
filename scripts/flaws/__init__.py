"""The flaws that `scripts/mutants` puts into the code, a file for each part of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A replacement in a file, and the proof, as target::name, that must find it.

    That is a loom model, or an ordinary test.

    `also`: further replacements, as (file, old, new), that belong to the same flaw.
    """

    name: str
    file: str
    old: str
    new: str
    proof: str
    also: tuple[tuple[str, str, str], ...] = ()

    def files(self) -> set[str]:
        """The files that it changes, and the one that its proof is in."""
        return {
            self.file,
            *(name for name, _, _ in self.also),
            f"rust/elasticq/tests/{self.proof.split('::')[0]}.rs",
        }

    @contextmanager
    def in_tree(self, tree: Path) -> Iterator[None]:
        """Makes the replacements for a while. Each text must stand in its file once."""
        originals: dict[Path, str] = {}
        try:
            for name, old, new in ((self.file, self.old, self.new), *self.also):
                file = tree / name
                text = file.read_text()
                originals.setdefault(file, text)
                if text.count(old) != 1:
                    sys.exit(f"mutants: {self.name}: this stands {text.count(old)} times in {name}:\n{old}")
                file.write_text(text.replace(old, new))
            yield
        finally:
            for file, text in originals.items():
                file.write_text(text)
