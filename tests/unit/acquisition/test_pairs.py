"""Which patches are used, and what is cut out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsva.acquisition.pairs import EXCLUDED_COLUMNS, PATCH_COLUMNS, cut, plan, plane_at, reachable_planes
from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings
from tsva.settings.sheet import SlideRow

SETTINGS = PairsSettings(patch_px=32, offset_max_um=1.0)
SLIDE = SlideRow(slide="s1", patient="p1", sample="Sample1", role="train", source="stack", path="s1")


def ingested(**changes):
    row = {
        "field": "f1",
        "file": "stacks/f1.ome.tif",
        "planes": 11,
        "pixel_um": 0.345,
        "z_step_um": 0.5,
        "channels": 3,
        "reason": None,
    }
    return {**row, **changes}


def focused(**changes):
    return {"field": "f1", "verdict": "ok", "reason": None, "focus_plane": 5, "focus_z_um": 1.5, **changes}


def patch(row, column, **changes):
    base = {
        "field": "f1",
        "row": row,
        "column": column,
        "y_px": 32 * row,
        "x_px": 32 * column,
        "verdict": "ok",
        "reason": None,
        "focus_plane": 5,
    }
    row = {**base, **changes}
    return {"focus_z_um": 1.5 + 0.5 * (row["focus_plane"] - 5), **row}


def planned(fields, verdicts, patches, seed=1, truth="field"):
    return plan(
        SLIDE,
        pd.DataFrame(fields),
        pd.DataFrame(verdicts),
        pd.DataFrame(patches),
        SETTINGS.model_copy(update={"truth": truth}),
        seed=seed,
        array="pairs/s1/patches.npy",
    )


def test_usable_patches_are_listed_in_order():
    used, excluded = planned([ingested()], [focused()], [patch(0, 0), patch(0, 1, focus_plane=6)])
    assert tuple(used.columns) == PATCH_COLUMNS
    assert used["index"].tolist() == [0, 1]
    assert used["own_focus_plane"].tolist() == [5, 6]
    assert set(used["focal_offset_um"]) <= set(SETTINGS.offsets_um)
    assert used.loc[1, ["sample", "patient", "role", "x_px", "focus_z_um", "array"]].tolist() == [
        "Sample1",
        "p1",
        "train",
        32,
        1.5,
        "pairs/s1/patches.npy",
    ]
    assert excluded.empty and tuple(excluded.columns) == EXCLUDED_COLUMNS


def test_what_is_left_out_has_its_reason():
    names = ["unread", "blank", "end", "small", "f1"]
    fields = [ingested(field=name) for name in names]
    fields[0].update(reason="a plane is missing", file=None, z_step_um=None)
    verdicts = [focused(field=name) for name in names[1:]]
    verdicts[0].update(verdict="blank", reason="2 % of it is stained")
    verdicts[1].update(focus_plane=9)
    patches = [patch(0, 0, field="blank"), patch(0, 0, field="end"), patch(0, 0), patch(0, 1, verdict="blank")]
    used, excluded = planned(fields, verdicts, patches)
    assert used[["field", "row", "column"]].to_numpy().tolist() == [["f1", 0, 0]]
    reasons = excluded.set_index("field")["reason"]
    assert reasons["unread"] == "a plane is missing"
    assert reasons["blank"] == "2 % of it is stained"
    assert "9 below and 1 above" in reasons["end"] and "need 3" in reasons["end"]
    assert "smaller than one patch of 32×32" in reasons["small"]
    assert reasons["f1"] == "blank"
    assert excluded.loc[excluded["field"] != "f1", ["row", "column"]].isna().all(axis=None)
    assert excluded.loc[excluded["field"] == "f1", ["row", "column"]].to_numpy().tolist() == [[0, 1]]
    assert set(excluded["role"]) == {"train"}


@pytest.mark.parametrize(("plane", "usable"), [(2, False), (3, True), (7, True), (8, False)])
def test_every_offset_needs_its_planes(plane, usable):
    used, excluded = planned([ingested()], [focused(focus_plane=plane)], [patch(0, 0)])
    assert (len(used), len(excluded)) == ((1, 0) if usable else (0, 1))


def test_where_all_of_a_field_is_in_focus_in_its_plane_both_truths_are_one():
    patches = [patch(0, 0), patch(0, 1)]
    by_field, by_patch = (planned([ingested()], [focused()], patches, truth=truth)[0] for truth in ("field", "patch"))
    pd.testing.assert_frame_equal(by_field, by_patch, check_exact=True)
    assert by_patch["target_plane"].tolist() == [5, 5] and by_patch["target_offset_um"].tolist() == [0, 0]


def test_a_patch_has_its_own_target():
    """0.7 µm above the field's plane: the nearest plane is the next one, 0.2 µm below the patch's focus."""
    above = patch(0, 0, focus_z_um=2.2)
    row = planned([ingested()], [focused()], [above], truth="patch")[0].iloc[0]
    assert (row["target_plane"], row["target_z_um"], row["own_focus_z_um"]) == (6, 2.0, 2.2)
    assert row["target_offset_um"] == pytest.approx(-0.2)
    row = planned([ingested()], [focused()], [above])[0].iloc[0]
    assert (row["target_plane"], row["target_offset_um"]) == (5, 0)


def test_a_patch_needs_planes_about_its_own_target():
    patches = [patch(0, 0), patch(0, 1, focus_plane=8)]
    used, excluded = planned([ingested()], [focused()], patches, truth="patch")
    assert used["column"].tolist() == [0]
    assert excluded[["field", "row", "column"]].to_numpy().tolist() == [["f1", 0, 1]]
    assert "8 below and 2 above" in excluded["reason"].iloc[0]


def test_further_fields_change_no_draw():
    alone, _ = planned([ingested()], [focused()], [patch(0, column) for column in range(5)])
    with_other, _ = planned(
        [ingested(field="f0"), ingested()],
        [focused(field="f0"), focused()],
        [patch(0, 0, field="f0"), *(patch(0, column) for column in range(5))],
    )
    assert with_other.loc[with_other["field"] == "f1", "focal_offset_um"].tolist() == alone["focal_offset_um"].tolist()


def test_all_excluded_gives_empty_tables():
    used, excluded = planned([ingested()], [focused(verdict="no peak")], [patch(0, 0)])
    assert used.empty and tuple(used.columns) == PATCH_COLUMNS
    assert excluded["reason"].tolist() == ["no peak"]


@pytest.mark.parametrize(("step", "got"), [(None, "irregular"), (1.0, "a z step of 1 µm"), (0.25, "0.25 µm")])
def test_another_z_step_is_the_user_s_mistake(step, got):
    with pytest.raises(UserError, match=f"slide s1, field f1.*{got}.*every 0.5 µm"):
        planned([ingested(z_step_um=step)], [focused()], [patch(0, 0)])


def test_grey_and_colour_fields_do_not_mix():
    with pytest.raises(UserError, match="3 in field f1 and 1 in field f2"):
        planned([ingested(), ingested(field="f2", channels=1)], [focused(), focused(field="f2")], [patch(0, 0)])


def coded(planes=11, height=70, width=100):
    """A stack whose values tell where they come from."""
    z, y, x, c = np.meshgrid(np.arange(planes), np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return Stack((37 * z + 5 * y + 3 * x + 101 * c).astype(np.uint8), 0.5 * np.arange(planes) - 1.0, 0.345)


def test_patches_are_cut_where_the_table_says_with_the_target_in_the_middle():
    stack = coded()
    patches = pd.DataFrame({"y_px": [0, 38, 7], "x_px": [0, 68, 31]})
    out = cut(reachable_planes(stack, 4, SETTINGS), patches, 32)
    assert out.shape == (3, 7, 32, 32, 3)
    for values, (y, x) in zip(out, patches.to_numpy(), strict=True):
        assert np.array_equal(values[3], stack.planes[4, y : y + 32, x : x + 32])
        assert np.array_equal(values[0], stack.planes[1, y : y + 32, x : x + 32])
        assert np.array_equal(values[6], stack.planes[7, y : y + 32, x : x + 32])


@pytest.mark.parametrize("corner", [(-1, 0), (39, 0), (0, 69)])
def test_a_patch_outside_the_field_is_refused(corner):
    patches = pd.DataFrame([corner], columns=["y_px", "x_px"])
    with pytest.raises(ValueError, match="reaches out"):
        cut(coded().planes, patches, 32)


@pytest.mark.parametrize("plane", [2, 8])
def test_planes_out_of_the_stack_are_refused(plane):
    with pytest.raises(ValueError, match="fewer than 3 planes"):
        reachable_planes(coded(), plane, SETTINGS)


def test_the_plane_at_a_position_is_exact_or_none():
    stack = coded()
    assert np.array_equal(plane_at(stack, 0.5), stack.planes[3])
    assert plane_at(stack, 0.7) is None
    assert plane_at(stack, 9.0) is None
