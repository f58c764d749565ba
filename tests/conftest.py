"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

import tsva  # noqa: F401  (before torch: its threads then wait passively)

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: one thread each
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# a busy machine is no failure
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that in the end no process works alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real images and reference numbers beside the checkout; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("TSVA_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the folder of real images and reference numbers is not beside the checkout (or set TSVA_SHARED)")
    return folder
