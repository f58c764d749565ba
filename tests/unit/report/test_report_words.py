"""Sentences and the words in them: what paired differences allow to be said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.evaluation.names import lead_of, listed, method_name, offset, offsets, outcome, plain, signed
from tsva.evaluation.remarks import untrained
from tsva.evaluation.verdict import verdicts
from tsva.report.page_tables import Rows
from tsva.settings.acquisition import PairsSettings

PAIRS = PairsSettings()
DATASETS = [{"dataset": "dataset1", "methods": ["y1", "tsva", "unet"]}]


def compared(
    method: str,
    baseline: str,
    difference: float | None,
    half: float | None = 0.1,
    delta: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A paired difference with an interval `half` wide on either side, over all samples in the strict protocol."""
    limits = (None, None) if difference is None or half is None else (difference - half, difference + half)
    row = {"dataset": "dataset1", "sample": None, "method": method, "baseline": baseline, "protocol": "strict"}
    row |= {"target": "captured", "focal_offset_um": delta, "difference_db": difference, "low_db": limits[0]}
    return row | {"high_db": limits[1], "patches": 8, "slides": 1 if half is None else 6} | more


def say(*comparisons: dict[str, Any]) -> tuple[str, str]:
    (found,) = verdicts(DATASETS, [], comparisons, [], [], PAIRS, 0.95)
    return found["headline"], " ".join(found["sentences"])


AGAINST_Y1 = "Y1 as captured in the strict average"
HEADLINES = [
    (1.234, 0.1, f"Dataset 1: TSVA gains 1.23 dB over {AGAINST_Y1} (95\u202f% interval +1.13 to +1.33 dB, 6 slides)."),
    (0.05, 0.1, f"TSVA is level with {AGAINST_Y1}: +0.05 dB, and the interval includes zero"),
    (-0.5, 0.1, "TSVA is worse than doing nothing: it loses 0.50 dB"),
    (0.5, None, f"TSVA gains 0.50 dB against {AGAINST_Y1} (one slide, so there is no interval"),
    (-0.5, None, f"TSVA loses 0.50 dB against {AGAINST_Y1} (one slide, so there is no interval"),
    (None, None, f"TSVA cannot be compared with {AGAINST_Y1}."),
]
RIVALS = [
    (0.4, 0.1, "TSVA wins against U-Net: 0.40 dB ahead in the strict average (+0.30 to +0.50 dB)."),
    (-0.4, 0.1, "U-Net wins against TSVA: 0.40 dB ahead in the strict average (TSVA less U-Net: −0.50 to −0.30 dB)"),
    (-0.04, 0.1, "TSVA and U-Net are level in the strict average: TSVA less U-Net is −0.04 dB, and the interval"),
    (-0.4, None, "U-Net is 0.40 dB ahead of TSVA in the strict average; with one slide there is no interval."),
    (0.4, None, "TSVA is 0.40 dB ahead of U-Net in the strict average; with one slide there is no interval."),
]


@pytest.mark.parametrize(("difference", "half", "words"), HEADLINES)
def test_headline(difference: float | None, half: float | None, words: str) -> None:
    assert words in say(compared("tsva", "y1", difference, half))[0]


def test_columns_that_are_not_refocused_are_named() -> None:
    rows = [compared("tsva", "y1", 1.0)]
    rows += [compared("tsva", "y1", difference, delta=delta) for delta, difference in ((-1, -0.2), (0, 0.0), (1, -0.3))]
    rows += [compared("tsva", "y1", 0.05, delta=1.5), compared("tsva", "y1", 2.0, delta=2.0)]
    said = say(*rows)[1]
    assert "TSVA does not beat Y1 as captured at ΔD = 0 and ±1 µm: it has not refocused anything there." in said
    assert "At ΔD = +1.5 µm TSVA is ahead of Y1 as captured, but the interval includes zero." in said
    assert "every" not in said


def test_every_column_beaten_is_said_only_when_it_is() -> None:
    beaten = [compared("tsva", "y1", 1.0, delta=delta) for delta in (-1.0, 0.0, 1.0)]
    assert "TSVA beats Y1 as captured in every strict column." in say(*beaten)[1]
    assert "every" not in say(*beaten[:2], compared("tsva", "y1", -1.0, delta=1.0))[1]


@pytest.mark.parametrize(("difference", "half", "words"), RIVALS)
def test_the_rival(difference: float, half: float | None, words: str) -> None:
    said = say(compared("tsva", "unet", difference, half))[1]
    assert words in said
    assert said.count(" wins ") == (0 if half is None or abs(difference) < half else 1)


def test_who_is_ahead_column_by_column() -> None:
    rows = [compared("tsva", "unet", 0.0), compared("tsva", "unet", -1.0, delta=0.0)]
    rows += [compared("tsva", "unet", 1.0, delta=3.0), compared("tsva", "unet", 0.01, delta=1.0)]
    assert "the interval is clear of zero for TSVA at +3 µm and U-Net at 0 µm." in say(*rows)[1]
    assert "In no single column is the interval clear of zero." in say(rows[0], rows[3])[1]


def test_offsets_between_the_planes_make_the_headline_where_there_are_some() -> None:
    rows = [compared("tsva", "y1", 4.0), compared("tsva", "y1", 3.0, protocol="paper")]
    rows += [compared("tsva", "y1", 1.0, protocol="continuous", target="clean")]
    rows += [compared("tsva", "y1", 0.02, protocol="continuous")]
    headline, said = say(*rows)
    assert headline == (
        "Dataset 1: TSVA gains 1.00 dB over Y1 as captured with offsets between the planes "
        "(95\u202f% interval +0.90 to +1.10 dB, 6 slides); target without noise; "
        "against the captured target +0.02 dB (−0.08 to +0.12 dB)."
    )
    assert "TSVA gains 4.00 dB in the strict average (+3.90 to +4.10 dB)." in said
    assert "TSVA gains 3.00 dB in the paper’s average (+2.90 to +3.10 dB)." in said


@pytest.mark.parametrize(
    ("clean", "captured", "wanted"),
    [
        (1.0, 1.0, "ahead"),
        (1.0, 0.05, "level"),
        (1.0, -1.0, "behind"),
        (-1.0, 1.0, "behind"),
        (1.0, None, "not compared"),
    ],
)
def test_the_outcome_is_the_worse_of_the_two_targets(clean: float, captured: float | None, wanted: str) -> None:
    rows = [compared("tsva", "y1", clean, protocol="continuous", target="clean")]
    rows += [compared("tsva", "y1", captured, protocol="continuous"), compared("tsva", "y1", 5.0)]
    (found,) = verdicts(DATASETS, [], rows, [], [], PAIRS, 0.95)
    assert found["outcome"] == wanted


def test_pairs_made_worse_are_said() -> None:
    row = compared("tsva", "y1", 1.0) | {"share_worse": 0.226, "mean_loss_db": 0.914}
    folded = [
        compared("tsva", "y1", 1.0, delta=delta, protocol="folded") | {"share_worse": share, "mean_loss_db": 1.0}
        for delta, share in ((0.0, 0.1), (0.5, 0.563), (1.0, 0.2))
    ]
    assert (
        "TSVA makes 23\u202f% of pairs worse than Y1 by more than 0.1 dB in the strict average, by 0.91 dB on average; "
        "most often at |ΔD| = 0.5 µm: 56\u202f%."
    ) in say(row, *folded)[1]
    none = row | {"share_worse": 0.0, "mean_loss_db": None}
    assert "TSVA makes no pair worse than Y1 by more than 0.1 dB in the strict average." in say(none)[1]
    few = row | {"share_worse": 0.001}
    assert "TSVA makes 1\u202f% of pairs worse" in say(few)[1]


def test_columns_that_hand_over_the_target_are_said() -> None:
    score = {"dataset": "dataset1", "method": "y1", "protocol": "paper", "target": "captured", "sample": None}
    scores = [
        score | {"focal_offset_um": d, "identical_patches": k, "patches": 8} for d, k in ((-0.5, 7), (0.5, 8), (1.0, 0))
    ]
    (found,) = verdicts(DATASETS, scores, [], [], [], PAIRS, 0.95)
    assert (
        "At ΔD = ±0.5 µm one shot is the target plane itself: Y1 equals the target pixel for pixel 15 times in 16"
        in (found["sentences"][-1])
    )


def test_winning_among_the_worse_than_nothing_is_no_praise() -> None:
    paired = compared("tsva", "unet", 3.0)
    both = "TSVA wins against U-Net: 3.00 dB ahead in the strict average (+2.90 to +3.10 dB). Both are worse than doing"
    assert both in say(paired, compared("tsva", "y1", -1.0), compared("unet", "y1", -4.0))[1]
    for ours in (1.0, 0.05, None):  # ahead, level, not known
        assert "Both" not in say(paired, compared("tsva", "y1", ours), compared("unet", "y1", -2.0))[1]


def test_a_network_that_has_not_learned_is_named() -> None:
    below = {"network": "unet", "verification_psnr_db": 34.15, "verification_y1_psnr_db": 36.71}
    above = {"network": "tsva", "verification_psnr_db": 39.14, "verification_y1_psnr_db": 36.71}
    (found,) = verdicts(DATASETS, [], [], [], [above, below], PAIRS, 0.95)
    (said,) = found["sentences"]
    assert said.startswith("Even on its verification patches U-Net stays below Y1 as captured (34.15 against 36.71 dB)")
    elsewhere = [{**DATASETS[0], "methods": ["y1", "tsva"]}]
    assert verdicts(elsewhere, [], [], [], [above, below], PAIRS, 0.95)[0]["sentences"] == []


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3))
def test_an_outcome_is_what_the_interval_says(low: float, below: float, above: float) -> None:
    row = compared("tsva", "y1", low + below) | {"low_db": low, "high_db": low + below + above}
    assert outcome(row) == ("ahead" if low > 0 else "behind" if low + below + above < 0 else "level")


def test_what_refocuses_nothing_is_not_the_best_method_without_training() -> None:
    rows = [compared("noise_free", "y1", 3.0), compared("wiener_blind", "y1", 1.0), compared("tsva", "y1", 0.5)]
    said = untrained(rows, rows, ["y1", "noise_free", "wiener_blind"], "tsva", "strict")
    assert said[0] == f"Of the methods without training {method_name('wiener_blind')} comes first: +1.00 dB."
    assert untrained(rows, rows, ["y1", "noise_free"], "tsva", "strict") == []


def test_the_verdict_is_about_tsva_where_it_was_applied() -> None:
    assert lead_of(["y1", "unet", "tsva"]) == "tsva"
    assert lead_of(["y1", "unet_residual"]) == "unet_residual"
    assert lead_of(["y1"]) is None
    assert method_name("something") == "something"


@pytest.mark.parametrize(
    ("deltas", "words"),
    [
        ([0.0], "0 µm"),
        ([-1.0, 1.0], "±1 µm"),
        ([2.5, -3.0, 0.0], "0, +2.5 and −3 µm"),
        ([-0.5, 0.5, 2.0], "±0.5 and +2 µm"),
    ],
)
def test_offsets_in_words(deltas: list[float], words: str) -> None:
    assert offsets(deltas) == words


def test_numbers_in_words() -> None:
    assert [plain(-0.001, 2), plain(-1.005, 1), plain(12.0, 0)] == ["0.00", "−1.0", "12"]
    assert [signed(0.001, 2), signed(1.5, 1), signed(-1.5, 1)] == ["0.00", "+1.5", "−1.5"]
    assert [offset(0.0), offset(10.0), offset(-0.25)] == ["0", "+10", "−0.25"]
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("difference", "y1_identical", "delta", "sign"),
    [
        (1.0, 0, 1.0, None),
        (0.05, 0, 1.0, "○"),
        (0.0, 0, 1.0, "▼"),
        (-1.0, 0, 1.0, "▼"),
        (None, 0, 1.0, None),
        (1.0, 3, 0.5, "▼"),
        (None, 8, 0.5, "▼"),
        (1.0, 3, None, None),
        (-1.0, 3, None, "▼"),
    ],
)
def test_signs_beside_scores(
    difference: float | None, y1_identical: int, delta: float | None, sign: str | None
) -> None:
    """Y1 identical to the target in a column is beyond beating there; its average, which leaves that out, is not."""
    score = {"sample": None, "protocol": "paper", "target": "captured", "focal_offset_um": delta, "patches": 8}
    scores = [
        score | {"method": "tsva", "identical_patches": 0},
        score | {"method": "y1", "identical_patches": y1_identical},
    ]
    row = compared("tsva", "y1", difference, delta=delta, protocol="paper")
    summary = {"scores": [row | {"dataset": "dataset1"} for row in scores], "comparisons": [row]}
    cell = Rows(summary, "dataset1").cell("tsva", "paper", "captured", delta)
    assert cell is not None
    assert (cell["mark"] or {"sign": None})["sign"] == sign
