"""Make the golden files that Python packages write: python tests/golden/make.py (needs what the functions import).

Versions: ome-zarr 0.18, bioio-ome-tiff 1.4, wsidicomizer 0.26. Pixels are `pattern` of tests/golden/pattern.py.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from pattern import pattern

HERE = Path(__file__).parent


def ome_zarr(version: str) -> None:
    """A z-stack in three channels, by ome-zarr-py."""
    import zarr
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.writer import write_image

    form = FormatV04() if version == "0.4" else FormatV05()
    pixels = np.moveaxis(pattern(5, 48, 64), -1, 0)  # CZYX
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.zarr"
        root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
        write_image(pixels, root, axes="czyx", fmt=form, scale_factors=[2], scale={"z": 0.5, "y": 0.345, "x": 0.345},
                    axes_units=dict.fromkeys("zyx", "micrometer"),
                    storage_options={"chunks": (3, 1, 32, 32)})  # fmt: skip
        shutil.make_archive(str(HERE / f"ome-zarr-{version}"), "zip", folder)


def bioio() -> None:
    """Axes in the order ZCT, with channel names and sizes, by bioio-ome-tiff."""
    from bioio_base.types import PhysicalPixelSizes
    from bioio_ome_tiff.writers import OmeTiffWriter

    OmeTiffWriter.save(
        np.moveaxis(pattern(5, 48, 64), -1, 0), str(HERE / "bioio.ome.tif"), dim_order="CZYX",
        channel_names=["red", "green", "blue"], physical_pixel_sizes=PhysicalPixelSizes(0.5, 0.345, 0.345),
    )  # fmt: skip


def dicom() -> None:
    """A flat pyramid as DICOM whole slide, by wsidicomizer from an OME-TIFF of tifffile."""
    import tifffile
    from wsidicomizer import WsiDicomizer

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "slide.ome.tif"
        tifffile.imwrite(source, pattern(1, 192, 256)[0], photometric="rgb", tile=(64, 64), compression="jpeg",
                         compressionargs={"level": 95}, metadata={"axes": "YXS", "PhysicalSizeX": 0.345,
                         "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.345, "PhysicalSizeYUnit": "µm"})  # fmt: skip
        out = Path(folder) / "out"
        out.mkdir()
        WsiDicomizer.convert(source, out, tile_size=64, include_label=False, include_overview=False)
        (largest,) = out.rglob("*.dcm")
        shutil.copy(largest, HERE / "slide.dcm")


if __name__ == "__main__":
    for name in sys.argv[1:] or ("ome_zarr-0.4", "ome_zarr-0.5", "bioio", "dicom"):
        kind, _, version = name.partition("-")
        globals()[kind](*([version] if version else []))
