"""The build backend: maturin's, which is told which of the two manifests fits the running interpreter."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from typing import Any

import maturin
from manifests import manifest
from maturin import (
    build_sdist,
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
    """Add the manifest for the running interpreter to the arguments that maturin gets."""
    chosen = manifest(sys.version_info, bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
    if chosen is None:
        return settings
    arguments = [*maturin.get_maturin_pep517_args(settings), "--manifest-path", chosen]
    return {**(settings or {}), "maturin.build-args": arguments}


def build_wheel(directory: str, settings: Settings = None, metadata: str | None = None) -> str:
    """Build the wheel."""
    return str(maturin.build_wheel(directory, _with_manifest(settings), metadata))


def build_editable(directory: str, settings: Settings = None, metadata: str | None = None) -> str:
    """Build the wheel that makes an installation point to the sources."""
    return str(maturin.build_editable(directory, _with_manifest(settings), metadata))


def prepare_metadata_for_build_wheel(directory: str, settings: Settings = None) -> str:
    """Write the wheel's metadata without building it."""
    return str(maturin.prepare_metadata_for_build_wheel(directory, _with_manifest(settings)))


def prepare_metadata_for_build_editable(directory: str, settings: Settings = None) -> str:
    """Write the same metadata for an installation that points to the sources."""
    return str(maturin.prepare_metadata_for_build_editable(directory, _with_manifest(settings)))
