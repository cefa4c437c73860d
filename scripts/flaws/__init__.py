"""The flaws that `scripts/mutants` puts into the code, a file for each part of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A replacement in a file, and the proof that must find it, as target::name.

    The proof is a loom model or an ordinary test, or a test inside the crate, whose target is `lib`. `also`
    has further replacements of the same flaw, as (file, old, new).
    """

    name: str
    file: str
    old: str
    new: str
    proof: str
    also: tuple[tuple[str, str, str], ...] = ()

    def files(self) -> set[str]:
        """The files that the mutant changes, and the file with its proof."""
        return {
            self.file,
            *(name for name, _, _ in self.also),
            self._file_of_proof(),
        }

    def _file_of_proof(self) -> str:
        target, *module, _ = self.proof.split("::")
        return (
            f"rust/elasticq/src/{'/'.join(module)}.rs"
            if target == "lib"
            else f"rust/elasticq/tests/{target}.rs"
        )

    @contextmanager
    def in_tree(self, tree: Path) -> Iterator[None]:
        """Makes the replacements, and undoes them at the end. Each text must be in its file exactly once."""
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
