"""Stacks whose optics are known."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from tsva.acquisition.stack import Stack

SCRIPT = Path(__file__).parents[3] / "benchmarks/textured_stack.py"


@pytest.fixture(scope="session")
def simulate() -> Callable[..., Stack]:
    """Imaging is that of `tsva.optics.imaging`, layer by layer; the model that is fitted never sees a specimen."""
    return runpy.run_path(str(SCRIPT))["textured_stack"]
