"""Fields as z-stack files: multi-page TIFF, ImageJ's hyperstacks and OME-TIFF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tifffile import TiffFile, TiffPageSeries

from tsva.errors import UserError
from tsva.io.ome import UNIT_UM, OmeImage
from tsva.io.pixels import unreadable
from tsva.io.source import FieldSource, choose_pixel_um
from tsva.io.tiff import ome_images, open_tiff, pixel_um_of_page, pixels_per_unit
from tsva.io.tiff_series import count_planes, planes_of


def fields_of_stack(path: Path, pixel_um: float | None, z_step_um: float | None) -> list[FieldSource]:
    """Fields of a z-stack file: one, or each image of an OME-TIFF that has planes.

    Parameters
    ----------
    path : Path
        A TIFF file.
    pixel_um, z_step_um : float or None
        From the sheet; they win over what the file says.

    Returns
    -------
    list of FieldSource
        At least one.

    Raises
    ------
    UserError
        If the file is missing, damaged or no z-stack, or nobody knows its pixel size or where its planes lie.
    """
    with open_tiff(path) as tif:
        images = ome_images(tif, str(path))
        if images and len(images) != len(tif.series):
            told = f"its OME header tells of {len(images)} images, the file holds {len(tif.series)}"
            raise unreadable(str(path), told)
        stacked = [i for i, series in enumerate(tif.series) if count_planes(series, str(path)) > 1]
        if not images and len(tif.series) > 1:
            raise UserError(
                str(path), got=f"planes of {len(tif.series)} different sizes or kinds", wanted="planes of one size",
                do="Save the z-stack alone in a file.",
            )  # fmt: skip
        if not stacked:
            raise UserError(
                str(path), got="a single plane", wanted="a z-stack", do="Take the file out, or mend its export."
            )
        stem = path.name.split(".")[0]
        return [
            _field(
                stem if len(stacked) == 1 else f"{stem}_{index}", path, index, tif,
                images[index] if images else None, pixel_um, z_step_um,
            )
            for index in stacked
        ]  # fmt: skip


def _field(
    name: str, path: Path, index: int, tif: TiffFile, image: OmeImage | None, pixel_um: float | None,
    z_step_um: float | None,
) -> FieldSource:  # fmt: skip
    series = tif.series[index]
    count = count_planes(series, str(path))
    if image is not None and image.planes != count:
        raise unreadable(str(path), f"its OME header tells of {image.planes} planes, the file holds {count}")
    known_um = image.pixel_um if image is not None else _pixel_um(tif, series)
    size_um = choose_pixel_um(str(path), pixel_um, known_um)
    z_um = _z_um(count, z_step_um, image, None if image is not None else _imagej_step_um(tif))
    if z_um is None:
        raise UserError(
            str(path), got="no positions of the planes in the file",
            wanted="the distance between planes, in micrometres",
            do="Write it into the slide sheet's column z_step_um.",
        )  # fmt: skip
    order = np.argsort(z_um, kind="stable")
    return FieldSource(
        name=name,
        where=str(path),
        z_um=tuple(float(z_um[i]) for i in order),
        plane_names=tuple(f"plane {i + 1}" for i in order),
        pixel_um=size_um,
        planes=lambda: _read(path, index, order),
    )


def _read(path: Path, index: int, order: np.ndarray) -> Iterator[np.ndarray]:
    with open_tiff(path) as tif:
        yield from planes_of(tif.series[index], path, order)


def _z_um(count: int, sheet_step_um: float | None, image: OmeImage | None, step_um: float | None) -> np.ndarray | None:
    """Positions by the sheet's step, else the planes' own, else the file's step (planes then start at 0)."""
    if sheet_step_um is None and image is not None:
        # a stage that was not asked reports the same position for all planes
        if image.position_z_um is not None and (np.ptp(image.position_z_um) > 0 or image.z_step_um is None):
            return np.array(image.position_z_um)
        step_um = image.z_step_um
    step_um = sheet_step_um if sheet_step_um is not None else step_um
    return None if not step_um else np.arange(count) * step_um


def _imagej_step_um(tif: TiffFile) -> float | None:
    told = tif.imagej_metadata or {}
    unit = _imagej_unit_um(tif)
    return None if unit is None or "spacing" not in told else abs(float(told["spacing"])) * unit


def _imagej_unit_um(tif: TiffFile) -> float | None:
    unit = str((tif.imagej_metadata or {}).get("unit", ""))
    # ImageJ writes the sign for micro as an escape
    return UNIT_UM.get(unit.replace("\\u00B5", "µ").replace("microns", "micron"))


def _pixel_um(tif: TiffFile, series: TiffPageSeries) -> float | None:
    """Pixel size of a file without an OME header."""
    unit_um, pixels = _imagej_unit_um(tif), pixels_per_unit(series.keyframe)
    return unit_um / pixels if unit_um and pixels else pixel_um_of_page(series.keyframe)
