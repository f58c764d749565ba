"""Planes, slides, rows of the sheet, seeds, networks: which jobs run again after each, and no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from test_regeneration import ADVISE, EVALUATE, PAGE, PAIRED, TESTS, TRAIN, USE, append
from tiny_workflow import Workflow

pytestmark = pytest.mark.workflow
AFTER_PAIRS = ["split", *TRAIN, *TESTS, *USE, *EVALUATE]
"""A changed table of patches may change everything that is made of any patches."""


def chain(slide: str, first: str = "simulate") -> list[str]:
    """All stages of a slide, from one on."""
    stages = ("simulate", "ingest", "focus", "pairs")
    return [f"{stage}:{slide}" for stage in stages[stages.index(first) :]]


def plane_added(workflow: Workflow) -> None:
    plane = sorted((workflow.folder / "scans/B1").glob("*_f1_*"))[0]
    shutil.copy(plane, plane.with_name("B1_f1_z-7.00um.png"))


def plane_removed(workflow: Workflow) -> None:
    sorted((workflow.folder / "scans/B1").glob("*_f1_*"))[0].unlink()


def file_that_is_no_plane_added(workflow: Workflow) -> None:
    (workflow.folder / "scans/B1/notes.txt").write_text("by hand")


def cell(before: str, after: str) -> Callable[[Workflow], None]:
    """A change of the sheet."""

    def change(workflow: Workflow) -> None:
        sheet = workflow.folder / "slides.tsv"
        text = sheet.read_text()
        assert text.count(before) == 1
        sheet.write_text(text.replace(before, after))

    return change


def settings(section: str, **values: object) -> Callable[[Workflow], None]:
    """A change of the settings."""
    return lambda workflow: workflow.edit_settings(section, **values)


def data_file_of_the_report(workflow: Workflow) -> None:
    append(workflow.folder / "tsva/report/templates/page.css", "\np { color: black; }\n")


def of_network(network: str) -> list[str]:
    return [f"{stage}:{data}:{network}" for stage in ("refocus", "count") for data in ("dataset1", "dataset2")]


CHANGES: list[tuple[Callable[[Workflow], None], str, list[str]]] = [
    (plane_added, "plane added", [*chain("B1", "ingest"), *AFTER_PAIRS]),
    (plane_removed, "plane removed", [*chain("B1", "ingest"), *AFTER_PAIRS]),
    # what belongs to a slide's folder belongs to the slide; that it fits no pattern only the ingest stage knows
    (file_that_is_no_plane_added, "other file added", [*chain("B1", "ingest"), *AFTER_PAIRS]),
    (cell("0.345", "0.344"), "pixel size of a slide", [*chain("B1", "ingest"), *AFTER_PAIRS]),
    (cell("C1\tC\tSample1", "C1\tC\tSample2"), "sample of a slide", [*chain("C1"), *AFTER_PAIRS]),
    (cell("D1\tD", "D1\tQ"), "patient of a slide", [*chain("D1"), *AFTER_PAIRS]),
    (
        cell(
            "C1\tC\tSample1\tdataset1\tsimulated\t\t\t\tepithelial", "C1\tC\tSample1\tdataset1\tsimulated\t\t\t\tfatty"
        ),
        "tissue of a slide",
        [*chain("C1"), *AFTER_PAIRS],
    ),
    (
        settings("train", networks=["tsva", "unet", "unet_residual"]),
        "network added",
        ["train:unet_residual", *of_network("unet_residual"), *EVALUATE],
    ),
    (settings("train", networks=["tsva"]), "network removed", EVALUATE),
    (settings("methods", baselines=["mean"]), "method removed", EVALUATE),
    (data_file_of_the_report, "template of the report", [PAGE]),
]


@pytest.mark.parametrize(("change", "wanted"), [part[::2] for part in CHANGES], ids=[part[1] for part in CHANGES])
def test_change(workflow: Workflow, change: Callable[[Workflow], None], wanted: list[str]) -> None:
    change(workflow)
    assert sorted(workflow.planned()) == sorted(wanted)


def test_seed_runs_all_that_is_drawn(workflow: Workflow) -> None:
    text = (workflow.folder / "tiny.yaml").read_text()
    (workflow.folder / "tiny.yaml").write_text(text.replace("seed: 3", "seed: 4"))
    made = [slide for slide in PAIRED if slide != "B1"]
    drawn = [*(job for slide in made for job in chain(slide)), "pairs:B1"]
    assert sorted(workflow.planned()) == sorted([*drawn, *AFTER_PAIRS, ADVISE])


def without(workflow: Workflow, slide: str) -> None:
    """Take a slide's row out of the sheet."""
    lines = (workflow.folder / "slides.tsv").read_text().splitlines()
    (workflow.folder / "slides.tsv").write_text("\n".join([line for line in lines if line[:2] != slide] + [""]))


def test_removed_slide_runs_no_other_slide(workflow: Workflow) -> None:
    without(workflow, "D1")
    wanted = ["split", *TRAIN, *(job for job in TESTS if "dataset2" not in job), *USE, *EVALUATE]
    assert sorted(workflow.planned()) == sorted(wanted)


def test_snakemake_s_report_holds_the_project_s_own(workflow: Workflow) -> None:
    workflow.run("--report", "report.zip")
    shutil.unpack_archive(workflow.folder / "report.zip", workflow.folder / "report")
    for name in ("index.html", "summary.json"):
        own = (workflow.folder / "results/report" / name).read_bytes()
        held = [path for path in (workflow.folder / "report").rglob(name) if path.read_bytes() == own]
        assert len(held) == 1, name
