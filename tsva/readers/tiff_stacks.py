"""Images in TIFF files: multi-page, ImageJ's hyperstacks, OME-TIFF also in sets of several files, and NDPI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tifffile import TiffFile, TiffPage

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.ome import OmeImage, companion_of, files_beside, read_ome, text_of_companion
from tsva.readers.pixels import BOTH_DEPTHS, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.scale import Heights, pixel_size
from tsva.readers.stored import COLOURS, UNKNOWN, Objective, PlaneReader, StoredImage, channel_names, colour_order
from tsva.readers.tiff import ome_images, open_tiff, reading
from tsva.readers.tiff_header import channel_colours, heights_of_tiff, pixel_of_tiff, slice_labels, tag_word
from tsva.readers.tiff_pages import PageReader, SeriesReader, check_page, count_channels, count_planes, levels_of


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
        listed = ome_images(tif, str(path))
        for image in listed:
            _check_set(path, image.files)
        if listed and len(listed) != len(tif.series):
            raise unreadable(str(path), f"its OME header states {len(listed)} images, the file holds {len(tif.series)}")
        if not listed and len(tif.series) > 1 and any(count_planes(series, str(path)) > 1 for series in tif.series):
            raise UserError(
                str(path),
                got=f"planes of {len(tif.series)} different sizes or kinds",
                wanted="planes of one size",
                do="Save the z-stack alone in a file.",
            )
        return [_image(path, tif, index, listed[index] if listed else None) for index in range(len(tif.series))]


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


def _image(path: Path, tif: TiffFile, index: int, ome: OmeImage | None) -> StoredImage:
    series, where = tif.series[index], str(path)
    planes, key = count_planes(series, where), series.keyframe
    if ome is not None and ome.planes != planes:
        raise unreadable(where, f"its OME header states {ome.planes} planes, the file holds {planes}")
    names = ome.channels if ome is not None else channel_colours(tif)
    apart = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)  # channels that are pages of their own
    colours = colour_order(names, apart, where)
    _check_slices(slice_labels(tif), planes, where)
    kind = "OME-TIFF" if ome is not None else "ImageJ TIFF" if tif.is_imagej else "TIFF"
    bits = ome.bits if ome is not None and ome.bits is not None and ome.bits < key.bitspersample else None
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
        heights=heights_of_tiff(where, tif, planes, ome),
        pixel=pixel_of_tiff(where, tif, key, ome),
        objective=ome.objective if ome is not None else UNKNOWN,
        open=lambda: _open(path, index, colours),
        files=_members(path, tif, ome),
        levels=levels_of(series, where),
        stored_as="not compressed" if key.compression == 1 else getattr(key.compression, "name", "").lower(),
    )


def _members(path: Path, tif: TiffFile, ome: OmeImage | None) -> tuple[Path, ...]:
    """All files of an image's set, with that of its header."""
    names = files_beside([ome]) if ome is not None else set()
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


def files_of_set(path: Path) -> set[str]:
    """Names of all files of a set, as its header lists them; nothing for files that hold all of their image.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    where = str(path)
    if head_of(path).is_companion:
        return {path.name, *_images_of(path)}
    if not head_of(path).is_tiff:
        return set()
    with open_tiff(path) as tif, reading(where):
        names = files_beside(ome_images(tif, where))
        if not names:
            return set()
        companion = companion_of(path, tif.pages.first.description)
    return {companion.name, *names} if companion else names if len(names) > 1 else set()


def first_of_set(companion: Path) -> Path:
    """An image of the set whose header this file is; it leads to the others.

    Raises
    ------
    UserError
        If there is none, or it has another header.
    """
    where, names = str(companion), _images_of(companion)
    images = [companion.parent / name for name in names]
    missing = [path.name for path in images if not head_of(path).is_tiff]
    if missing or not images:
        raise UserError(
            where,
            got=f"an OME header whose image {missing[0]!r} is no TIFF file next to it"
            if missing
            else "an OME header that names no image",
            wanted="the images of the set in the same folder",
            do="Copy them there.",
        )
    if companion.name not in files_of_set(images[0]):
        raise UserError(
            where,
            got=f"an OME header of images that have one of their own ({images[0].name})",
            wanted="images that refer to it",
            do="Name the images instead.",
        )
    return images[0]


def _images_of(companion: Path) -> list[str]:
    """Names of the images that a header in a file of its own lists, sorted; of its own folder alone."""
    with reading(str(companion)):
        return sorted(files_beside(read_ome(text_of_companion(companion), str(companion))))


MAGNIFICATION = 65421
"""Of the lens; negative for the pictures of the label and the map."""
Z_OFFSET = 65424
"""From the slide's centre, in nanometres."""
NM_PER_UM = 1000


def ndpi_image(path: Path, tif: TiffFile) -> StoredImage:
    """The slide in a file opened by `open_tiff`: all focal planes of its finest level.

    Raises
    ------
    UserError
        If it holds no slide.
    """
    pages = _planes(tif, str(path))
    key = pages[0]
    with reading(str(path)):  # what should be numbers may be none
        z_um = tuple(float(page.tags.valueof(Z_OFFSET, 0)) / NM_PER_UM for page in pages)
        objective = Objective(magnification=float(key.tags.valueof(MAGNIFICATION)))
    return StoredImage(
        name=stem_of(path),
        where=str(path),
        format="NDPI",
        planes=len(pages),
        height_px=key.imagelength,
        width_px=key.imagewidth,
        channels=channel_names(key.samplesperpixel),
        depth=key.bitspersample,
        bits=8 if key.bitspersample == 8 else None,
        heights=Heights(z_um, "z offsets", z_um, absolute=True),
        pixel=pixel_size(str(path), [tag_word(key)], objective.magnification),
        objective=objective,
        open=lambda: _open_ndpi(path),
    )


def _planes(tif: TiffFile, where: str) -> list[TiffPage]:
    """Pages of the finest level; the same plane twice is no plane more."""
    with reading(where):
        pages = [tif.pages.get(i, validate=False).aspage() for i in range(len(tif.pages))]
        slides = [page for page in pages if (page.tags.valueof(MAGNIFICATION) or -1) > 0]
    if not slides:
        raise unreadable(where, "no page with a magnification")
    for page in slides:
        check_page(page, where, BOTH_DEPTHS)
    finest = max(page.imagewidth for page in slides)
    planes = [page for page in slides if page.imagewidth == finest]
    if any(page.shape != planes[0].shape for page in planes):
        raise unreadable(where, "planes of several sizes")
    return planes


@contextmanager
def _open_ndpi(path: Path) -> Iterator[PlaneReader]:
    with open_tiff(path) as tif:
        yield PageReader(str(path), [[page] for page in _planes(tif, str(path))])
