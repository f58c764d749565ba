"""What methods say of offsets and of their own errors, against what is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsva.evaluation.statistics.estimates import error_rows, offset_rows
from tsva.settings.acquisition import PairsSettings

PAIRS = PairsSettings()
NAMES = {"dataset": "dataset1", "method": "fusion"}
PATCHES = pd.DataFrame({"target_z_um": [5.0, 5.0], "own_focus_z_um": [5.0, 5.5]})


def table(**columns: object) -> pd.DataFrame:
    """Two patches at every offset of the grid."""
    focal_offset_um = np.tile(PAIRS.offsets_um, 2)
    common = {
        "patch": np.repeat([0, 1], len(PAIRS.offsets_um)),
        "focal_offset_um": focal_offset_um,
        "protocol": "grid",
        "target": "captured",
    }
    return pd.DataFrame({**common, "psnr_db": 40.0, **columns})


def truth() -> np.ndarray:
    """F lies half a plane less above the second patch, whose own focus is a plane higher."""
    return np.concatenate([PAIRS.offsets_um, np.array(PAIRS.offsets_um) - PAIRS.z_step_um])


def test_exact_offsets_are_all_within():
    found = offset_rows(
        table(estimated_focal_offset_um=truth(), estimated_focal_offset_sd_um=0.1), PATCHES, PAIRS, **NAMES
    ).iloc[0]
    assert found["pairs"] == 2 * len(PAIRS.strict_offsets_um)
    assert [found[key] for key in ("size_within", "signed_within", "sign_right", "within_two_sd")] == [1, 1, 1, 1]
    assert (found["bias_um"], found["rmse_um"]) == pytest.approx((0, 0), abs=1e-12)


def test_a_wrong_sign_is_no_wrong_size():
    found = offset_rows(
        table(estimated_focal_offset_um=-truth(), estimated_focal_offset_sd_um=0.1), PATCHES, PAIRS, **NAMES
    ).iloc[0]
    assert (found["size_within"], found["sign_right"]) == (1, 0)
    strict = np.isin(table()["focal_offset_um"], PAIRS.strict_offsets_um)
    assert found["signed_within"] == pytest.approx(np.mean(truth()[strict] == 0))
    assert found["rmse_um"] == pytest.approx(np.sqrt(np.mean((2 * truth()[strict]) ** 2)))


def test_errors_beyond_two_standard_errors_are_counted():
    estimates = truth() + 0.3
    near, far = (
        offset_rows(
            table(estimated_focal_offset_um=estimates, estimated_focal_offset_sd_um=sd), PATCHES, PAIRS, **NAMES
        ).iloc[0]
        for sd in (0.16, 0.14)
    )
    assert (near["within_two_sd"], far["within_two_sd"]) == (1, 0)
    assert near["bias_um"] == pytest.approx(0.3) and near["signed_within"] == 0


def test_methods_that_say_nothing_have_no_rows():
    assert offset_rows(table(), PATCHES, PAIRS, **NAMES).empty
    assert error_rows(table(), PAIRS, **NAMES).empty


def test_calibrated_errors_meet_in_every_group():
    rmse = np.linspace(0.005, 0.05, 2 * len(PAIRS.offsets_um))
    calibrated = table(predicted_rmse=rmse, psnr_db=-20 * np.log10(rmse))
    rows = error_rows(calibrated, PAIRS, **NAMES)
    assert rows["pairs"].sum() == 2 * len(PAIRS.strict_offsets_um) and len(rows) == 8
    assert rows["rmse"].to_numpy() == pytest.approx(rows["predicted_rmse"].to_numpy())
    assert rows["predicted_rmse"].is_monotonic_increasing
    bold = error_rows(calibrated.assign(predicted_rmse=rmse / 2), PAIRS, **NAMES)
    assert (bold["rmse"] / bold["predicted_rmse"]).tolist() == pytest.approx([2] * 8)
