"""Z-stacks in TIFF files: multi-page TIFF, ImageJ's hyperstacks and OME-TIFF, also in sets of several files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tifffile import TiffFile

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.listing import stem_of
from tsva.readers.ndpi import ndpi_image
from tsva.readers.ome import OmeImage, companion_of, files_beside
from tsva.readers.ome_set import first_of_set
from tsva.readers.pixels import unreadable
from tsva.readers.stored import COLOURS, UNKNOWN, PlaneReader, StoredImage, channel_names, colour_order
from tsva.readers.tiff import ome_images, open_tiff, reading
from tsva.readers.tiff_header import channel_colours, heights_of_tiff, pixel_of_tiff, slice_labels
from tsva.readers.tiff_series import SeriesReader, count_channels, count_planes, levels_of


def tiff_images(path: Path) -> list[StoredImage]:
    """Images of a TIFF file: each one of an OME-TIFF, else the only one.

    Raises
    ------
    UserError
        If the file is missing or damaged, its header contradicts it, or a z-stack is not alone in it.
    """
    if head_of(path).is_companion:
        path = first_of_set(path)
    with open_tiff(path) as tif:
        if tif.is_ndpi:
            return [ndpi_image(path, tif)]
        told = ome_images(tif, str(path))
        for image in told:
            _check_set(path, image.files)
        if told and len(told) != len(tif.series):
            raise unreadable(str(path), f"its OME header tells of {len(told)} images, the file holds {len(tif.series)}")
        if not told and len(tif.series) > 1 and any(count_planes(series, str(path)) > 1 for series in tif.series):
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
    if len(names) > 1 and path.name not in names and not missing:
        raise UserError(
            str(path),
            got=f"a file whose OME header says that its planes are in {len(names)} others ({names[0]}, …)",
            wanted="the name that it was given, as the others have theirs",
            do="Name it as before, or move it away from the others.",
        )
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
    names = told.channels if told is not None else channel_colours(tif)
    apart = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)  # channels that are pages of their own
    colours = colour_order(names, apart, where)
    _check_slices(slice_labels(tif), planes, where)
    kind = "OME-TIFF" if told is not None else "ImageJ TIFF" if tif.is_imagej else "TIFF"
    bits = told.bits if told is not None and told.bits is not None and told.bits < key.bitspersample else None
    return StoredImage(
        name=f"{stem_of(path)}_{index}" if len(tif.series) > 1 else stem_of(path),
        where=where,
        format=kind,
        planes=planes,
        height_px=key.imagelength,
        width_px=key.imagewidth,
        channels=channel_names(count_channels(series), names if colours is None else ()),
        depth=key.bitspersample,
        bits=8 if key.bitspersample == 8 else bits,
        heights=heights_of_tiff(where, tif, planes, told),
        pixel=pixel_of_tiff(where, tif, key, told),
        objective=told.objective if told is not None else UNKNOWN,
        open=lambda: _open(path, index, colours),
        files=_members(path, tif, told),
        levels=levels_of(series, where),
        stored_as="not compressed" if key.compression == 1 else getattr(key.compression, "name", "").lower(),
    )


def _members(path: Path, tif: TiffFile, told: OmeImage | None) -> tuple[Path, ...]:
    """All files of an image's set, with that of its header."""
    names = files_beside([told]) if told is not None else set()
    with reading(str(path)):
        companion = companion_of(path, tif.pages.first.description) if names else None
    members = {path.parent / name for name in names} | ({companion} if companion else set())
    return tuple(sorted(members)) if len(members) > 1 else ()


def _check_slices(labels: tuple[str, ...], planes: int, where: str) -> None:
    """Refuse colours that were saved as slices."""
    if planes == len(labels) and planes > 1 and all(label.strip().casefold() in COLOURS for label in labels):
        raise UserError(
            where,
            got=f"slices called {', '.join(labels)}",
            wanted="planes along z",
            do="Make channels of them (Fiji: Image > Hyperstacks > Re-order), or save it as RGB.",
        )


@contextmanager
def _open(path: Path, index: int, colours: tuple[int, ...] | None) -> Iterator[PlaneReader]:
    with open_tiff(path) as tif:
        yield SeriesReader(tif.series[index], path, colours)
