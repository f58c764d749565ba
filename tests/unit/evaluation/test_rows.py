"""Rows of the report's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.acquisition.draws import bin_weights
from tsva.evaluation.statistics.counts import count_rows
from tsva.evaluation.statistics.scores import comparison_rows, score_rows
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

PAIRS = PairsSettings()
REPORT = ReportSettings()
COMMON = {"pairs": PAIRS, "report": REPORT}
NAMES = {"dataset": "dataset1", "method": "tsva"}


def scores(patches=6, slides=3, target="captured", continuous=0, seed=0):
    """Scores at every grid offset (and some between), each its own number."""
    generator = np.random.default_rng(seed)
    rows = []
    for patch in range(patches):
        common = {
            "patch": patch,
            "slide": f"s{patch % slides}",
            "sample": f"Sample{8 + patch % slides}",
            "target": target,
        }
        rows += [{**common, "focal_offset_um": n, "protocol": "grid", "draw": np.nan} for n in PAIRS.offsets_um]
        drawn = generator.normal(size=continuous)
        rows += [
            {**common, "focal_offset_um": n, "protocol": "continuous", "draw": float(k)} for k, n in enumerate(drawn)
        ]
    frame = pd.DataFrame(rows)
    return frame.assign(
        psnr_db=generator.normal(40, 2, len(frame)), ssim=generator.uniform(0.8, 1, len(frame)), identical=0
    )


def one(rows, **wanted):
    """The one row with these values; None asks for an empty cell."""
    for key, value in wanted.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def test_every_protocol_and_sample_has_its_rows():
    rows = score_rows(scores(continuous=4), **NAMES, **COMMON)
    whole = rows[rows["sample"].isna()]
    assert whole.groupby("protocol", sort=False).size()[["paper", "strict"]].tolist() == [14, 12]
    assert rows["sample"].drop_duplicates().tolist() == [None, "Sample8", "Sample9", "Sample10"]
    assert set(rows["dataset"]) == {"dataset1"} and set(rows["method"]) == {"tsva"}
    average = one(whole, protocol="strict", focal_offset_um=None)
    assert (average["patches"], average["slides"]) == (6, 3)
    assert average["psnr_low_db"] < average["psnr_db"] < average["psnr_high_db"]
    assert rows.loc[rows["sample"].notna(), ["psnr_low_db", "psnr_high_db"]].isna().all(axis=None)


def test_averages_are_weighted_as_the_protocols_say():
    table = scores(continuous=5)
    rows = score_rows(table, **NAMES, **COMMON)
    grid = table[table["protocol"] == "grid"].groupby("focal_offset_um")["psnr_db"].mean()
    for protocol, offsets in (("paper", PAIRS.offsets_um), ("strict", PAIRS.strict_offsets_um)):
        average = one(rows, protocol=protocol, focal_offset_um=None, sample=None)
        assert average["psnr_db"] == pytest.approx(bin_weights(offsets, 1, 0.5) @ grid.loc[list(offsets)])
    drawn = table[table["protocol"] == "continuous"]
    average = one(rows, protocol="continuous", focal_offset_um=None, sample=None)
    assert average["psnr_db"] == pytest.approx(drawn["psnr_db"].mean())
    assert average["ssim"] == pytest.approx(drawn["ssim"].mean())
    assert average["psnr_sd_db"] == pytest.approx(drawn["psnr_db"].std(ddof=0))
    near = drawn[(drawn["focal_offset_um"] > 0.75) & (drawn["focal_offset_um"] < 1.25)]
    assert one(rows, protocol="continuous", focal_offset_um=1, sample=None)["psnr_db"] == pytest.approx(
        near["psnr_db"].mean()
    )


def test_strict_rows_are_the_paper_s_without_the_target_s_bins():
    rows = score_rows(scores(), **NAMES, **COMMON)
    paper, strict = (rows[(rows["protocol"] == name) & rows["focal_offset_um"].notna()] for name in ("paper", "strict"))
    paper = paper[paper["focal_offset_um"].abs() != PAIRS.delta_um]
    columns = [column for column in rows.columns if column != "protocol"]
    pd.testing.assert_frame_equal(paper[columns].reset_index(drop=True), strict[columns].reset_index(drop=True))


def test_draws_beyond_the_grid_count_in_the_average_alone():
    table = scores(patches=2, slides=2, continuous=1)
    far = table["protocol"] == "continuous"
    table.loc[far, ["focal_offset_um", "psnr_db"]] = [3.4, 30.0]
    rows = score_rows(table, **NAMES, **COMMON)
    drawn = rows[(rows["protocol"] == "continuous") & rows["sample"].isna()]
    assert drawn["psnr_db"].tolist() == [30.0] and drawn["focal_offset_um"].isna().all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.data())
def test_order_of_the_rows_changes_nothing(seed, data):
    table = scores(patches=4, slides=2, continuous=2, seed=seed)
    order = data.draw(st.permutations(range(len(table))))
    kept, mixed = (score_rows(part, **NAMES, **COMMON) for part in (table, table.iloc[order]))
    # Sums in another order differ by rounding: 1e-12 of values about 40, and roots of differences of squares by 1e-6.
    pd.testing.assert_frame_equal(kept, mixed, rtol=1e-6)


def test_identical_patches_are_counted_and_not_averaged():
    table = scores(patches=4, slides=2)
    at = table["focal_offset_um"] == 0.5
    table.loc[at, ["psnr_db", "ssim", "identical"]] = [np.nan, 1.0, 1]
    table.loc[(table["focal_offset_um"] == -0.5) & (table["patch"] == 0), ["psnr_db", "ssim", "identical"]] = [
        np.nan,
        1.0,
        1,
    ]
    rows = score_rows(table, **NAMES, **COMMON)
    whole = rows[rows["sample"].isna()]
    emptied = one(whole, protocol="paper", focal_offset_um=0.5)
    assert (emptied["patches"], emptied["identical_patches"]) == (4, 4)
    assert emptied[["psnr_db", "psnr_sd_db", "psnr_low_db", "psnr_high_db", "ssim"]].isna().all()
    partly = one(whole, protocol="paper", focal_offset_um=-0.5)
    assert (partly["patches"], partly["identical_patches"]) == (4, 1)
    left = table[(table["focal_offset_um"] == -0.5) & (table["patch"] > 0)]
    assert partly["psnr_db"] == pytest.approx(left["psnr_db"].mean())
    assert partly["ssim"] == pytest.approx(left["ssim"].mean())
    average = one(whole, protocol="paper", focal_offset_um=None)
    others = [n for n in PAIRS.offsets_um if n != 0.5]
    means = table.groupby("focal_offset_um")["psnr_db"].mean().loc[others]
    weights = bin_weights(PAIRS.offsets_um, 1, 0.5)[[n != 0.5 for n in PAIRS.offsets_um]]
    assert average["psnr_db"] == pytest.approx(weights @ means / weights.sum())
    assert average["identical_patches"] == 5
    assert not np.isinf(rows.select_dtypes(float)).any(axis=None)


def test_nothing_but_identical_patches_has_no_score():
    table = scores(patches=2, slides=2).assign(psnr_db=np.nan, ssim=1.0, identical=1)
    rows = score_rows(table, **NAMES, **COMMON)
    assert rows["psnr_db"].isna().all() and (rows["identical_patches"] > 0).all()
    compared = comparison_rows(table, scores(2, 2), **NAMES, baseline="y1", **COMMON)
    assert compared[["difference_db", "low_db", "high_db", "mean_loss_db"]].isna().all(axis=None)
    assert (compared["share_worse"] == 0).all() and (compared["patches"] == 0).all() and len(compared)


def test_targets_are_kept_apart():
    table = pd.concat([scores(), scores(target="clean").assign(psnr_db=50.0)])
    rows = score_rows(table, **NAMES, **COMMON)
    assert one(rows, target="clean", protocol="paper", focal_offset_um=None, sample=None)["psnr_db"] == pytest.approx(
        50
    )
    assert one(rows, target="captured", protocol="paper", focal_offset_um=None, sample=None)["psnr_db"] < 45


def test_no_scores_give_no_rows():
    assert score_rows(scores().iloc[:0], **NAMES, **COMMON).empty


def test_pairs_beat_two_separate_means():
    difficulty = np.random.default_rng(3).normal(0, 5, 12)
    ours, theirs = scores(12, 12, seed=1), scores(12, 12, seed=2)
    for table in (ours, theirs):
        table["psnr_db"] = table["psnr_db"] / 100 + difficulty[table["patch"]]
    ours["psnr_db"] += 1
    paired = comparison_rows(ours, theirs, **NAMES, baseline="y1", **COMMON)
    row = one(paired, protocol="paper", focal_offset_um=None, sample=None)
    assert 0.9 < row["low_db"] < row["difference_db"] < row["high_db"] < 1.1
    apart = one(score_rows(ours, **NAMES, **COMMON), protocol="paper", focal_offset_um=None, sample=None)
    # The patches' difficulty (5 dB) leaves the difference of two separate means uncertain by more than its size.
    assert apart["psnr_high_db"] - apart["psnr_low_db"] > 2


def test_comparison_pairs_patch_offset_target_and_draw():
    ours = pd.concat([scores(continuous=3), scores(target="clean", continuous=3, seed=1)], ignore_index=True)
    theirs = ours.assign(psnr_db=ours["psnr_db"] - 0.5 - ours["focal_offset_um"])
    rows = comparison_rows(ours, theirs.iloc[::-1], **NAMES, baseline="unet", **COMMON)
    per_bin = rows[rows["protocol"].isin(["paper", "strict"]) & rows["focal_offset_um"].notna()]
    assert per_bin["difference_db"].to_numpy() == pytest.approx(0.5 + per_bin["focal_offset_um"].to_numpy())
    assert set(rows["target"]) == {"captured", "clean"} and set(rows["baseline"]) == {"unet"}
    drawn = ours[(ours["protocol"] == "continuous") & (ours["target"] == "clean")]
    average = one(rows, protocol="continuous", target="clean", focal_offset_um=None, sample=None)
    assert average["difference_db"] == pytest.approx(0.5 + drawn["focal_offset_um"].mean())


def test_comparison_is_antisymmetric():
    ours, theirs = scores(seed=1), scores(seed=2)
    there = comparison_rows(ours, theirs, **NAMES, baseline="y1", **COMMON)
    back = comparison_rows(theirs, ours, **NAMES, baseline="y1", **COMMON)
    assert there["difference_db"].to_numpy() == pytest.approx(-back["difference_db"].to_numpy())
    assert there["low_db"].to_numpy() == pytest.approx(-back["high_db"].to_numpy(), nan_ok=True)


@pytest.mark.parametrize(("exact", "kept"), [(3, True), (4, False)])
def test_a_paired_mean_over_fewer_than_half_of_the_patches_is_none(exact, kept):
    ours, theirs = scores(seed=1), scores(seed=2)
    theirs.loc[(theirs["focal_offset_um"] == 0.5) & (theirs["patch"] < exact), "psnr_db"] = np.nan
    rows = comparison_rows(ours, theirs, **NAMES, baseline="y1", **COMMON)
    row = one(rows, protocol="paper", focal_offset_um=0.5, sample=None)
    assert (row["patches"], row["pairs"]) == (6 - exact, 6)
    average = one(rows, protocol="paper", focal_offset_um=None, sample=None)
    for found in (row, average):
        assert found[["difference_db", "low_db", "high_db"]].notna().all() == kept
    strict = one(rows, protocol="strict", focal_offset_um=None, sample=None)
    means = (ours["psnr_db"] - theirs["psnr_db"]).groupby(ours["focal_offset_um"]).mean()
    weights = bin_weights(PAIRS.strict_offsets_um, 1, 0.5)
    assert strict["difference_db"] == pytest.approx(weights @ means.loc[list(PAIRS.strict_offsets_um)])
    folded = one(rows, protocol="folded", focal_offset_um=0.5, sample=None)
    assert folded["pairs"] == 12 and not np.isnan(folded["difference_db"])


def test_pairs_made_worse_are_counted_by_the_protocols_weights():
    ours = scores(patches=4, slides=2, continuous=2)
    losses = {(0, 0.0): 2.0, (1, 0.0): 0.05, (2, -1.0): 1.0, (2, 1.0): 3.0}
    change = [-losses.get(key, -1.0) for key in zip(ours["patch"], ours["focal_offset_um"], strict=True)]
    rows = comparison_rows(ours.assign(psnr_db=ours["psnr_db"] + change), ours, **NAMES, baseline="y1", **COMMON)
    at_zero = one(rows, protocol="strict", focal_offset_um=0.0, sample=None)
    assert (at_zero["share_worse"], at_zero["mean_loss_db"], at_zero["pairs"]) == pytest.approx((0.25, 2.0, 4))
    at_one = one(rows, protocol="folded", focal_offset_um=1.0, sample=None)
    assert (at_one["share_worse"], at_one["mean_loss_db"], at_one["pairs"]) == pytest.approx((0.25, 2.0, 8))
    weight = dict(zip(PAIRS.strict_offsets_um, bin_weights(PAIRS.strict_offsets_um, 1, 0.5), strict=True))
    average = one(rows, protocol="strict", focal_offset_um=None, sample=None)
    parts = [weight[0.0] * 0.25, weight[-1.0] * 0.25, weight[1.0] * 0.25]
    assert average["share_worse"] == pytest.approx(sum(parts))
    assert average["mean_loss_db"] == pytest.approx(np.dot(parts, [2.0, 1.0, 3.0]) / sum(parts))
    drawn = one(rows, protocol="continuous", focal_offset_um=None, sample=None)
    assert drawn["share_worse"] == 0 and np.isnan(drawn["mean_loss_db"]) and drawn["pairs"] == 8


def test_an_altered_image_that_was_the_target_is_worse_without_a_loss():
    ours, theirs = scores(seed=1), scores(seed=1)
    theirs["psnr_db"] = theirs["psnr_db"].where(theirs["focal_offset_um"] != 0.5)
    rows = comparison_rows(ours, theirs, **NAMES, baseline="y1", **COMMON)
    row = one(rows, protocol="paper", focal_offset_um=0.5, sample=None)
    assert (row["share_worse"], row["patches"], row["pairs"]) == (1, 0, 6)
    assert np.isnan(row["mean_loss_db"]) and np.isnan(row["difference_db"])
    both = comparison_rows(theirs, theirs, **NAMES, baseline="y1", **COMMON)
    assert one(both, protocol="paper", focal_offset_um=0.5, sample=None)["share_worse"] == 0


def counted(errors, true_nuclei=None):
    """Counts with these errors in every patch, alike at every offset."""
    rows = [
        {
            "patch": patch,
            "slide": f"s{patch % 3}",
            "sample": "Sample1",
            "focal_offset_um": n,
            "count_restored": 20 + error,
            "count_truth": 20,
            "true_nuclei": true_nuclei,
        }
        for patch, error in enumerate(errors)
        for n in PAIRS.offsets_um
    ]
    return pd.DataFrame(rows).astype({"true_nuclei": "Int64"})


def test_agreement_is_bland_and_altman_s():
    errors = [-3, 0, 1, 2, 5, 1]
    rows = count_rows(counted(errors, 21), **NAMES, **COMMON)
    row = one(rows, protocol="strict", focal_offset_um=1.5, sample=None)
    assert row["bias"] == pytest.approx(1) and row["absolute_error"] == pytest.approx(2)
    spread = 1.96 * np.std(errors, ddof=1)
    assert (row["agreement_low"], row["agreement_high"]) == pytest.approx((1 - spread, 1 + spread))
    assert (row["count_restored"], row["count_truth"], row["true_nuclei"]) == pytest.approx((21, 20, 21))
    assert row["bias_low"] <= row["bias"] <= row["bias_high"]
    assert set(rows["protocol"]) == {"paper", "strict"}


def test_unknown_nuclei_stay_unknown():
    rows = count_rows(counted([0, 1]), **NAMES, **COMMON)
    assert rows["true_nuclei"].isna().all() and rows["bias"].notna().all()


def test_folded_columns_hold_both_signs():
    ours = scores(patches=4, slides=2)
    ours = ours.assign(psnr_db=30 + ours["focal_offset_um"], psnr_shifted_db=31.0)
    rows = score_rows(ours, **NAMES, **COMMON)
    whole = rows[(rows["protocol"] == "folded") & rows["sample"].isna()]
    assert whole["focal_offset_um"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert whole["psnr_db"].tolist() == pytest.approx([30] * 7)  # −ΔD and +ΔD cancel
    assert whole["psnr_sd_db"].tolist()[1:] == pytest.approx([n * np.sqrt(8 / 7) for n in (0.5, 1, 1.5, 2, 2.5, 3)])
    assert (whole["psnr_shifted_db"] == 31).all() and (whole["patches"] == 4).all()
    theirs = ours.assign(psnr_db=ours["psnr_db"] - 1)
    compared = comparison_rows(ours, theirs, **NAMES, baseline="unet", **COMMON)
    found = compared[compared["protocol"] == "folded"]
    assert found["sample"].isna().all() and found["difference_db"].tolist() == pytest.approx([1] * 7)
