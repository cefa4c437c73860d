"""Checks that the site's reference has every public name of the package.

python scripts/site/complete.py SITE

SITE is the folder with the built site. Its inventory (`objects.inv`) names what the reference shows, for
other projects to link to; this compares it with the package that is installed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import elasticq

TOOLS = ("elasticq.bench", "elasticq.cli", "elasticq.demo", "elasticq.mqtt.cli")
"""Programs. Nobody imports them."""


def modules() -> Iterator[ModuleType]:
    """The package, and all its modules that are public."""
    yield elasticq
    for found in pkgutil.walk_packages(elasticq.__path__, "elasticq."):
        is_private = any(part.startswith("_") for part in found.name.split("."))
        if not is_private and not found.name.startswith(TOOLS):
            yield importlib.import_module(found.name)


def shown(inventory: bytes) -> set[str]:
    """The names in an inventory: after four lines that say what it is, compressed lines begin with them."""
    compressed = inventory.split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(compressed).decode().splitlines()}


def public(module: ModuleType) -> Iterator[str]:
    """All that `__all__` names, and the public attributes of classes that stand in this package."""
    for name in module.__all__:
        value = getattr(module, name)
        yield name
        if not inspect.isclass(value) or is_second_name(value, name) or issubclass(value, BaseException):
            continue
        for base in value.__mro__:
            if base.__module__.split(".")[0] == "elasticq":
                yield from (f"{name}.{own}" for own in vars(base) if not own.startswith("_"))


def is_second_name(value: type, name: str) -> bool:
    """Whether a class is shown under its own name, here or in the documentation of Python itself."""
    return value.__name__ != name or value.__module__.split(".")[0] != "elasticq"


def main() -> int:
    """Prints the names that are missing. The exit status is 1 if there are any."""
    site = Path(sys.argv[1])
    entries = shown((site / "objects.inv").read_bytes())
    count, missing = 0, set[str]()
    for module in modules():
        name = module.__name__.split(".")[1:2] or ["index"]
        page = site / "reference" / name[0] / "index.html"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        names = set(public(module))
        count += len(names)
        for name in names:
            full = f"{module.__name__}.{name}"
            value = getattr(module, name, None)
            told = inspect.isclass(value) and is_second_name(value, name) and f"<code>{name}</code>" in text
            if full not in entries and not told:
                missing.add(full)
    for full in sorted(missing):
        print(f"{full} is public, and the reference does not have it", file=sys.stderr)
    print(f"{count - len(missing)} of {count} public names are in the reference")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
