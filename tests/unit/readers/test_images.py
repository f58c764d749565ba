"""Flat images: what is taken, and what is refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tsva.errors import UserError
from tsva.readers.images import read_image

RGB = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
GREY = RGB[..., 0]
OPAQUE = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])


def _png16(path: Path) -> None:
    """A 16-bit RGB PNG by hand: Pillow can't write one, but opens it as 8-bit without a word."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RGB.astype(np.uint16) * 257)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", RGB.shape[1], RGB.shape[0], 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def _tiff(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, pixels, **{"metadata": None, **options})


def _pillow(pixels: np.ndarray, kind: str, mode: str | None = None) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path, kind)

    return write


LOSSLESS = {
    "PNG colour": (_pillow(RGB, "PNG"), RGB),
    "PNG grey": (_pillow(GREY, "PNG"), GREY[..., None]),
    "PNG opaque": (_pillow(OPAQUE, "PNG"), RGB),
    "TIFF of Pillow": (_pillow(RGB, "TIFF"), RGB),
    "TIFF colour": (_tiff(RGB, photometric="rgb"), RGB),
    "TIFF grey": (_tiff(GREY, photometric="minisblack"), GREY[..., None]),
    "TIFF white is zero": (_tiff(255 - GREY, photometric="miniswhite"), GREY[..., None]),
    "TIFF planar": (_tiff(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"), RGB),
    "TIFF opaque": (_tiff(OPAQUE, photometric="rgb", extrasamples=["unassalpha"]), RGB),
    "TIFF LZW": (_tiff(RGB, photometric="rgb", compression="lzw", predictor=True), RGB),
    "TIFF Deflate tiles": (_tiff(RGB, photometric="rgb", compression="zlib", tile=(16, 16)), RGB),
    "BMP": (_pillow(RGB, "BMP"), RGB),
    "TIFF Zstd": (_tiff(RGB, photometric="rgb", compression="zstd"), RGB),
    "BigTIFF, big-endian": (_tiff(RGB, photometric="rgb", bigtiff=True, byteorder=">"), RGB),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_pixels_come_exactly(tmp_path: Path, kind: str) -> None:
    write, wanted = LOSSLESS[kind]
    write(tmp_path / "image")
    assert np.array_equal(read_image(tmp_path / "image"), wanted)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(64)
    palette.save(tmp_path / "p.png")
    wanted = np.asarray(palette.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "p.png"), wanted)
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :64] = np.array(palette.getpalette()[: 64 * 3], np.uint16).reshape(64, 3).T * 257
    tifffile.imwrite(tmp_path / "p.tif", np.asarray(palette), photometric="palette", colormap=colours)
    assert np.array_equal(read_image(tmp_path / "p.tif"), wanted)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_jpeg_gives_rgb_and_not_ycbcr(tmp_path: Path, kind: str) -> None:
    smooth = np.zeros((64, 64, 3), np.uint8) + np.array([200, 60, 120], np.uint8)
    if kind == "JPEG":
        Image.fromarray(smooth).save(tmp_path / "j", "JPEG", quality=95)
    else:
        tifffile.imwrite(tmp_path / "j", smooth, photometric="rgb", compression="jpeg")
    # a flat patch has one coefficient a channel: quantised by at most 2, and YCbCr back to RGB multiplies by up to 1.8
    assert np.abs(read_image(tmp_path / "j").astype(int) - smooth).max() <= 4


REFUSED = {
    "16-bit grey PNG": (_pillow(GREY.astype(np.uint16), "PNG"), "16 bits per channel"),
    "16-bit colour PNG": (_png16, "16 bits per channel"),
    "1-bit PNG": (_pillow(GREY, "PNG", "1"), "1 bits per channel"),
    "CMYK JPEG": (_pillow(RGB, "JPEG", "CMYK"), "colours stored as CMYK"),
    "transparent PNG": (_pillow(np.dstack([RGB, GREY]), "PNG"), "4 channels, the last of which is not opacity"),
    "16-bit TIFF": (_tiff(GREY.astype(np.uint16), photometric="minisblack"), r"16 bits per channel \(uint16\)"),
    "float TIFF": (_tiff(GREY.astype(np.float32), photometric="minisblack"), r"32 bits per channel \(float32\)"),
    "1-bit TIFF": (_tiff(GREY > 99, photometric="minisblack"), "1 bits per channel"),
    "signed TIFF": (_tiff(GREY.astype(np.int8), photometric="minisblack"), r"8 bits per channel \(int8\)"),
    "CMYK TIFF": (_tiff(OPAQUE, photometric="separated"), "colours stored as SEPARATED"),
    "5-channel TIFF": (
        _tiff(np.dstack([RGB, RGB[..., :2]]), photometric="rgb", planarconfig="contig", extrasamples=[0, 0]),
        "5 channels",
    ),
    "transparent TIFF": (_tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unassalpha"]), "4 channels"),
    "two pages": (_tiff(np.stack([GREY, GREY]), photometric="minisblack"), "2 planes in one file"),
    "text": (lambda path: path.write_text("hello"), "neither; wanted a TIFF, PNG, JPEG or BMP"),
    "empty": (lambda path: path.write_bytes(b""), "an empty file"),
    "GIF": (_pillow(GREY, "GIF"), "wanted a TIFF, PNG, JPEG or BMP"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_others_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    write, message = REFUSED[kind]
    write(tmp_path / "plane.img")
    with pytest.raises(UserError, match=rf"plane\.img: got .*{message}"):
        read_image(tmp_path / "plane.img")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.tif: got no such file"):
        read_image(tmp_path / "gone.tif")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "zlib", "rowsperstrip": 8}),
        ("TIFF", {"compression": "jpeg", "tile": (16, 16)}),
    ],
)
def test_truncated_images_are_named(tmp_path: Path, kind: str, options: dict, share: float) -> None:
    whole = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(whole, RGB, photometric="rgb", **options)
    else:
        Image.fromarray(RGB).save(whole, kind)
    (tmp_path / "cut.img").write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
    with pytest.raises(UserError, match=r"cut\.img: got a file that can't be read to its end"):
        read_image(tmp_path / "cut.img")


def test_an_image_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"large\.png: got more than 1000 pixels .* wanted a tiled TIFF"):
        read_image(tmp_path / "large.png")
