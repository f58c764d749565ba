"""A copy of the package to edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tsva.pipeline import fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this package whose files the test may edit."""
    copy = tmp_path / "tsva"
    shutil.copytree(fingerprint.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "ROOT", copy)
    fingerprint.code_digest.cache_clear()
    return copy
