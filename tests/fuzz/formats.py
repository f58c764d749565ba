"""Small whole files of the formats of scanners and of 16-bit and multi-channel stacks, and whole OME-Zarr folders."""

from __future__ import annotations

import importlib.util
import io
import re
import struct
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
sys.path.insert(0, str(TESTS / "unit" / "readers"))
from dicom_files import write_dicom  # noqa: E402
from ndpi_files import Page, write_ndpi  # noqa: E402
from vendor_files import write_lif, write_nd2  # noqa: E402

Whole = bytes | dict[str, bytes]
"""A file, or a folder's files by their paths."""


def whole_formats() -> dict[str, Whole]:
    """One of every kind."""
    draw = np.random.default_rng(1)
    deep = draw.integers(0, 4096, (3, 48, 64), np.uint16)
    planes = draw.integers(0, 256, (3, 64, 96, 3), np.uint8)
    with io.BytesIO() as file:
        tifffile.imwrite(file, deep, photometric="minisblack", compression="zlib", metadata=None)
        sixteen = file.getvalue()
    return {
        "sixteen": sixteen,
        "channels": (GOLDEN / "bioio.ome.tif").read_bytes(),
        "zarr2": _folder(GOLDEN / "ome-zarr-0.4.zip"),
        "zarr3": _folder(GOLDEN / "ome-zarr-0.5.zip"),
        **_zarr_codecs(planes[..., 0]),
        "dicom": (GOLDEN / "slide.dcm").read_bytes(),
        **_written(planes, deep),
        **_czi(planes),
        **_vendors(planes[..., 0], deep),
    }


def _vendors(planes: np.ndarray, deep: np.ndarray) -> dict[str, bytes]:
    """Leica's and Nikon's, where their libraries are installed."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if importlib.util.find_spec("liffile") is not None:
            found["lif"] = write_lif(path, planes[..., None], 0.345e-6, 0.5e-6).read_bytes()
        if importlib.util.find_spec("nd2") is not None:
            found["nd2"] = write_nd2(path, deep, 0.345, 0.5).read_bytes()
    return found


def _folder(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {
            name.removeprefix("stack.zarr/"): opened.read(name) for name in opened.namelist() if not name.endswith("/")
        }


def _zarr_codecs(planes: np.ndarray) -> dict[str, dict[str, bytes]]:
    """Blosc in version 2; shards and gzip in version 3."""
    import numcodecs
    import zarr
    from zarr.codecs import GzipCodec

    made: dict[str, dict[str, bytes]] = {}
    step = [{"type": "scale", "scale": [0.5, 0.345, 0.345]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    said = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": step}]}
    with tempfile.TemporaryDirectory() as folder:
        ways: tuple[tuple[str, int, dict[str, Any]], ...] = (
            ("zarr_blosc", 2, {"compressors": numcodecs.Blosc()}),
            ("zarr_shards", 3, {"shards": (1, 64, 64), "compressors": GzipCodec()}),
        )
        for name, form, how in ways:
            path = Path(folder) / name
            root = zarr.open_group(path, mode="w", zarr_format=2 if form == 2 else 3)
            root.attrs.update(
                {"multiscales": [{**said, "version": "0.4"}]}
                if form == 2
                else {"ome": {"version": "0.5", "multiscales": [said]}}
            )
            level = root.create_array("0", shape=planes.shape, chunks=(1, 32, 32), dtype="u1", **how)
            level[...] = planes
            made[name] = {
                file.relative_to(path).as_posix(): _without_time(file.read_bytes())
                for file in sorted(path.rglob("*"))
                if file.is_file()
            }
    return made


def _without_time(data: bytes) -> bytes:
    """The file without the time of day that gzip's header holds."""
    return re.sub(rb"(\x1f\x8b\x08\0)....", rb"\1\0\0\0\0", data, flags=re.DOTALL)


def _written(planes: np.ndarray, deep: np.ndarray) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write_dicom(path / "dicom_planes", planes, 32)
        write_dicom(path / "dicom_placed", deep[..., None], 16, placed=True, BitsStored=12, HighBit=11)
        for name, blocks in (("ndpi", None), ("ndpi_marks", 4)):
            pages = [Page(plane, 40.0, 2000 * i, blocks=blocks) for i, plane in enumerate(planes[:, :48, :64])]
            write_ndpi(path / name, [*pages, Page(planes[0, :24, :32], -1.0, 0)])
        return {file.name: file.read_bytes() for file in path.iterdir()}


def _czi(planes: np.ndarray) -> dict[str, bytes]:
    """Nothing without pylibCZIrw."""
    if importlib.util.find_spec("pylibCZIrw") is None:
        return {}
    from pylibCZIrw import czi

    ways = {"czi": "", "czi_zstd": "zstd0:ExplicitLevel=2", "czi_zstd1": "zstd1:ExplicitLevel=2"}
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, compressed in ways.items():
            path = Path(folder) / f"{name}.czi"
            with czi.create_czi(str(path), compression_options=compressed or None) as file:
                for z, plane in enumerate(planes):
                    file.write(np.ascontiguousarray(plane[:48, :64]), plane={"C": 0, "Z": z, "T": 0})
                file.write_metadata(document_name="s", scale_x=0.345e-6, scale_y=0.345e-6, scale_z=0.5e-6)
            made[name] = _without_chance(path.read_bytes())
    return {**made, "czi_jpegxr": _as_jpegxr(made["czi"], planes[:, :48, :64])}


def _without_chance(data: bytes) -> bytes:
    """The file without the numbers that its writer draws anew each time."""
    data = data[:48] + bytes(32) + data[80:]
    return re.sub(rb"(?<=<RetilingId>)[0-9a-f-]{36}", b"0" * 36, data)


def _as_jpegxr(whole: bytes, planes: np.ndarray) -> bytes:
    """The tiles compressed as Zeiss' scanners do, in the places of the uncompressed ones, which are longer."""
    from imagecodecs import jpegxr_encode

    data = bytearray(whole)
    for place in [match.start() for match in re.finditer(rb"DV\x03\0\0\0", whole)]:
        struct.pack_into("<i", data, place + 18, 4)
    for block, plane in zip(re.finditer(rb"ZISRAWSUBBLOCK\0", whole), planes, strict=True):
        tile = jpegxr_encode(plane // 16 * 16, level=0.5).replace(b"\x8d\xc9\x0d", b"\x8d\xc9\x0c")  # blue first
        start = block.start() + 32 + 256 + struct.unpack_from("<I", whole, block.start() + 32)[0]
        struct.pack_into("<q", data, block.start() + 40, len(tile))
        data[start : start + len(tile)] = tile
    return bytes(data)
