"""Table III's numbers: mean PSNR and SSIM by method, protocol and offset."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tsva.evaluation.statistics.protocols import folded, scopes, summaries
from tsva.settings.pairs import PairsSettings
from tsva.settings.report import ReportSettings

COLUMNS = (
    "dataset",
    "sample",
    "method",
    "protocol",
    "target",
    "focal_offset_um",
    "patches",
    "slides",
    "psnr_db",
    "psnr_sd_db",
    "psnr_low_db",
    "psnr_high_db",
    "psnr_shifted_db",
    "ssim",
    "identical_patches",
)


def score_rows(
    scores: pd.DataFrame, *, dataset: str, method: str, pairs: PairsSettings, report: ReportSettings, seed: int
) -> pd.DataFrame:
    """Mean scores of one method on one data set.

    Parameters
    ----------
    scores : DataFrame
        ``refocus/<dataset>/<method>/scores.tsv``.
    dataset, method : str
        Their names.
    pairs : PairsSettings
        Grid and Gaussian of the offset.
    report : ReportSettings
        Bootstrap.
    seed : int
        Of the bootstrap; the same slides are drawn for every method.

    Returns
    -------
    DataFrame
        ``COLUMNS``. `sample` None: all of them; `focal_offset_um` NaN: the protocol's average. Patches identical to
        their
        target have no PSNR: they are counted (in an average, once for each offset), and neither their PSNR nor their
        SSIM is averaged; a bin of nothing else drops out of the average. Standard deviations are over patches,
        intervals over slides (NaN for fewer than two). `psnr_shifted_db`: at the best whole-pixel shift, for
        methods that leave it open. The protocol `folded` has opposite offsets together.
    """
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    scores = scores.reindex(columns=[*scores.columns, *({"psnr_shifted_db"} - {*scores.columns})])
    for target, of_target in scores.groupby("target"):
        for sample, part in scopes(of_target):
            key = [dataset, sample or "", str(target)]
            found = _all(part, "psnr_db", ["ssim", "psnr_shifted_db"], pairs, report, seed=seed, key=key)
            renamed = found.rename(
                columns={"mean": "psnr_db", "sd": "psnr_sd_db", "low": "psnr_low_db", "high": "psnr_high_db"}
            )
            parts.append(
                renamed.assign(
                    dataset=dataset,
                    sample=sample,
                    method=method,
                    target=target,
                    identical_patches=found["rows"] - found["valued"],
                )[list(COLUMNS)]
            )
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _all(*what: Any, **how: Any) -> pd.DataFrame:
    """Rows of all protocols, and with opposite offsets together."""
    return pd.concat([summaries(*what, **how), folded(*what, **how)], ignore_index=True)
