"""TIFF pages, by tifffile: opened only if whole, decoded to 8-bit grey or RGB."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
from tifffile import PHOTOMETRIC, TIFF, FileHandle, TiffFile, TiffFrame, TiffPage

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.ome import OmeImage, companion_of, files_beside, of_renamed_file, read_ome, text_of_companion
from tsva.readers.pixels import as_grey_or_rgb, from_ycbcr, unreadable, wrong_colours, wrong_depth
from tsva.readers.scale import Word
from tsva.readers.units import INCH_UM

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
SIZES = ("imagelength", "imagewidth", "imagedepth", "samplesperpixel", "rowsperstrip", "tilelength", "tilewidth")
"""Attributes of a page that tifffile takes from tags; a damaged tag may hold several numbers."""
LAYOUT_TAGS = (256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339)
"""Size, bits, compression, colours, strips or tiles, and what the bits mean."""
DEFAULT_LAYOUT = {258: 1, 259: 1, 266: 1, 277: 1, 284: 1, 317: 1, 339: 1}
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of tags, by struct's letters."""
JPEG = (6, 7)
"""Compressions whose decoder turns YCbCr into RGB."""
JPEG_2000_YCBCR = 33003
"""Aperio's; the stored samples are YCbCr, whatever colours the page's tag names."""
_RESOLUTION_UNIT_UM = {2: INCH_UM, 3: 10_000.0}


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
        raise UserError(where, got="no such file", wanted="a TIFF file", do="Mend the path.")
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
    """Tell what tifffile raises within the block as a damaged file; for calls of tifffile alone.

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
        told = tif.imagej_metadata or {}
        axes = math.prod(int(told.get(axis, 1)) for axis in ("channels", "slices", "frames"))
        for said in (int(told.get("images", count)), axes if axes > 1 else count):
            if said != count:
                raise ValueError(f"ImageJ's header tells of {said} images, the file holds {count}")


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


def read_page(page: TiffPage | TiffFrame, where: str, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Decode a page.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        Of a file opened by `open_tiff`.
    where : str
        The file, for messages.
    depths : tuple of int
        Bits per channel that are taken.

    Returns
    -------
    (Y, X, C) uint8 or uint16 array
        C is 1 or 3. White-is-zero is inverted and palettes are looked up, which loses nothing.

    Raises
    ------
    UserError
        If the page can't be decoded, or has another bit depth or colour space.
    """
    key = page.keyframe
    assert key is not None  # tifffile sets it when it reads the page
    check_page(key, where, depths)
    check_decoded(key.imagelength, key.imagewidth, where)
    with reading(where), file_of(page):
        pixels = page.asarray()
        if pixels.shape != key.shape:
            raise ValueError(f"{pixels.size} values, not {key.size}")
        if "S" in key.axes:
            pixels = np.moveaxis(pixels, key.axes.index("S"), -1)
        return as_shown(pixels, key, where, depths)


@contextmanager
def file_of(page: TiffPage | TiffFrame) -> Iterator[FileHandle]:
    """A page's file, open: the other files of a set are closed until they are asked for."""
    file = page.parent.filehandle
    closed = file.closed
    if closed:
        file.open()
    try:
        yield file
    finally:
        if closed:
            file.close()


def check_page(key: TiffPage, where: str, depths: tuple[int, ...] = (8,)) -> None:
    """Refuse other bit depths and colour spaces, and sizes that are no numbers, before anything is decoded."""
    for name in SIZES:
        if not isinstance(getattr(key, name), int):
            raise unreadable(where, ValueError(f"{name} is {getattr(key, name)!r}"))
    if key.bitspersample not in depths or key.dtype != np.dtype(f"u{key.bitspersample // 8}"):
        raise wrong_depth(where, f"{key.bitspersample} bits per channel ({key.dtype})")
    if key.imagedepth > 1:
        raise UserError(
            where,
            got=f"{key.imagedepth} planes within one TIFF page",
            wanted="one plane a page",
            do="Save it as a multi-page TIFF.",
        )
    decoded = key.photometric == PHOTOMETRIC.YCBCR and key.compression in (*JPEG, JPEG_2000_YCBCR)
    known = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE)
    if not decoded and key.photometric not in known:
        raise wrong_colours(where, getattr(key.photometric, "name", str(key.photometric)))
    if key.photometric == PHOTOMETRIC.PALETTE and key.bitspersample != 8:
        raise wrong_colours(where, f"a palette of {key.bitspersample} bits")


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


def as_shown(pixels: np.ndarray, key: TiffPage, where: str, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Grey or RGB of stored values: inverts white-is-zero, looks up palettes, drops full opacity."""
    if key.compression == JPEG_2000_YCBCR and pixels.ndim == 3 and pixels.shape[2] == 3:
        return from_ycbcr(pixels, where)
    if key.photometric == PHOTOMETRIC.MINISWHITE:
        pixels = np.iinfo(pixels.dtype).max - pixels
    elif key.photometric == PHOTOMETRIC.PALETTE and key.colormap is not None:
        # TIFF palettes are 16-bit; their upper byte is the 8-bit colour
        pixels = (key.colormap >> 8).astype(np.uint8).T[pixels.reshape(pixels.shape[:2])]
    return as_grey_or_rgb(pixels, where, depths)


def tag_word(page: TiffPage, *, unit_um: float | None = None) -> Word:
    """What a page's resolution tags say, by their own unit (an inch or a centimetre) or by another one."""
    unit = page.tags.valueof("ResolutionUnit")
    if unit_um is None:
        unit_um = _RESOLUTION_UNIT_UM.get(unit) if isinstance(unit, int) else None  # damaged ones hold several numbers
    x, y = (_per_unit(page, f"{axis}Resolution") for axis in "XY")
    unit_um = unit_um if x else None  # a damaged one leaves the other without a witness
    return Word("resolution tags", *(unit_um / pixels if unit_um and pixels else None for pixels in (x, y)))


def _per_unit(page: TiffPage, name: str) -> float | None:
    """Pixels per unit along an axis; None without the tag."""
    value = page.tags.valueof(name)
    is_fraction = isinstance(value, tuple) and len(value) == 2 and all(value)
    return float(value[0] / value[1]) if is_fraction else None


def ome_images(tif: TiffFile, where: str) -> tuple[OmeImage, ...]:
    """What the OME header says of each image of a file; nothing without a header.

    Raises
    ------
    UserError
        If the header is damaged.
    """
    with reading(where):
        return read_ome(tif.ome_metadata, where) if tif.is_ome and tif.ome_metadata else ()
