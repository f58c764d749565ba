"""TIFF files, by tifffile: opened only if whole."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tifffile import TIFF, TiffFile, TiffPage

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.ome import OmeImage, companion_of, files_beside, of_renamed_file, read_ome, text_of_companion
from tsva.readers.pixels import unreadable

DAMAGED = (
    ValueError,
    RuntimeError,
    OSError,
    EOFError,
    struct.error,
    LookupError,
    TypeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    AttributeError,
)
"""What tifffile, pydicom, zarr and their codecs raise on damaged files, as trials with scrambled bytes have shown."""
MOST_PIXELS = 2**27
"""That a strip, tile or page that is decoded at once may have: more than any camera, less than memory."""
LAYOUT_TAGS = (256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339)
"""Size, bits, compression, colours, strips or tiles, and what the bits mean."""
DEFAULT_LAYOUT = {258: 1, 259: 1, 266: 1, 277: 1, 284: 1, 317: 1, 339: 1}
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of tags, by struct's letters."""


@contextmanager
def open_tiff(path: Path) -> Iterator[TiffFile]:
    """Open a TIFF file after checking that nothing of it is cut off.

    Raises
    ------
    UserError
        If the file is missing, not TIFF, damaged or truncated. (tifffile reads a truncated stack as a shorter one.)
    """
    where = str(path)
    if not path.is_file():
        raise UserError(where, got="no such file", wanted="a TIFF file", do="Correct the path.")
    with ExitStack() as stack:
        with reading(where):
            tif = stack.enter_context(TiffFile(path, is_ndpi=head_of(path).is_ndpi))
            header = _header_instead(path, tif)
            if header is not None:
                tif = stack.enter_context(TiffFile(path, omexml=header))
            _check_whole(tif, where)
        yield tif


def _header_instead(path: Path, tif: TiffFile) -> str | None:
    """The OME header to read a file by, where it is another one than the file's own."""
    own = tif.ome_metadata if tif.is_ome else None
    if not own:
        return None
    companion = companion_of(path, own)
    if companion is not None:
        return text_of_companion(companion)
    return of_renamed_file(own, read_ome(own, str(path)), path.name)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Report what tifffile raises within the block as a damaged file; for calls of tifffile alone.

    Raises
    ------
    UserError
        Names the file.
    """
    try:
        yield
    except DAMAGED as error:
        raise unreadable(where, error) from None


def _check_whole(tif: TiffFile, where: str) -> None:
    """Raise ValueError if the chain of pages breaks off or pixels lie beyond the end of the file."""
    size = tif.filehandle.size
    count = len(tif.pages)
    if count == 0:
        raise ValueError("no pages")
    position = tif.pages.next_page_offset
    if position is not None:
        tif.filehandle.seek(position)
        link = tif.filehandle.read(tif.tiff.offsetsize)
        if any(link):
            raise ValueError(f"the list of pages breaks off after page {count}")
    for number, page in enumerate(tif.pages, start=1):
        ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
        pieces = math.prod(page.keyframe.chunked) if page.keyframe else 0
        if len(ends) != pieces or max(ends, default=0) > size or 0 in page.databytecounts:
            raise ValueError(f"pixels of page {number} of {count} are missing")
    if not tif.is_ndpi:  # whose tags are laid out in a way of their own
        _check_tags(tif, tif.pages.first.offset, size)
    if tif.is_ome and tif.ome_metadata:
        # before tifffile makes tables as large as it says, and opens the files that it names
        files_beside(read_ome(tif.ome_metadata, where))
    if len(tif.series) == 0:  # finds out how the pages belong together, which a damaged header may not say
        raise ValueError("no image")
    _check_alike(tif)
    if tif.is_imagej and count > 1:  # a large stack has a single page header
        header = tif.imagej_metadata or {}
        axes = math.prod(int(header.get(axis, 1)) for axis in ("channels", "slices", "frames"))
        for said in (int(header.get("images", count)), axes if axes > 1 else count):
            if said != count:
                raise ValueError(f"ImageJ's header states {said} images, the file holds {count}")


def _check_alike(tif: TiffFile) -> None:
    """Raise ValueError if a page is stored otherwise than the first one of its series: tifffile looks at a few."""
    for series in tif.series:
        wanted = _layout(tif, series.keyframe.offset) if isinstance(series.keyframe, TiffPage) else {}
        for number, page in enumerate(series.pages, start=1):
            if page is None or page.parent is not tif or page.offset == series.keyframe.offset or not page.offset:
                continue
            if _layout(tif, page.offset) != wanted:
                raise ValueError(f"page {number} is of another size or kind than page 1")


def _layout(tif: TiffFile, offset: int) -> dict[int, object]:
    """Tags that decide how a page is decoded, those alone that are stored within the list of tags."""
    file, layout = tif.filehandle, tif.tiff
    file.seek(offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    entries, found = file.read(tags * layout.tagsize), {}
    for start in range(0, len(entries) - layout.tagsize + 1, layout.tagsize):
        code, kind, count = struct.unpack_from(f"{layout.byteorder}HH{layout.offsetformat[-1]}", entries, start)
        if code in LAYOUT_TAGS and count == 1 and kind in WHOLE_NUMBERS:
            place = start + layout.tagsize - layout.offsetsize
            (found[code],) = struct.unpack_from(layout.byteorder + WHOLE_NUMBERS[kind], entries, place)
    return {code: value for code, value in found.items() if value != DEFAULT_LAYOUT.get(code)}


def segment_shape(page: TiffPage) -> tuple[int, int]:
    """Height and width of a strip or tile."""
    # Hamamatsu's single strips have restart marks, which tifffile makes tiles of
    if page.is_tiled or page.jpegheader is not None:
        return page.tilelength, page.tilewidth
    # a single strip may claim to have any number of rows
    return min(page.rowsperstrip, page.imagelength), page.imagewidth


def _check_tags(tif: TiffFile, offset: int, size: int) -> None:
    """Raise ValueError if a tag's value lies beyond the end of the file; tifffile would leave out the tag."""
    file, layout = tif.filehandle, tif.tiff
    file.seek(offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    entries = file.read(tags * layout.tagsize)
    for start in range(0, len(entries), layout.tagsize):
        code, kind, count = struct.unpack_from(f"{layout.byteorder}HH{layout.offsetformat[-1]}", entries, start)
        (value,) = struct.unpack_from(layout.offsetformat, entries, start + layout.tagsize - layout.offsetsize)
        length = count * struct.calcsize(f"={TIFF.DATA_FORMATS.get(kind, '0B')}")
        if length > layout.offsetsize and value + length > size:
            raise ValueError(f"the value of tag {code} is missing")


def check_decoded(height: int, width: int, where: str) -> None:
    """Refuse what would fill the memory once decoded: a few compressed bytes may claim any size."""
    if height * width > MOST_PIXELS:
        raise UserError(
            where,
            got=f"{height}×{width} pixels in one piece",
            wanted=f"at most {MOST_PIXELS} decoded at once",
            do="Save it as a tiled TIFF (vips tiffsave --tile), or as one plane a field.",
        )


def check_tiles(path: Path) -> None:
    """Refuse tiles of absurd size before OpenSlide does: it ends the process where it gets no memory for one.

    Raises
    ------
    UserError
        Names the file. Damage of other kinds is left to OpenSlide, but for NDPI, whose tiles follow from all its tags.
    """
    if head_of(path).is_ndpi:
        with open_tiff(path) as tif, reading(str(path)):
            for i in range(len(tif.pages)):
                check_decoded(*segment_shape(tif.pages.get(i, validate=False).aspage()), str(path))
        return
    with suppress(*DAMAGED), TiffFile(path) as tif:
        for page in tif.pages:
            if isinstance(page, TiffPage) and page.is_tiled:
                check_decoded(page.tilelength, page.tilewidth, str(path))


def ome_images(tif: TiffFile, where: str) -> tuple[OmeImage, ...]:
    """What the OME header says of each image of a file; nothing without a header.

    Raises
    ------
    UserError
        If the header is damaged.
    """
    with reading(where):
        return read_ome(tif.ome_metadata, where) if tif.is_ome and tif.ome_metadata else ()
