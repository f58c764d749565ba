"""A trained network on slides of role refocus: no training, no test data."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_workflow import SHEET, TINY, Workflow

from tsva.readers.stack_file import read_stack
from tsva.stage_files import read_table

pytestmark = pytest.mark.workflow


@pytest.fixture
def use(tmp_path: Path, finished: Path) -> Workflow:
    """A working directory with a scan, its sheet and a checkpoint from elsewhere."""
    for part in ("Snakefile", "workflow", "profiles", "config", "envs", "tsva", "scans"):
        (tmp_path / part).symlink_to(finished / part)
    header, *rows = SHEET.splitlines()
    (tmp_path / "slides.tsv").write_text("\n".join([header, rows[-1], ""]))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "checkpoint": "given.ckpt"}))
    shutil.copy(finished / "results/train/tsva/model.ckpt", tmp_path / "given.ckpt")
    return Workflow(tmp_path)


def test_ingest_and_refocus_alone(use: Workflow, finished: Path) -> None:
    assert sorted(use.planned()) == ["ingest:E1", "refocus_fields:E1"]
    use.run()
    row = read_table(use.folder / "results/refocused/E1/fields.tsv").iloc[0]
    image = read_stack(use.folder / "results/refocused/E1" / row["file"])
    there = read_stack(finished / "results/refocused/E1" / row["file"])
    assert (row["low_z_um"], row["high_z_um"]) == (-0.5, 0.5)
    assert np.array_equal(image.planes, there.planes), "the same weights restore the same image elsewhere"
    assert not use.planned()


def test_another_checkpoint_restores_anew(use: Workflow, finished: Path) -> None:
    use.run()
    shutil.copy(finished / "results/train/unet/model.ckpt", use.folder / "given.ckpt")
    assert sorted(use.planned()) == ["refocus_fields:E1"]


def test_damaged_checkpoint_is_named(use: Workflow) -> None:
    whole = (use.folder / "given.ckpt").read_bytes()
    (use.folder / "given.ckpt").write_bytes(whole[: len(whole) // 2])
    done = use.run(ok=False)
    assert "given.ckpt: got a file that torch can't read" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (use.folder / "results/refocused/E1/fields.tsv").exists()
