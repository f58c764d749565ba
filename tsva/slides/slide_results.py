"""Whole slides from Python, and what is written beside a restored slide: survey, judged cells, pictures, totals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.restoration.checkpoint import colours_phrase
from tsva.restoration.packaged_model import packaged_model
from tsva.settings.acquisition import OpticsSettings
from tsva.slides import trust_files
from tsva.slides.blending import THUMBNAIL_PX
from tsva.slides.opening import SlideInput, open_two_planes
from tsva.slides.pyramid import NOTICE, is_dicom_folder, is_zarr, smallest_zarr_level
from tsva.slides.slide_run import RestoredSlide, SlideOptions, refocus_planes
from tsva.slides.trust import Verdict
from tsva.slides.two_planes import ArrayPlanes, TwoPlanes


def refocus_slide(
    model: str | Path | None,
    out: str | Path,
    *,
    low: str | Path | np.ndarray | None = None,
    high: str | Path | np.ndarray | None = None,
    stack: str | Path | None = None,
    planes: tuple[int, int] | None = None,
    z_um: tuple[float, float] | None = None,
    delta_um: float | None = None,
    pixel_um: float | None = None,
    quality: int | None = None,
    threads: int = 1,
    optics: OpticsSettings | None = None,
    results: str | Path | None = None,
) -> dict[str, float]:
    """Restore a whole slide from two focal planes and write it as a pyramid (docs/slides.md).

    A call that was broken off goes on where it was when it is repeated.

    Parameters
    ----------
    model : str, Path or None
        ``model.ckpt`` of the train stage; None: the one for slides that comes with the package.
    out : str or Path
        The pyramid, ``*.ome.tif``.
    low, high : str, Path or (Y, X, C) uint8 array
        The planes, as two files or two arrays.
    stack : str or Path
        Both planes in one file, in place of these.
    planes : (int, int)
        The shots of a stack, counted from 1.
    z_um : (float, float)
        Their positions, in place of `planes`.
    delta_um : float
        Half of the distance between the planes; a stack's positions state it.
    pixel_um : float
        Size of a pixel in the specimen, where the file is wrong or silent; arrays need it.
    quality : int, optional
        Of JPEG, 4:4:4, in place of Deflate without loss.
    threads : int
    optics : OpticsSettings, optional
        Of the microscope; by default those that the model was trained on.
    results : str or Path, optional
        Folder for maps, verdicts and pictures; none are written without.

    Returns
    -------
    dict of str to float
        Share of the slide's cells of each verdict.

    Raises
    ------
    UserError
        If too little is said, or something is missing, damaged, or does not fit the model.
    """

    def restored(two: TwoPlanes) -> RestoredSlide:
        options = SlideOptions(quality, threads, optics=optics)
        return refocus_planes(two, Path(model) if model else packaged_model("slides"), Path(out), options)

    if isinstance(low, np.ndarray) and isinstance(high, np.ndarray):
        if pixel_um is None or delta_um is None:
            raise UserError("arrays", got="no pixel_um or no delta_um", wanted="both", do="Give them.")
        done = restored(ArrayPlanes(low, high, pixel_um, delta_um))
    else:
        one, two, both = (Path(file) if isinstance(file, str | Path) else None for file in (low, high, stack))
        given = SlideInput(one, two, both, planes, z_um, delta_um=delta_um, pixel_um=pixel_um)
        with open_two_planes(given) as opened:
            done = restored(opened)
    return write_results(done, Path(results)) if results is not None else shares(done)


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
    if is_dicom_folder(path):
        from tsva.slides.dicom_pyramid import smallest_dicom_level

        return smallest_dicom_level(path, THUMBNAIL_PX)
    if is_zarr(path):
        return smallest_zarr_level(path, THUMBNAIL_PX)
    with tifffile.TiffFile(path) as tif:
        levels = tif.series[0].levels
        small = next((level for level in levels if max(level.shape[:2]) <= THUMBNAIL_PX), levels[-1])
        return np.asarray(small.asarray())


def _picture(path: Path, pixels: np.ndarray) -> None:
    with fresh_file(path) as part:
        Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(part)
