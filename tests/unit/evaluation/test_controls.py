"""What the verdict says of networks that do not beat a control."""

from __future__ import annotations

import pytest

from tsva.evaluation.remarks import controls


def row(network: str, low_db: float, high_db: float) -> dict:
    return {
        "method": network,
        "baseline": "learned_linear",
        "protocol": "strict",
        "focal_offset_um": None,
        "difference_db": (low_db + high_db) / 2,
        "low_db": low_db,
        "high_db": high_db,
    }


@pytest.mark.parametrize(
    ("tsva", "fusion", "said"),
    [
        ((0.5, 1.5), (0.1, 0.3), "Every network beats the control"),
        ((-1.5, -0.5), (0.1, 0.3), "TSVA (−1.00 dB) does not beat"),
        ((-1.5, 0.5), (-0.3, -0.1), "TSVA (−0.50 dB) and Fusion (−0.20 dB) do not beat"),
    ],
)
def test_an_interval_across_zero_is_no_win(tsva: tuple, fusion: tuple, said: str) -> None:
    rows = [row("tsva", *tsva), row("fusion", *fusion)]
    (sentence,) = controls(rows, ["y1", "learned_linear", "tsva", "fusion"], "strict")
    assert sentence.startswith(said) and "Learned linear filter (known ΔD)" in sentence


def test_without_controls_nothing_is_said() -> None:
    assert controls([], ["y1", "tsva"], "strict") == [] and controls([], ["learned_linear", "tsva"], "strict") == []
