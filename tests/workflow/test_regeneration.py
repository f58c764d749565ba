"""Which jobs run again after which change; content decides, not time stamps."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_workflow import Workflow

pytestmark = pytest.mark.workflow

METHODS = ("y1", "tsva", "unet")
BASELINES = ("mean", "wiener_blind")
DATASETS = ("dataset1", "dataset2")
REFOCUS = [f"refocus:{data}:{method}" for data in DATASETS for method in METHODS]
BASELINE = [f"refocus:{data}:{method}" for data in DATASETS for method in BASELINES]
COUNT = [f"count:{data}:{method}" for data in DATASETS for method in (*METHODS, *BASELINES)]
TESTS = [*REFOCUS, *BASELINE, *COUNT]
"""All that depends on the test patches; what depends on training patches alone comes to baselines by the spectrum."""
TRAINED = [job for job in [*REFOCUS, *COUNT] if job.endswith(("tsva", "unet"))]
OF_UNET = [job for job in [*REFOCUS, *COUNT] if job.endswith("unet")]
COUNT_OF_NETWORKS = [job for job in COUNT if job.endswith(METHODS)]
COUNT_OF_BASELINES = [job for job in COUNT if job.endswith(BASELINES)]
PAGE = "report:report"
EVALUATE = ["evaluate:report", PAGE]
"""Numbers and what shows them."""
ADVISE = "advise"
"""Digital tissue of its own, restored by Wiener."""
TRAIN = ["spectrum", "train:tsva", "train:unet"]
USE = ["refocus_fields:E1"]
PAIRED = ["A1", "B1", "C1", "D1"]


def of_method(method: str) -> list[str]:
    return [f"{stage}:{data}:{method}" for stage in ("refocus", "count") for data in DATASETS]


def each(stage: str, *slides: str) -> list[str]:
    return [f"{stage}:{slide}" for slide in slides]


def test_second_run_plans_nothing_and_tells_the_disk(workflow: Workflow) -> None:
    assert not workflow.planned()
    assert "GB of disk" in workflow.run("--dry-run").stdout


def test_touched_files_run_nothing(workflow: Workflow) -> None:
    for file in (workflow.folder / "scans").rglob("*.*"):
        os.utime(file)
    (workflow.folder / "slides.tsv").touch()
    assert not workflow.planned()


def test_equal_replacement_runs_nothing(workflow: Workflow) -> None:
    file = workflow.folder / "scans/E1.ome.tif"
    shutil.copy(file, file.with_suffix(".copy"))
    file.unlink()
    file.with_suffix(".copy").rename(file)
    assert not workflow.planned()


def replace_plane(folder: Path) -> None:
    """Another picture under the old name and an old time stamp, as `cp -p` leaves it; no two planes are equal."""
    planes = sorted((folder / "scans/B1").iterdir())
    stamp = planes[3].stat().st_mtime_ns - 10**12
    picture = np.asarray(Image.open(planes[3])).copy()
    picture[0, 0] ^= 1
    Image.fromarray(picture).save(planes[3])
    os.utime(planes[3], ns=(stamp, stamp))


def test_edited_plane_runs_its_slide_and_what_depends_on_it(workflow: Workflow) -> None:
    replace_plane(workflow.folder)
    wanted = [
        *each("ingest", "B1"),
        *each("focus", "B1"),
        *each("pairs", "B1"),
        "split",
        *TRAIN,
        *TESTS,
        *USE,
        *EVALUATE,
    ]
    assert sorted(workflow.planned()) == sorted(wanted)


def test_refocus_fields_alone(workflow: Workflow) -> None:
    file = workflow.folder / "scans/E1.ome.tif"
    data = bytearray(file.read_bytes())
    data[-1000] ^= 1
    file.write_bytes(data)
    assert sorted(workflow.planned()) == ["ingest:E1", *USE]


SETTINGS = [
    ("report", {"confidence": 0.9}, EVALUATE),
    ("advise", {"offsets": 2}, [ADVISE, *EVALUATE]),
    ("baselines", {"section_thickness_um": 2.0}, [ADVISE, *BASELINE, *COUNT_OF_BASELINES, *EVALUATE]),
    ("count", {"threshold": "default"}, [*COUNT, *EVALUATE]),
    ("train", {"steps": 7}, ["train:tsva", "train:unet", *TRAINED, *USE, *EVALUATE]),
    ("train", {"fusion": {"width": 12, "crop_px": 64}}, EVALUATE),
    ("train", {"steps_of": {"unet": 5}}, ["train:unet", *OF_UNET, *EVALUATE]),
    ("refocus", {"batch": 3}, [*REFOCUS, *COUNT_OF_NETWORKS, *USE, *EVALUATE]),
    ("pairs", {"verification_fraction": 0.4}, ["split", *TRAIN, *TESTS, *EVALUATE, *USE]),
    ("pairs", {"share_draws": False}, [*REFOCUS, *BASELINE, *COUNT, *EVALUATE]),
    ("pairs", {"simulated_test_patches": 1}, ["split", *TRAIN, *TESTS, *EVALUATE, *USE]),
    (
        "focus",
        {"min_tissue_fraction": 0.06},
        [*each("focus", *PAIRED), *each("pairs", *PAIRED), "split", *TRAIN, *TESTS, *USE, *EVALUATE],
    ),
]


@pytest.mark.parametrize(
    ("section", "values", "wanted"),
    SETTINGS,
    ids=[f"{section}-{next(iter(keys))}" for section, keys, _ in SETTINGS],
)
def test_setting_runs_the_stages_that_use_it(workflow: Workflow, section: str, values: dict, wanted: list[str]) -> None:
    workflow.edit_settings(section, **values)
    assert sorted(workflow.planned()) == sorted(wanted)


CODE = [
    ("tsva/cli/evaluate.py", EVALUATE),
    ("tsva/cli/report.py", [PAGE]),
    ("tsva/report/figures.py", [PAGE]),
    ("tsva/evaluation/statistics/intervals.py", EVALUATE),
    ("tsva/cli/count.py", [*COUNT, *EVALUATE]),
    ("tsva/restoration/networks/u_shaped.py", ["train:tsva", "train:unet", *TRAINED, *USE, *EVALUATE]),
    ("tsva/restoration/networks/burst.py", [*USE]),
    ("tsva/restoration/baselines/wiener.py", [ADVISE, *of_method("wiener_blind"), *EVALUATE]),
    ("tsva/cli/gather.py", EVALUATE),
    ("tsva/acquisition/spectrum.py", [ADVISE, "spectrum", *BASELINE, *COUNT_OF_BASELINES, *EVALUATE]),
    ("tsva/cli/split.py", ["split", *TRAIN, *TESTS, *USE, *EVALUATE]),
]


@pytest.mark.parametrize(("file", "wanted"), CODE, ids=[file for file, _ in CODE])
def test_code_runs_its_stage(workflow: Workflow, file: str, wanted: list[str]) -> None:
    append(workflow.folder / file, "\nCHANGED = True\n")
    assert sorted(workflow.planned()) == sorted(wanted)


def test_an_added_method_trains_nothing_again(workflow: Workflow) -> None:
    methods = workflow.folder / "tsva/settings/methods.py"
    row = '    "mean_again": MethodEntry("Mean again", f"{_BASELINES}.classics:mean"),\n'
    methods.write_text(methods.read_text().replace('    "mean": MethodEntry(', row + '    "mean": MethodEntry('))
    workflow.edit_settings("methods", baselines=["mean", "mean_again", "wiener_blind"])
    assert sorted(workflow.planned()) == sorted([*of_method("mean_again"), *EVALUATE])


@pytest.mark.parametrize(
    "file", ["tsva/acquisition/sharpness.py", "tsva/restoration/networks/u_shaped.py", "tsva/cli/focus.py"]
)
def test_comment_runs_nothing(workflow: Workflow, file: str) -> None:
    append(workflow.folder / file, "\n# a remark\n")
    assert not workflow.planned()


def append(path: Path, text: str) -> None:
    time.sleep(0.01)
    path.write_text(path.read_text() + text)


def test_added_slide_leaves_the_others_alone(workflow: Workflow) -> None:
    row = "F1\tF\tSample2\tdataset1\tsimulated\t\t\t\tglandular\n"
    append(workflow.folder / "slides.tsv", row)
    planned = workflow.planned()
    made = [job for job in planned if job.split(":")[0] in ("simulate", "ingest", "focus", "pairs")]
    assert sorted(made) == sorted(f"{stage}:F1" for stage in ("simulate", "ingest", "focus", "pairs"))


def test_changed_slide_leaves_other_slides_equal_bit_for_bit(workflow: Workflow) -> None:
    def arrays() -> dict[str, bytes]:
        return {slide: (workflow.folder / f"results/pairs/{slide}/patches.npy").read_bytes() for slide in PAIRED}

    before = arrays()
    replace_plane(workflow.folder)
    workflow.run("results/pairs/B1/patches.npy")
    after = arrays()
    assert {slide for slide in PAIRED if before[slide] != after[slide]} == {"B1"}


def test_run_after_a_change_settles(workflow: Workflow) -> None:
    """What a change set going ends: the run after it plans only what was not asked for, and none of it twice."""
    workflow.edit_settings("count", threshold="default")
    workflow.run("results/evaluate/report/summary.json")
    assert workflow.planned() == {PAGE: 1}


def test_jobs_share_the_cores_and_name_what_they_read(workflow: Workflow) -> None:
    """Ten counts and three simulated slides: each job has its share of 40 cores for processes of its own."""
    text = workflow.run("--dry-run", "--forceall", "--printshellcmds", "--cores", "40").stdout
    for stage, share in (("count", 4), ("simulate", 13)):
        found = re.findall(rf"tsva --log \S+ {stage} .*?--threads (\d+)", text)
        assert found and set(found) == {str(share)}
    counted = [block for block in text.split("\n\n") if "rule count:" in block and "dataset1" in block]
    assert counted and all("results/simulate/C1/truth" in block for block in counted)
