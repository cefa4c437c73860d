"""The build backend: maturin's, with what it does not know about this project.

It is told which of the two manifests fits the running interpreter. The lock files are kept to: where they
don't fit a manifest, the build fails, so nothing is built from versions that were not tested.

Parameters have the names that PEP 517 gives them: tox, for one, passes them by name.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lock_file
import maturin
from manifests import manifest
from maturin import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = Mapping[str, Any] | None


def _with_manifest(settings: Settings) -> Settings:
    """Add the manifest for the running interpreter, and `--locked`, to the arguments that maturin gets."""
    arguments = list(maturin.get_maturin_pep517_args(settings))
    chosen = manifest(sys.version_info, bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
    if chosen is not None:
        arguments += ["--manifest-path", chosen]
    if not {"--locked", "--frozen"} & set(arguments):
        arguments.append("--locked")
    return {**(settings or {}), "maturin.build-args": arguments}


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution, with lock files that fit what is in it."""
    name = str(maturin.build_sdist(sdist_directory, config_settings))
    lock_file.shorten(Path(sdist_directory, name))
    return name


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel."""
    return str(maturin.build_wheel(wheel_directory, _with_manifest(config_settings), metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that makes an installation point to the sources."""
    return str(maturin.build_editable(wheel_directory, _with_manifest(config_settings), metadata_directory))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the wheel's metadata without building it."""
    settings = _with_manifest(config_settings)
    return str(maturin.prepare_metadata_for_build_wheel(metadata_directory, settings))


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the same metadata for an installation that points to the sources."""
    settings = _with_manifest(config_settings)
    return str(maturin.prepare_metadata_for_build_editable(metadata_directory, settings))
