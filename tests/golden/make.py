"""Make the golden files: python tests/golden/make.py [NAME ...] (needs what the functions import or run).

Versions: ome-zarr 0.18, bioio-ome-tiff 1.4, wsidicomizer 0.26 with wsidicom 0.31, Bio-Formats 7.3.1, Orthanc WSI 1.1
(Debian's orthanc-wsi). Pixels are those of tests/golden/pattern.py. imagej.tif is made by stack.ijm.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from pattern import pattern

HERE = Path(__file__).parent
TILE = np.ones((64, 64, 1), np.uint8)
"""A file of more than 1 MB, which Orthanc asks for, is small in an archive if each tile is of one colour."""


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
        write_image(
            pixels,
            root,
            axes="czyx",
            fmt=form,
            scale_factors=[2],
            scale={"z": 0.5, "y": 0.345, "x": 0.345},
            axes_units=dict.fromkeys("zyx", "micrometer"),
            storage_options={"chunks": (3, 1, 32, 32)},
        )
        shutil.make_archive(str(HERE / f"ome-zarr-{version}"), "zip", folder)


def bioio() -> None:
    """Axes in the order ZCT, with channel names and sizes, by bioio-ome-tiff."""
    from bioio_base.types import PhysicalPixelSizes
    from bioio_ome_tiff.writers import OmeTiffWriter

    OmeTiffWriter.save(
        np.moveaxis(pattern(5, 48, 64), -1, 0),
        str(HERE / "bioio.ome.tif"),
        dim_order="CZYX",
        channel_names=["red", "green", "blue"],
        physical_pixel_sizes=PhysicalPixelSizes(0.5, 0.345, 0.345),
    )


def dicom() -> None:
    """A flat pyramid as DICOM whole slide, by wsidicomizer from an OME-TIFF of tifffile."""
    import tifffile
    from wsidicomizer import WsiDicomizer

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "slide.ome.tif"
        tifffile.imwrite(
            source,
            pattern(1, 192, 256)[0],
            photometric="rgb",
            tile=(64, 64),
            compression="jpeg",
            compressionargs={"level": 95},
            metadata={
                "axes": "YXS",
                "PhysicalSizeX": 0.345,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": 0.345,
                "PhysicalSizeYUnit": "µm",
            },
        )
        out = Path(folder) / "out"
        out.mkdir()
        WsiDicomizer.convert(source, out, tile_size=64, include_label=False, include_overview=False)
        (largest,) = out.rglob("*.dcm")
        shutil.copy(largest, HERE / "slide.dcm")


def focal_planes() -> None:
    """Five focal planes in full order, JPEG 2000 without loss, by wsidicomizer."""
    from planes_as_slide import PlanesSource
    from wsidicom.codec import Encoder
    from wsidicom.codec.settings import Channels, Jpeg2kSettings
    from wsidicomizer import WsiDicomizer

    encoder = Encoder.create_for_settings(Jpeg2kSettings(levels=0, channels=Channels.RGB))
    with tempfile.TemporaryDirectory() as folder:
        with WsiDicomizer(PlanesSource(pattern(5, 48, 64), [-1, -0.5, 0, 0.5, 1], 32, encoder), True) as slide:
            (file,) = slide.save(folder, include_levels=[0])
        shutil.copy(file, HERE / "planes.dcm")


def orthanc() -> None:
    """A flat slide whose tiles say where they lie, and which is in two files, by Orthanc's dicomizer."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(np.kron(pattern(1, 12, 10)[0], TILE)).save(folder / "slide.png")
        (folder / "out").mkdir()
        # it takes width for the extent along the slide's longer side, which is the image's height
        millimetres = ["--imaged-width", str(768 * 0.345e-3), "--imaged-height", str(640 * 0.345e-3)]
        options = ["--compression", "none", "--tile-width", "64", "--tile-height", "64", "--max-size", "1"]
        subprocess.run(
            [
                "OrthancWSIDicomizer",
                "--pyramid",
                "1",
                "--levels",
                "1",
                *millimetres,
                *options,
                "--folder",
                str(folder / "out"),
                str(folder / "slide.png"),
            ],
            check=True,
        )
        shutil.make_archive(str(HERE / "orthanc"), "zip", folder / "out")


def bioformats() -> None:
    """Four files: see bioformats.py."""
    from bioformats import make

    make()


if __name__ == "__main__":
    everything = ("ome_zarr-0.4", "ome_zarr-0.5", "bioio", "dicom", "focal_planes", "orthanc", "bioformats")
    for name in sys.argv[1:] or everything:
        kind, _, version = name.partition("-")
        globals()[kind](*([version] if version else []))
