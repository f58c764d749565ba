"""Z-stacks in TIFF files: multi-page TIFF, ImageJ's hyperstacks and OME-TIFF, also in sets of several files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tifffile import TiffFile, TiffPageSeries

from tsva.errors import UserError
from tsva.readers.ndpi import ndpi_image
from tsva.readers.ome import UNIT_UM, OmeImage
from tsva.readers.pixels import unreadable
from tsva.readers.resolution import agreed_pixel_um, positions_um
from tsva.readers.stored import UNKNOWN, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import ome_images, open_tiff, pixel_um_of_page, pixels_per_unit, reading
from tsva.readers.tiff_series import count_channels, count_planes, reader_of


def tiff_images(path: Path) -> list[StoredImage]:
    """Images of a TIFF file: each one of an OME-TIFF, else the only one.

    Raises
    ------
    UserError
        If the file is missing or damaged, its header contradicts it, or pages have several sizes and nothing says why.
    """
    with open_tiff(path) as tif:
        if tif.is_ndpi:
            return [ndpi_image(path, tif)]
        told = ome_images(tif, str(path))
        for image in told:
            _check_set(path, image.files)
        if told and len(told) != len(tif.series):
            raise unreadable(str(path), f"its OME header tells of {len(told)} images, the file holds {len(tif.series)}")
        if not told and len(tif.series) > 1:
            raise UserError(
                str(path),
                got=f"planes of {len(tif.series)} different sizes or kinds",
                wanted="planes of one size",
                do="Save the z-stack alone in a file.",
            )
        return [_image(path, tif, index, told[index] if told else None) for index in range(len(tif.series))]


def _check_set(path: Path, names: tuple[str, ...]) -> None:
    """Refuse an OME-TIFF set without all of its files."""
    with reading(str(path)):  # a damaged header may name anything
        missing = [name for name in names if not (path.parent / name).is_file()]
    # a renamed file still holds its own planes; a single one isn't even asked for by its name
    if len(names) > 1 and len(missing) > (path.name not in names):
        raise UserError(
            str(path),
            got=f"a part of a z-stack in {len(names)} files, of which {missing[0]} is missing",
            wanted="all of them in one folder, by the names that they were given",
            do="Copy the others next to it.",
        )


def _image(path: Path, tif: TiffFile, index: int, told: OmeImage | None) -> StoredImage:
    series, where = tif.series[index], str(path)
    planes, key = count_planes(series, where), series.keyframe
    if told is not None and told.planes != planes:
        raise unreadable(where, f"its OME header tells of {told.planes} planes, the file holds {planes}")
    if told is not None:
        z_um = positions_um(where, planes, told.position_z_um, told.z_step_um)
        pixel_um = agreed_pixel_um(where, told.pixel_um, told.pixel_y_um)
    else:
        with reading(where):  # what a header calls a number may be none
            step_um, pixel_um = _imagej_step_um(tif), _pixel_um(tif, series)
        z_um = positions_um(where, planes, None, step_um)
    kind = "OME-TIFF" if told is not None else "ImageJ TIFF" if tif.is_imagej else "TIFF"
    bits = told.bits if told is not None and told.bits is not None and told.bits < key.bitspersample else None
    return StoredImage(
        name=f"{path.name.split('.')[0]}_{index}" if len(tif.series) > 1 else path.name.split(".")[0],
        where=where,
        format=kind,
        planes=planes,
        height_px=key.imagelength,
        width_px=key.imagewidth,
        channels=channel_names(count_channels(series), told.channels if told is not None else ()),
        depth=key.bitspersample,
        bits=8 if key.bitspersample == 8 else bits,
        z_um=z_um,
        pixel_um=pixel_um,
        objective=told.objective if told is not None else UNKNOWN,
        open=lambda: _open(path, index),
    )


@contextmanager
def _open(path: Path, index: int) -> Iterator[PlaneReader]:
    with open_tiff(path) as tif:
        yield reader_of(tif.series[index], path)


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
    if unit_um and pixels:
        return unit_um / pixels
    return pixel_um_of_page(series.keyframe)
