"""Scripts beside the package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


def script(path: str) -> ModuleType:
    """A script of this repository, loaded under its file name."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # data classes look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    """The script that counts."""
    return script("benchmarks/structure.py")


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    """The script that draws."""
    return script("docs/pictures/architecture.py")


@pytest.fixture(scope="module")
def same_results() -> ModuleType:
    """The script that compares runs."""
    return script("benchmarks/same_results.py")
