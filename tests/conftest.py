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


LONG = (
    "unit/docs/test_site.py",
    "unit/report/test_report_browser.py",
    "unit/report/test_report_page.py",
    "unit/restoration/export/test_export.py",
    "unit/restoration/networks/test_fusion_export.py",
    "unit/slides/test_slide_run.py",
    "unit/train/test_precision.py",
    "unit/train/test_processes.py",
    "unit/train/test_resume.py",
)
"""Files that take a process half a minute or more; `--durations` tells."""
RUNS_FIRST = "workflow/test_faults.py"
"""The file whose tests make the finished run that others of its kind need."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of tests that wait come first, then one that runs Snakemake, long ones, other workflows, many short ones.

    Processes that share the tests take them file by file (xdist's loadfile, in this order). So none waits for the run
    that the first workflow makes, and in the end none works alone.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("waits"):
        return 0
    if item.get_closest_marker("workflow"):
        return 1 if item.path.as_posix().endswith(RUNS_FIRST) else 3
    return 2 if item.path.as_posix().endswith(LONG) else 4


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real images and reference numbers beside the checkout; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("TSVA_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the folder of real images and reference numbers is not beside the checkout (or set TSVA_SHARED)")
    return folder
