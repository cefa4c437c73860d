"""The lock file in a source distribution: it names what is in there, and no more.

maturin leaves members of the workspace out that the binding does not need, such as the benchmarks. It copies
the lock file as it is, so this one still names what only they need, and `cargo build --locked` refuses it.
"""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

LOCK = "Cargo.lock"


def shorten(archive: Path) -> None:
    """Replace the lock file of the workspace in a source distribution by what cargo needs of it.

    Versions stay as they are. All other files stay, too, byte for byte and in the same order.
    """
    with tarfile.open(archive) as packed:
        files = [(member, packed.extractfile(member)) for member in packed.getmembers()]
        contents = [(member, file.read() if file else b"") for member, file in files]
    with tempfile.TemporaryDirectory() as folder:
        for member, content in contents:
            place = Path(folder, member.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            if member.isfile():
                place.write_bytes(content)
        (root,) = Path(folder).iterdir()
        subprocess.run(
            ["cargo", "metadata", "--format-version", "1"], cwd=root, stdout=subprocess.DEVNULL, check=True
        )
        lock = (root / LOCK).read_bytes()
        made = Path(folder, archive.name)
        with (
            made.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w") as packed,
        ):
            for member, content in contents:
                data = lock if member.name == f"{root.name}/{LOCK}" else content
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
        shutil.move(made, archive)
