"""What is written beside a restored slide: survey, judged cells, pictures, totals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tsva.restoration.checkpoint import colours_phrase
from tsva.slides import trust_files
from tsva.slides.engine import THUMBNAIL_PX
from tsva.slides.pyramid_file import NOTICE
from tsva.slides.slide_run import RestoredSlide
from tsva.slides.trust import Verdict
from tsva.slides.zarr_pyramid import is_zarr, smallest_zarr_level
from tsva.storage.atomic import fresh_file


def write_results(restored: RestoredSlide, folder: Path) -> dict[str, float]:
    """Write them into a folder.

    Parameters
    ----------
    restored : RestoredSlide
    folder : Path
        Made where it is missing.

    Returns
    -------
    dict of str to float
        Share of the cells of each verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    restored.survey.save(folder / "survey.npz")
    with fresh_file(folder / "cells.npz") as part:
        np.savez_compressed(part, **restored.cells)  # type: ignore[arg-type]
    _picture(folder / "before.png", restored.before)
    _picture(folder / "after.png", _small_level(restored.out))
    trust_files.write(folder, restored.survey, restored.cells, folder.name)
    totals = shares(restored)
    with fresh_file(folder / "slide.json") as part:
        given = {
            "file": restored.out.name,
            "network": restored.network,
            "height_px": restored.survey.height,
            "width_px": restored.survey.width,
            "pixel_um": restored.survey.pixel_um,
            "delta_um": restored.survey.delta_um,
            "colour_distance": None if math.isnan(restored.colour_distance) else restored.colour_distance,
            "unknown_colours": colours_phrase(restored.colour_distance),
            "verdicts": totals,
            "notice": NOTICE,
        }
        part.write_text(json.dumps(given, indent=1), encoding="utf-8")
    return totals


def shares(restored: RestoredSlide) -> dict[str, float]:
    """Share of the slide's cells of each verdict."""
    verdict = restored.cells["verdict"]
    return {kind.name.lower(): float(np.mean(verdict == kind)) for kind in Verdict}


def _small_level(path: Path) -> np.ndarray:
    """The finest level of a pyramid that is small enough for a page."""
    if is_zarr(path):
        return smallest_zarr_level(path, THUMBNAIL_PX)
    with tifffile.TiffFile(path) as tif:
        levels = tif.series[0].levels
        small = next((level for level in levels if max(level.shape[:2]) <= THUMBNAIL_PX), levels[-1])
        return np.asarray(small.asarray())


def _picture(path: Path, pixels: np.ndarray) -> None:
    with fresh_file(path) as part:
        Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(part)
