"""Hamamatsu's slides (NDPI) with focal planes: TIFF with tags of its own, read by tifffile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tifffile import TiffFile, TiffPage

from tsva.readers.listing import stem_of
from tsva.readers.pixels import BOTH_DEPTHS, unreadable
from tsva.readers.scale import Heights, pixel_size
from tsva.readers.stored import Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import check_page, open_tiff, reading, tag_word
from tsva.readers.tiff_series import PageReader

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
        open=lambda: _open(path),
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
def _open(path: Path) -> Iterator[PlaneReader]:
    with open_tiff(path) as tif:
        yield PageReader(str(path), [[page] for page in _planes(tif, str(path))])
