"""How well methods know what they don't see: the focal offset, and their own error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsva.settings.acquisition import PairsSettings

NEAR_UM = 0.25
"""Half a plane: an offset found this well names the right plane of the stack."""
OFFSET_COLUMNS = (
    "dataset",
    "method",
    "pairs",
    "size_within",
    "signed_within",
    "sign_right",
    "bias_um",
    "rmse_um",
    "within_two_sd",
)
ERROR_COLUMNS = ("dataset", "method", "predicted_rmse", "rmse", "pairs")
GROUPS = 8


def offset_rows(
    scores: pd.DataFrame, patches: pd.DataFrame, pairs: PairsSettings, *, dataset: str, method: str
) -> pd.DataFrame:
    """How near a method's offsets come to the true ones, in the strict columns.

    Parameters
    ----------
    scores : DataFrame
        ``scores.tsv``.
    patches : DataFrame
        The data set's patches: the true offset is that from the patch's own focus.
    pairs : PairsSettings
    dataset, method : str
        Their names.

    Returns
    -------
    DataFrame
        ``OFFSET_COLUMNS``, one row; none where the method finds no offsets. Shares of pairs: whose size (signed value)
        is within `NEAR_UM`, whose sign is right where the true offset isn't 0, and whose error is within two of the
        method's own standard errors (NaN where it gives none).
    """
    rows = _strict(scores, pairs)
    rows = rows[rows["estimated_focal_offset_um"].notna()]
    if rows.empty:
        return pd.DataFrame(columns=list(OFFSET_COLUMNS))
    beside_um = (patches["target_z_um"] - patches["own_focus_z_um"]).to_numpy(float)[rows["patch"].to_numpy(int)]
    true = rows["focal_offset_um"].to_numpy(float) + beside_um
    found, sd = rows["estimated_focal_offset_um"].to_numpy(float), rows["estimated_focal_offset_sd_um"].to_numpy(float)
    error, signed = found - true, np.abs(true) > 1e-9
    return pd.DataFrame(
        [
            {
                "dataset": dataset,
                "method": method,
                "pairs": len(rows),
                "size_within": float(np.mean(np.abs(np.abs(found) - np.abs(true)) <= NEAR_UM)),
                "signed_within": float(np.mean(np.abs(error) <= NEAR_UM)),
                "sign_right": float(np.mean(np.sign(found[signed]) == np.sign(true[signed])))
                if signed.any()
                else np.nan,
                "bias_um": float(error.mean()),
                "rmse_um": float(np.sqrt(np.square(error).mean())),
                "within_two_sd": float(np.mean(np.abs(error) <= 2 * sd)) if np.isfinite(sd).any() else np.nan,
            }
        ],
        columns=list(OFFSET_COLUMNS),
    )


def error_rows(scores: pd.DataFrame, pairs: PairsSettings, *, dataset: str, method: str) -> pd.DataFrame:
    """What a method takes its error for, beside what it is: strict pairs in groups of rising predicted error.

    Parameters
    ----------
    scores, pairs, dataset, method
        As of `offset_rows`.

    Returns
    -------
    DataFrame
        ``ERROR_COLUMNS``: root mean squares of each group's predicted and true errors against the captured target, as
        shares of full scale; no rows where the method predicts none.
    """
    rows = _strict(scores, pairs)
    rows = rows[rows["predicted_rmse"].notna() & rows["psnr_db"].notna()].sort_values("predicted_rmse", kind="stable")
    groups = [part for part in np.array_split(np.arange(len(rows)), min(GROUPS, len(rows) or 1)) if len(part)]
    predicted, errors = rows["predicted_rmse"].to_numpy(float), 10 ** (-rows["psnr_db"].to_numpy(float) / 10)
    found = [
        {
            "dataset": dataset,
            "method": method,
            "pairs": len(part),
            "predicted_rmse": float(np.sqrt(np.square(predicted[part]).mean())),
            "rmse": float(np.sqrt(errors[part].mean())),
        }
        for part in groups
    ]
    return pd.DataFrame(found, columns=list(ERROR_COLUMNS))


def _strict(scores: pd.DataFrame, pairs: PairsSettings) -> pd.DataFrame:
    """Rows against the captured target at strict offsets, with all columns that are asked for."""
    wanted = [
        "patch",
        "focal_offset_um",
        "psnr_db",
        "estimated_focal_offset_um",
        "estimated_focal_offset_sd_um",
        "predicted_rmse",
    ]
    rows = scores[(scores["protocol"] == "grid") & (scores["target"] == "captured")].reindex(columns=wanted)
    offsets_um = rows["focal_offset_um"].to_numpy(float)[:, None]
    strict: np.ndarray = np.isclose(offsets_um, np.array(pairs.strict_offsets_um))
    return rows.iloc[np.flatnonzero(strict.any(axis=1))]
