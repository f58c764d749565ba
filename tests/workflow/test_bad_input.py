"""A user's mistake ends in one message that names the place, before anything has run and without a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_workflow import SHEET, TINY, Workflow

pytestmark = pytest.mark.workflow


@pytest.fixture
def bare(tmp_path: Path, project: Path) -> Workflow:
    """The project without results."""
    for part in ("Snakefile", "workflow", "profiles", "config", "envs", "tsva", "scans"):
        (tmp_path / part).symlink_to(project / part)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (tmp_path / "slides.tsv").write_text(SHEET)
    return Workflow(tmp_path)


def refused(workflow: Workflow, *arguments: str) -> str:
    done = workflow.run(*arguments, ok=False)
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    return text


def with_row(workflow: Workflow, row: str) -> None:
    (workflow.folder / "slides.tsv").write_text(SHEET + row + "\n")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("A1\tZ\tS\ttrain\tsimulated\t\t\t\tfatty", "slides.tsv, row 7, column slide: got 'A1' again (first in row 2)"),
        ("Z1\tA\tSample1\tdataset1\tsimulated\t\t\t\tfatty", "row 7, column patient: got 'A' in test, and in training"),
        ("Z1\tZ\tS\ttrain\tstack\tscans/no.tif\t\t\t", "row 7, column path: got 'scans/no.tif', where nothing is"),
        ("Z1\tZ\tS\tlearn\tsimulated\t\t\t\tfatty", "row 7, column role: got 'learn'"),
        ("Z1\tZ\tS\ttrain\tsimulated\t\t\t\tmarble", "row 7, column tissue: got 'marble'"),
    ],
)
def test_sheet(bare: Workflow, row: str, says: str) -> None:
    with_row(bare, row)
    assert says in refused(bare, "--dry-run")


@pytest.mark.parametrize(
    ("section", "values", "says"),
    [
        ("train", {"widht": 8}, "key train.widht: got an unknown key"),
        ("optics", {"na": 1.2}, "key optics: got values that don't fit; wanted na is 1.2; wanted less than"),
        (
            "acquisition",
            {"delta_um": -0.5},
            "key acquisition.delta_um: got -0.5; wanted Input should be greater",
        ),
        ("acquisition", {"delta_um": 0.3}, "whole number of z_step_um"),
        ("train", {"networks": ["resnet"]}, "key train.networks"),
    ],
)
def test_settings(bare: Workflow, section: str, values: dict, says: str) -> None:
    bare.edit_settings(section, **values)
    assert says in refused(bare, "--dry-run")


def test_empty_sheet(bare: Workflow) -> None:
    (bare.folder / "slides.tsv").write_text(SHEET.splitlines()[0] + "\n")
    assert "slides.tsv: got no slides" in refused(bare, "--dry-run")


def test_absent_sheet(bare: Workflow) -> None:
    assert "key slides: got nowhere.tsv" in refused(bare, "--dry-run", "--config", "slides=nowhere.tsv")


def test_refocus_without_checkpoint(bare: Workflow) -> None:
    (bare.folder / "slides.tsv").write_text("\n".join([SHEET.splitlines()[0], SHEET.splitlines()[-1], ""]))
    assert "key checkpoint: got nothing" in refused(bare, "--dry-run")


def test_truncated_plane_is_named_and_leaves_nothing(bare: Workflow) -> None:
    folder = bare.folder / "bad"
    folder.mkdir()
    picture = Image.fromarray(np.full((128, 128, 3), 200, np.uint8))
    for z in range(3):
        picture.save(folder / f"f1_z{z}um.png")
    whole = (folder / "f1_z1um.png").read_bytes()
    (folder / "f1_z1um.png").write_bytes(whole[: len(whole) // 2])
    with_row(bare, "Z1\tZ\tS\ttrain\tplanes\tbad\t0.345\t{field}_z{z}um.png\t")
    text = refused(bare, "results/ingest/Z1/fields.tsv")
    assert "f1_z1um.png" in text
    assert not list((bare.folder / "results").rglob("*.tif"))


def test_slides_without_usable_fields(bare: Workflow) -> None:
    noise = np.random.default_rng(0)
    for slide in ("X", "Y"):
        folder = bare.folder / f"blank_{slide}"
        folder.mkdir()
        for index in range(27):
            plane = np.clip(noise.normal(235, 1.5, (128, 128, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(plane).save(folder / f"f1_z{-6.5 + index / 2:.1f}um.png")
    header = SHEET.splitlines()[0]
    cells = "S\t{}\tplanes\tblank_{}\t0.345\t{{field}}_z{{z}}um.png\t"
    rows = ["X\tX\t" + cells.format("train", "X"), "Y\tY\t" + cells.format("dataset1", "Y")]
    (bare.folder / "slides.tsv").write_text("\n".join([header, *rows, ""]))
    text = refused(bare)
    assert "data set train: got a data set without usable fields" in text and "tissue" in text
