"""Training, verification and test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.acquisition.pairs import EXCLUDED_COLUMNS, PATCH_COLUMNS
from tsva.acquisition.split import check_repeats, split, spread_out
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings

BY_PATCH = PairsSettings(split_by="patch")


def table(slide, patches=4, role="train", patient=None, channels=3, has_clean=1):
    rows = [
        {
            "index": i,
            "slide": slide,
            "patient": patient or f"p-{slide}",
            "role": role,
            "field": "f1",
            "row": i // 5,
            "column": i % 5,
            "channels": channels,
            "has_clean": has_clean,
        }
        for i in range(patches)
    ]
    return pd.DataFrame(rows, columns=list(PATCH_COLUMNS))


def left_out(*rows):
    return pd.DataFrame(rows, columns=list(EXCLUDED_COLUMNS))


NONE = left_out()


@given(st.lists(st.integers(1, 12), min_size=2, max_size=8), st.integers(0, 50), st.floats(0.05, 0.6))
def test_no_patient_is_on_both_sides_and_both_have_some(sizes, seed, fraction):
    tables = [table(f"s{i}", size, patient=f"p{i // 2}") for i, size in enumerate(sizes)]
    if len(sizes) < 3:
        tables.append(table("further"))
    parts, _ = split(tables, [NONE], PairsSettings(verification_fraction=fraction), seed=seed)
    sides = parts["train"].groupby("patient")["split"].nunique()
    assert (sides == 1).all()
    assert set(parts["train"]["split"]) == {"training", "verification"}


def test_order_of_the_slides_changes_nothing():
    tables = [table(f"s{i}", 3 + i) for i in range(5)] + [table("t", role="dataset1")]
    forwards, _ = split(tables, [NONE], PairsSettings(), seed=4)
    backwards, _ = split(tables[::-1], [NONE], PairsSettings(), seed=4)
    for role, part in forwards.items():
        pd.testing.assert_frame_equal(part, backwards[role])


def test_share_is_as_near_as_whole_patients_allow():
    parts, _ = split([table(f"s{i:02}", 5) for i in range(20)], [NONE], PairsSettings(), seed=1)
    assert (parts["train"]["split"] == "verification").sum() == 15  # 3 of 20 patients are 15 %


def simulated_test_patches_are_parted_at_random_when_asked():
    tables = [table("s1", 40), table("s2", 60)]
    parts, _ = split(tables, [NONE], BY_PATCH, seed=1)
    sides = parts["train"]["split"]
    assert (sides == "verification").sum() == 15
    assert (parts["train"].groupby("slide")["split"].nunique() == 2).all()
    assert sides.tolist() != split(tables, [NONE], BY_PATCH, seed=2)[0]["train"]["split"].tolist()


def test_tests_stay_apart_and_keep_their_order():
    parts, _ = split(
        [table("b", role="dataset1"), table("a", role="dataset1"), table("t1"), table("t2")], [NONE], BY_PATCH, seed=1
    )
    assert parts["dataset1"]["slide"].tolist() == ["a"] * 4 + ["b"] * 4
    assert parts["dataset1"]["index"].tolist() == [0, 1, 2, 3] * 2
    assert set(parts["dataset1"]["split"]) == {"test"}
    assert parts["dataset2"].empty and "split" in parts["dataset2"].columns


def test_roles_without_slides_are_empty():
    parts, _ = split([table("a", role="dataset1")], [NONE], PairsSettings(), seed=1)
    assert parts["train"].empty and parts["dataset2"].empty
    assert list(parts["train"].columns) == list(parts["dataset1"].columns)


def test_one_patient_cannot_be_parted():
    with pytest.raises(UserError, match=r"a single patient.*at least two"):
        split([table("s1", patient="p"), table("s2", patient="p")], [NONE], PairsSettings(), seed=1)
    with pytest.raises(UserError, match="a single patch"):
        split([table("s1", 1)], [NONE], BY_PATCH, seed=1)


@pytest.mark.parametrize("role", ["train", "dataset1", "dataset2"])
def test_a_role_without_a_usable_patch_is_told_with_its_reasons(role):
    reasons = left_out(
        ("x", role, "f1", None, None, "blank"),
        ("x", role, "f2", None, None, "blank"),
        ("x", role, "f3", 0, 1, "no peak"),
        ("t1", "other", "f1", None, None, "edge"),
    )
    others = [] if role == "train" else [table("t1"), table("t2")]
    with pytest.raises(UserError, match=f"{role}: got a data set without usable fields.*2 × blank; 1 × no peak"):
        split([table("x", 0, role=role), *others], [NONE, reasons], PairsSettings(), seed=1)


def test_grey_and_colour_do_not_mix_in_a_role():
    tables = [table("t1"), table("t2"), table("a", role="dataset1"), table("b", role="dataset1", channels=1)]
    with pytest.raises(UserError, match=r"dataset1.*3 channels in slide a and 1 channels in slide b"):
        split(tables, [NONE], PairsSettings(), seed=1)


def test_what_was_left_out_is_gathered():
    one, two = left_out(("b", "train", "f1", None, None, "blank")), left_out(("a", "train", "f1", 0, 2, "edge"))
    _, gathered = split([table("a"), table("b")], [one, NONE, two], PairsSettings(), seed=1)
    assert gathered["slide"].tolist() == ["a", "b"]
    assert gathered["reason"].tolist() == ["edge", "blank"]


def _ingested(slide: str, *digests: str) -> pd.DataFrame:
    reasons = ["" if digest else "blank" for digest in digests]
    return pd.DataFrame(
        {"slide": slide, "field": range(1, len(digests) + 1), "reason": reasons, "digest": list(digests)}
    )


def test_a_field_that_stands_in_two_slides_is_refused() -> None:
    check_repeats([_ingested("A", "x", "y", "", ""), _ingested("B", "z", "", "")])
    with pytest.raises(UserError, match=r"^slide B, field 2: got the pixels of slide A, field 1; wanted each field in"):
        check_repeats([_ingested("A", "x", "y"), _ingested("B", "z", "x")])


def test_test_sets_hold_outer_patches_of_simulated_fields_and_all_others():
    # ten patches in two rows of five
    tables = [table("a", 10), table("b", 10), table("t", 10, role="dataset1"), table("u", 1, role="dataset1")]
    tables.append(table("real", 10, role="dataset2", has_clean=0))
    parts, _ = split(tables, [NONE], PairsSettings(simulated_test_patches=2), seed=1)
    assert (len(parts["train"]), len(parts["dataset2"])) == (20, 10)
    assert parts["dataset1"][["slide", "row", "column"]].to_numpy().tolist() == [["t", 0, 0], ["t", 1, 4], ["u", 0, 0]]
    assert parts["dataset1"].index.tolist() == [0, 1, 2]
    assert parts["dataset1"]["index"].tolist() == [0, 9, 0]  # places in the slides' arrays stay


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 30))
def test_spread_patches_are_different_and_as_many_as_there_are(rows, columns, most):
    places = np.array([(y, x) for y in range(rows) for x in range(columns)], float)
    chosen = spread_out(places, most)
    assert len(set(chosen)) == len(chosen) == min(most, rows * columns)
    if most >= 2 and len(chosen) >= 2:
        assert np.ptp(places[chosen[:2]], axis=0).tolist() == [rows - 1, columns - 1]
