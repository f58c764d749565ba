"""What the page says of the distance of the shots."""

from __future__ import annotations

import pandas as pd
import pytest

from tsva.evaluation.inputs import Advice, advice_of
from tsva.report.plots import drawing
from tsva.report.run_figures import DELTA_METHODS, psnr_by_delta

PSNR = {
    "sharper_shot": {0.0: 30.0, 0.5: 33.0, 1.0: 32.0},
    "wiener_one_shot": {0.0: 31.0, 0.5: 34.0, 1.0: 33.0},
    "wiener_two_shot": {0.5: 36.5, 1.0: 37.0},
    "wiener_blind": {0.5: 35.0, 1.0: 36.25},
}
CURVES = pd.DataFrame(
    [(method, delta_um, psnr) for method, by in PSNR.items() for delta_um, psnr in by.items()],
    columns=["method", "delta_um", "psnr_db"],
)


def advised(scanned_with_um: float) -> Advice:
    peak = {"delta_um": 0.9, "low_um": 0.8, "high_um": 1.0, "at_end": False}
    return Advice(CURVES, {"scanned_with_um": scanned_with_um, "best": dict.fromkeys(DELTA_METHODS, peak)})


def test_cost_and_worth_are_read_off_the_curves() -> None:
    found = advice_of(advised(0.5))
    assert found is not None
    assert found["cost_db"] == pytest.approx(36.25 - 35.0)
    assert found["second_shot_db"] == pytest.approx(36.5 - 34.0)


def test_a_distance_that_was_not_compared_has_no_cost() -> None:
    found = advice_of(advised(0.6))
    assert found is not None
    assert (found["cost_db"], found["second_shot_db"]) == (None, None)


def test_without_the_stage_there_is_no_advice() -> None:
    assert advice_of(None) is None


def test_the_figure_names_every_method() -> None:
    found = advice_of(advised(0.5))
    assert found is not None
    drawn = drawing(psnr_by_delta(found)).element
    assert drawn.startswith("<svg")
    assert all(name in drawn for name in DELTA_METHODS.values())
