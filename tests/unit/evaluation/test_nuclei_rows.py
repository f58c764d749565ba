"""Nuclei by stain: errors, agreement, and ratios of matched detections against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.acquisition.draws import bin_weights
from tsva.evaluation.statistics.counts import nuclei_rows
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

PAIRS = PairsSettings()
COMMON = {"dataset": "dataset1", "pairs": PAIRS, "report": ReportSettings()}
RATIOS = ["precision", "recall", "f1", "true_precision", "true_recall", "true_f1", "in_focus_true_f1"]
TRUE = ["true_nuclei", "real_restored", "real_truth", "found_restored", "found_truth"]


def table(patches=6, slides=3, seed=0):
    """Counts at every offset, each its own number, with no more matches than detections."""
    generator = np.random.default_rng(seed)
    rows = [
        {"patch": patch, "slide": f"s{patch % slides}", "sample": f"Sample{patch % slides}", "focal_offset_um": n}
        for patch in range(patches)
        for n in PAIRS.offsets_um
    ]
    frame = pd.DataFrame(rows)
    for name in ("nuclei_restored", "nuclei_truth", "true_nuclei"):
        frame[name] = generator.integers(4, 30, len(frame))
    pairs = {
        "nuclei_matched": ("nuclei_restored", "nuclei_truth"),
        "real_restored": ("nuclei_restored", "true_nuclei"),
        "real_truth": ("nuclei_truth", "true_nuclei"),
        "found_restored": ("nuclei_restored", "true_nuclei"),
        "found_truth": ("nuclei_truth", "true_nuclei"),
    }
    for name, both in pairs.items():
        frame[name] = generator.integers(0, frame[[*both]].min(axis=1) + 1)
    return frame.astype(dict.fromkeys(frame.columns[4:], "Int64"))


def rows_of(counts, baseline=None, method="tsva"):
    return nuclei_rows(counts, baseline, method=method, **COMMON)


def one(rows, **wanted):
    """The one row with these values; None asks for an empty cell."""
    for key, value in {"sample": None, **wanted}.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def constant(restored, truth, patches=4, **others):
    """The same counts in every patch at every offset."""
    facts = {"nuclei_restored": restored, "nuclei_truth": truth, "nuclei_matched": min(restored, truth)}
    return table(patches, 2).assign(**{**facts, **others})


def harmonic(one, other):
    return 2 / (1 / one + 1 / other)


def test_ratios_are_of_sums_over_patches():
    counts = table()
    row = one(rows_of(counts), protocol="strict", focal_offset_um=-2.0)
    sums = counts[counts["focal_offset_um"] == -2].drop(columns=["slide", "sample"]).sum()
    precision, recall = (sums["nuclei_matched"] / sums[name] for name in ("nuclei_restored", "nuclei_truth"))
    true_precision = sums["real_restored"] / sums["nuclei_restored"]
    true_recall = sums["found_restored"] / sums["true_nuclei"]
    in_focus = harmonic(sums["real_truth"] / sums["nuclei_truth"], sums["found_truth"] / sums["true_nuclei"])
    wanted = [precision, recall, harmonic(precision, recall)]
    wanted += [true_precision, true_recall, harmonic(true_precision, true_recall), in_focus]
    assert row[RATIOS].tolist() == pytest.approx(wanted, rel=1e-12)
    assert row["f1"] == pytest.approx(2 * sums["nuclei_matched"] / (sums["nuclei_restored"] + sums["nuclei_truth"]))


def test_the_average_weighs_offsets_as_the_protocol_says():
    counts = table()
    row = one(rows_of(counts), protocol="strict", focal_offset_um=None)
    means = (
        counts.astype({"nuclei_restored": float})
        .groupby("focal_offset_um")[["nuclei_matched", "nuclei_restored"]]
        .mean()
    )
    weighted = bin_weights(PAIRS.strict_offsets_um, 1, 0.5) @ means.loc[list(PAIRS.strict_offsets_um)].astype(float)
    assert row["precision"] == pytest.approx(weighted["nuclei_matched"] / weighted["nuclei_restored"])
    assert row["nuclei_restored"] == pytest.approx(weighted["nuclei_restored"])


def test_agreement_is_bland_and_altman_s():
    errors = [-3, 0, 1, 2, 5, 1]
    counts = table(6, 3).assign(nuclei_truth=20)
    counts["nuclei_restored"] = 20 + counts["patch"].map(dict(enumerate(errors)))
    row = one(rows_of(counts), protocol="strict", focal_offset_um=1.5)
    assert (row["bias"], row["absolute_error"]) == pytest.approx((1, 2))
    spread = 1.96 * np.std(errors, ddof=1)
    assert (row["agreement_low"], row["agreement_high"]) == pytest.approx((1 - spread, 1 + spread))
    assert row["bias_low"] <= row["bias"] <= row["bias_high"]


def test_opposite_offsets_are_folded():
    counts = table()
    baseline = table(seed=1)
    rows = rows_of(counts, baseline)
    folded = rows[(rows["protocol"] == "folded") & rows["sample"].isna()]
    assert folded["focal_offset_um"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    both = counts[counts["focal_offset_um"].abs() == 2.5]
    row = one(folded, focal_offset_um=2.5)
    assert row["absolute_error"] == pytest.approx((both["nuclei_restored"] - both["nuclei_truth"]).abs().mean())
    theirs = baseline[baseline["focal_offset_um"].abs() == 2.5]
    nothing = (theirs["nuclei_restored"] - theirs["nuclei_truth"]).abs().mean()
    assert row["error_difference"] == pytest.approx(row["absolute_error"] - nothing)
    assert row["recall"] == pytest.approx(both["nuclei_matched"].sum() / both["nuclei_truth"].sum())
    assert (row["patches"], row["slides"]) == (6, 3)
    paper, zero = one(rows, protocol="paper", focal_offset_um=0.0), one(folded, focal_offset_um=0.0)
    unnamed = [name for name in rows.columns if name != "protocol"]
    pd.testing.assert_series_equal(paper[unnamed], zero[unnamed], check_names=False)


def test_error_is_compared_patch_by_patch():
    ours, theirs = table(12, 12), table(12, 12)
    hard = np.random.default_rng(0).integers(0, 60, 12)  # the patches' difficulty, which both share
    for counts, more in ((ours, 0), (theirs, 2)):
        counts["nuclei_truth"] = 100
        counts["nuclei_restored"] = 100 - counts["patch"].map(dict(enumerate(hard))) - more
    row = one(rows_of(ours, theirs.iloc[::-1]), protocol="folded", focal_offset_um=3.0)
    assert row["error_difference"] == row["error_difference_low"] == row["error_difference_high"] == -2
    apart = one(rows_of(ours), protocol="folded", focal_offset_um=3.0)
    assert np.isnan(apart["error_difference"]) and apart["bias_high"] - apart["bias_low"] > 2


def test_the_sign_of_an_error_takes_no_part_in_the_difference():
    row = one(rows_of(constant(13, 10), constant(6, 10)), protocol="strict", focal_offset_um=None)
    assert row["error_difference"] == pytest.approx(3 - 4) and row["bias"] == pytest.approx(3)


@pytest.mark.parametrize(
    ("restored", "truth", "wanted"),
    [(0, 5, (np.nan, 0, 0)), (5, 0, (0, np.nan, 0)), (0, 0, (np.nan, np.nan, np.nan)), (5, 5, (1, 1, 1))],
)
def test_nothing_detected_or_nothing_there(restored, truth, wanted):
    row = one(rows_of(constant(restored, truth)), protocol="strict", focal_offset_um=2.0)
    assert row[["precision", "recall", "f1"]].tolist() == pytest.approx(wanted, nan_ok=True)


def test_unknown_nuclei_stay_unknown_and_dilute_nothing():
    counts = table()
    counts.loc[counts["slide"] == "s0", TRUE] = pd.NA
    row = one(rows_of(counts), protocol="strict", focal_offset_um=1.0)
    known = counts[(counts["slide"] != "s0") & (counts["focal_offset_um"] == 1)]
    assert row["true_precision"] == pytest.approx(known["real_restored"].sum() / known["nuclei_restored"].sum())
    without = rows_of(counts.drop(columns=TRUE))
    assert without[["true_nuclei", "true_f1", "in_focus_true_f1"]].isna().all(axis=None)
    assert without["f1"].notna().all()


def test_one_slide_has_no_interval():
    rows = rows_of(table(4, 1), table(4, 1, seed=1))
    low_high = [name for name in rows.columns if name.endswith(("_low", "_high")) and "agreement" not in name]
    assert rows[low_high].isna().all(axis=None) and rows["error_difference"].notna().all()


def test_tables_without_nuclei_give_no_rows():
    assert rows_of(table().drop(columns="nuclei_matched")).empty
    assert rows_of(table().iloc[:0]).empty
    old = table(seed=1).drop(columns=["nuclei_restored", "nuclei_truth"])
    assert rows_of(table(), old)["error_difference"].isna().all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_f1_lies_between_precision_and_recall(seed):
    rows = rows_of(table(3, 3, seed))
    for prefix in ("", "true_"):
        both = rows[[f"{prefix}precision", f"{prefix}recall"]].to_numpy(float)
        # rounding of a harmonic mean of two equal numbers
        assert (rows[f"{prefix}f1"] >= both.min(axis=1) - 1e-12).all()
        assert (rows[f"{prefix}f1"] <= both.max(axis=1) + 1e-12).all()
