"""tsva count on files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.cli.count import command
from tsva.errors import UserError
from tsva.stage_files import read_table, write_table

OFFSETS_UM = [-0.5, 0.0, 0.5]
SETTINGS = {"contrast": "none", "min_area_um2": 1.0, "nuclei": {"min_area_um2": 1.0}}
SIZE = 64


def dotted(dots: int) -> np.ndarray:
    """A light patch with dark squares of 25 pixels."""
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    for dot in range(dots):
        y, x = 4 + 12 * (dot // 5), 4 + 12 * (dot % 5)
        image[y : y + 5, x : x + 5] = 60
    return image


@pytest.fixture
def results(tmp_path):
    """Twelve patches of two slides, interleaved; the second slide is digital tissue with known nuclei."""
    for slide, nuclei in (("a", None), ("b", [(0.0, 0.0), (63.4, 20.0), (63.6, 20.0), (6.0, 70.0)])):
        (tmp_path / "pairs" / slide).mkdir(parents=True)
        stacks = np.stack([np.stack([dotted(9), dotted(1 + index), dotted(9)]) for index in range(6)])
        np.save(tmp_path / "pairs" / slide / "patches.npy", stacks)
        if nuclei:
            (tmp_path / "simulate" / slide / "truth").mkdir(parents=True)
            table = pd.DataFrame(nuclei, columns=["y_px", "x_px"]).assign(radius_um=2.0)
            write_table(tmp_path / "simulate" / slide / "truth" / "f1_nuclei.tsv", table)
            fields = pd.DataFrame({"field": ["f0", "f1"], "nuclei_file": ["", "truth/f1_nuclei.tsv"]})
            write_table(tmp_path / "simulate" / slide / "fields.tsv", fields)
    rows = [
        {
            "index": index,
            "slide": slide,
            "sample": "Sample1",
            "field": "f1",
            "y_px": SIZE * (index // 2),
            "x_px": SIZE * (index % 2),
            "pixel_um": 0.5,
            "array": f"pairs/{slide}/patches.npy",
            "has_clean": int(slide == "b"),
        }
        for index in range(6)
        for slide in ("a", "b")
    ]
    write_table(tmp_path / "pairs" / "dataset1.tsv", pd.DataFrame(rows))
    folder = tmp_path / "refocus" / "dataset1" / "tsva"
    folder.mkdir(parents=True)
    # a nucleus too many below focus, one too few above
    restored = [[dotted(row["index"] + 1 + extra) for extra in (1, 0, -1)] for row in rows]
    np.save(folder / "restored.npy", np.array(restored))
    scores = [{"patch": p, "focal_offset_um": n, "protocol": "grid"} for p in range(len(rows)) for n in OFFSETS_UM]
    scores.append({"patch": 0, "focal_offset_um": 0.123, "protocol": "continuous"})
    write_table(folder / "scores.tsv", pd.DataFrame(scores))
    return tmp_path


def counted(results, threads=1):
    out = results / "count" / "dataset1" / "tsva.tsv"
    arguments = [
        *settings_option(count=SETTINGS),
        "--table",
        results / "pairs/dataset1.tsv",
        "--refocus",
        results / "refocus/dataset1/tsva",
        "--results",
        results,
        "--threads",
        threads,
        "--out",
        out,
    ]
    CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    return read_table(out)


def test_every_patch_and_offset_is_counted(results):
    table = counted(results)
    assert len(table) == 12 * 3
    assert table["focal_offset_um"].tolist() == OFFSETS_UM * 12
    assert table["slide"].tolist() == (["a"] * 3 + ["b"] * 3) * 6
    truth = table["patch"] // 2 + 1
    assert (table["count_truth"] == truth).all()
    assert (table["area_truth_px"] == 25 * truth).all()
    assert (table["area_restored_px"] == 25 * table["count_restored"]).all()
    below, middle, above = (table[table["focal_offset_um"] == n] for n in OFFSETS_UM)
    assert (below["count_restored"] - below["count_truth"] == 1).all()
    assert (middle["count_restored"] == middle["count_truth"]).all()
    # The first patches lost their only nucleus: what is left has one colour.
    assert (above["count_truth"] - above["count_restored"] == 1).all()


def test_true_nuclei_lie_in_one_patch_each(results):
    table = counted(results)
    first = table[table["focal_offset_um"] == 0]
    assert first.loc[first["slide"] == "a", "true_nuclei"].isna().all()
    # (63.6, 20) is nearer to pixel 64, the next patch's first row; (6, 70) lies in the patch to the right.
    assert first.loc[first["slide"] == "b", "true_nuclei"].tolist() == [2, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("missing", ["fields.tsv", "truth/f1_nuclei.tsv"])
def test_missing_truth_of_a_simulated_slide_is_refused(results, missing):
    (results / "simulate" / "b" / missing).unlink()
    with pytest.raises(UserError, match=missing) as refusal:
        counted(results)
    assert "no such file" in str(refusal.value) and "slide b" in str(refusal.value)
    assert not (results / "count" / "dataset1" / "tsva.tsv").exists()


def test_real_slides_need_no_truth(results):
    table = read_table(results / "pairs/dataset1.tsv")
    write_table(results / "pairs/dataset1.tsv", table.assign(has_clean=0))
    assert counted(results)["true_nuclei"].isna().all()


def test_fields_without_known_nuclei_have_none(results):
    fields = pd.DataFrame({"field": ["f1"], "nuclei_file": [""]})
    write_table(results / "simulate/b/fields.tsv", fields)
    assert counted(results)["true_nuclei"].isna().all()


def test_detections_are_matched(results):
    table = counted(results)
    # The dots are the same but for one more or one less.
    both = table[["count_restored", "count_truth"]].min(axis=1)
    assert table["count_matched"].tolist() == both.tolist()
    for counted_as in ("restored", "truth"):
        assert table[f"nuclei_{counted_as}"].tolist() == table[f"count_{counted_as}"].tolist()
    assert table["nuclei_matched"].tolist() == both.tolist()


def test_true_nuclei_are_found_where_a_dot_is(results):
    table = counted(results)
    names = ["real_restored", "real_truth", "found_restored", "found_truth"]
    assert table.loc[table["slide"] == "a", names].isna().all(axis=None)
    # Only (6, 70) is the centre of a dot: the first of the second patch, at every offset.
    digital = table[table["slide"] == "b"]
    assert (digital[names].sum(axis=1) == 4 * (digital["patch"] == 3)).all()


def test_processes_change_nothing(results):
    pd.testing.assert_frame_equal(counted(results), counted(results, threads=2))


def test_of_a_sample_only_what_was_restored_is_counted(results):
    whole = counted(results)
    file = results / "refocus/dataset1/tsva/scores.tsv"
    scores = read_table(file)
    sampled = [(0, -0.5), (0, 0.5), (4, 0.0), (11, 0.5)]
    kept = scores[[pair in sampled for pair in zip(scores["patch"], scores["focal_offset_um"], strict=True)]]
    write_table(file, kept)
    table = counted(results)
    assert list(zip(table["patch"], table["focal_offset_um"], strict=True)) == sampled
    expected = whole[[pair in sampled for pair in zip(whole["patch"], whole["focal_offset_um"], strict=True)]]
    pd.testing.assert_frame_equal(table, expected.reset_index(drop=True))
