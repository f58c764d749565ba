"""TIFF in every common encoding, by libvips, ImageMagick and tifffile: whole planes and regions of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack

RGB = np.random.default_rng(5).integers(0, 256, (4, 96, 112, 3), dtype=np.uint8)
DEEP = np.random.default_rng(6).integers(0, 4096, (4, 96, 112), dtype=np.uint16)
DEEP[0, 0, :2] = 0, 4095
AS_8_BITS = np.floor(DEEP / 4095 * 255 + 0.5).astype(np.uint8)[..., None]
VIPS = [
    ["--compression", kind, *layout]
    for kind in ("none", "lzw", "deflate", "zstd", "packbits")
    for layout in ([], ["--tile", "--tile-width", "32", "--tile-height", "32"], ["--bigtiff"])
]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _same(path: Path, wanted: np.ndarray, bits: int | None = None) -> None:
    (field,) = fields_of_stack(path, 0.345, 0.5, bits)
    assert np.array_equal(np.stack(list(field.planes())), wanted)
    assert np.array_equal(field.region(2, 17, 40, 50, 60), wanted[2, 17:67, 40:100])


@pytest.mark.parametrize("options", VIPS, ids=lambda options: "-".join(o.lstrip("-") for o in options[1:4]))
@pytest.mark.parametrize("kind", ["rgb", "grey", "16 bits", "opaque"])
def test_libvips(tmp_path: Path, options: list[str], kind: str) -> None:
    vips = _program("vips")
    opaque = np.concatenate([RGB, np.full_like(RGB[..., :1], 255)], axis=-1)
    pixels = {"rgb": RGB, "grey": RGB[..., 0], "16 bits": DEEP, "opaque": opaque}[kind]
    pages = "rgb" if pixels.ndim == 4 else "minisblack"
    extra = {"extrasamples": ["unassalpha"]} if kind == "opaque" else {}
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric=pages, **extra)
    # all pages come as one tall image, which goes out as pages again
    subprocess.run(
        [vips, "tiffsave", f"{tmp_path}/in.tif[n=-1]", f"{tmp_path}/out.tif", "--page-height", "96", *options],
        check=True,
    )
    wanted = {"grey": RGB[..., :1], "16 bits": AS_8_BITS}.get(kind, RGB)
    _same(tmp_path / "out.tif", wanted, 12 if kind == "16 bits" else None)


@pytest.mark.parametrize("order", ["MSB", "LSB"])
@pytest.mark.parametrize("compress", ["None", "LZW", "Zip"])
@pytest.mark.parametrize("planar", ["Plane", "None"])
def test_imagemagick(tmp_path: Path, order: str, compress: str, planar: str) -> None:
    convert = shutil.which("convert-im6") or _program("magick")
    for i, plane in enumerate(RGB):
        (tmp_path / f"{i}.ppm").write_bytes(b"P6 112 96 255\n" + plane.tobytes())
    subprocess.run(
        [
            convert,
            *(f"{tmp_path}/{i}.ppm" for i in range(4)),
            "-type",
            "TrueColor",
            "-endian",
            order,
            "-compress",
            compress,
            "-interlace",
            planar,
            f"{tmp_path}/out.tif",
        ],
        check=True,
    )
    _same(tmp_path / "out.tif", RGB)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 10}, {"tile": (32, 48)}])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
def test_tifffile(
    tmp_path: Path, byteorder: str, bigtiff: bool, planarconfig: str, layout: dict, compression: str | None
) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif", byteorder=byteorder, bigtiff=bigtiff) as tif:
        for plane in RGB:
            stored = plane if planarconfig == "contig" else np.moveaxis(plane, -1, 0)
            tif.write(
                stored,
                photometric="rgb",
                planarconfig=planarconfig,
                compression=compression,
                metadata=None,
                contiguous=False,
                **layout,
            )
    _same(tmp_path / "s.tif", RGB)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zstd", "tile": (32, 32)}, {"compression": "zlib"}])
def test_16_bits_of_a_camera(tmp_path: Path, byteorder: str, options: dict) -> None:
    tifffile.imwrite(tmp_path / "s.tif", DEEP, photometric="minisblack", byteorder=byteorder, **options)
    _same(tmp_path / "s.tif", AS_8_BITS, 12)


def test_the_range_of_16_bits_is_asked_for_by_column(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", DEEP, photometric="minisblack")
    (field,) = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)
    with pytest.raises(UserError, match=r"16 bits per channel .*column bits"):
        next(field.planes())
    (field,) = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5, 10)
    with pytest.raises(UserError, match=r"got a pixel of 4095; wanted at most 1023.*column bits"):
        next(field.planes())


def test_ome_tells_the_range(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "s.ome.tif",
        DEEP,
        ome=True,
        photometric="minisblack",
        metadata={"axes": "ZYX", "SignificantBits": 12},
    )
    assert stored_images(tmp_path / "s.ome.tif")[0].bits == 12
    _same(tmp_path / "s.ome.tif", AS_8_BITS)


def test_jpeg_is_decoded_as_libvips_does(tmp_path: Path) -> None:
    """A lossy file: vips decodes it itself, without chroma to interpolate."""
    vips = _program("vips")
    tifffile.imwrite(tmp_path / "in.tif", RGB, photometric="rgb")
    for options, out in (
        [["--compression", "jpeg", "--Q", "95", "--tile"], "a.tif"],
        [["--compression", "none"], "b.tif"],
    ):
        source = "in.tif" if out == "a.tif" else "a.tif"
        subprocess.run(
            [vips, "tiffsave", f"{tmp_path}/{source}[n=-1]", f"{tmp_path}/{out}", "--page-height", "96", *options],
            check=True,
        )
    _same(tmp_path / "a.tif", tifffile.imread(tmp_path / "b.tif"))


def test_a_region_decodes_only_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = np.zeros((3, 1024, 1280, 3), np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", planes, photometric="rgb", tile=(256, 256), compression="zlib")
    (field,) = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5)
    decoded: list[int] = []
    with tifffile.TiffFile(tmp_path / "s.tif") as tif:
        decode = tif.pages.first.decode
    monkeypatch.setattr(
        tifffile.TiffPage, "decode", property(lambda _: lambda *a, **k: decoded.append(1) or decode(*a, **k))
    )
    assert field.region(1, 300, 300, 150, 150).shape == (150, 150, 3)
    assert len(decoded) == 1
    assert field.region(1, 200, 500, 224, 224).shape == (224, 224, 3)
    assert len(decoded) == 1 + 4


def test_whole_slides_are_cut_into_equal_parts(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", RGB, photometric="rgb", tile=(16, 16), compression="zlib")
    fields = fields_of_stack(tmp_path / "s.tif", 0.345, 0.5, max_field_px=50)
    assert [field.name for field in fields] == [f"s_r{row:02d}_c{column:02d}" for row in (0, 1) for column in (0, 1, 2)]
    parts = [np.stack(list(field.planes())) for field in fields]
    rows = [np.concatenate(parts[i : i + 3], axis=2) for i in (0, 3)]
    assert np.array_equal(np.concatenate(rows, axis=1), RGB)
    assert np.array_equal(fields[4].region(1, 3, 4, 20, 10), parts[4][1, 3:23, 4:14])
    assert max(max(part.shape[1:3]) for part in parts) <= 50
