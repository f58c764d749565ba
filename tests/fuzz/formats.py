"""Small whole files of the formats of scanners and of 16-bit and multi-channel stacks, and whole OME-Zarr folders."""

from __future__ import annotations

import importlib.util
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tifffile

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
sys.path.insert(0, str(TESTS / "unit" / "io"))
from dicom_files import write_dicom  # noqa: E402
from ndpi_files import Page, write_ndpi  # noqa: E402

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
    }


def _folder(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {
            name.removeprefix("stack.zarr/"): opened.read(name) for name in opened.namelist() if not name.endswith("/")
        }


def _zarr_codecs(planes: np.ndarray) -> dict[str, dict[str, bytes]]:
    """Blosc in version 2; shards and gzip in version 3."""
    import numcodecs
    import zarr

    made: dict[str, dict[str, bytes]] = {}
    step = [{"type": "scale", "scale": [0.5, 0.345, 0.345]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    said = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": step}]}
    with tempfile.TemporaryDirectory() as folder:
        for name, form, how in (
            ("zarr_blosc", 2, {"compressors": numcodecs.Blosc()}),
            ("zarr_shards", 3, {"shards": (1, 64, 64), "compressors": zarr.codecs.GzipCodec()}),
        ):
            path = Path(folder) / name
            root = zarr.open_group(path, mode="w", zarr_format=form)
            root.attrs.update({"multiscales": [{**said, "version": "0.4"}]} if form == 2 else
                              {"ome": {"version": "0.5", "multiscales": [said]}})  # fmt: skip
            level = root.create_array("0", shape=planes.shape, chunks=(1, 32, 32), dtype="u1", **how)
            level[...] = planes
            made[name] = {file.relative_to(path).as_posix(): file.read_bytes()
                          for file in sorted(path.rglob("*")) if file.is_file()}  # fmt: skip
    return made


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

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.czi"
        with czi.create_czi(str(path)) as file:
            for z, plane in enumerate(planes):
                file.write(np.ascontiguousarray(plane[:48, :64]), plane={"C": 0, "Z": z, "T": 0})
            file.write_metadata(document_name="s", scale_x=0.345e-6, scale_y=0.345e-6, scale_z=0.5e-6)
        return {"czi": path.read_bytes()}
