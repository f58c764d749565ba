"""ImageJ itself opens the stacks that we write; skipped where it isn't installed (Debian: imagej and xvfb)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tsva.acquisition.stack import Stack
from tsva.readers.stack_file import write_stack

sys.path.insert(0, str(Path(__file__).parents[2] / "golden"))
from pattern import pattern

JAR = Path("/usr/share/java/ij.jar")
SPOTS = ((1, 0, 0), (4, 5, 7), (5, 63, 47))
"""Slices, counted from 1, columns and rows."""

MACRO = r"""
folder = getArgument();
setBatchMode(true);
slices = newArray(SLICES);
columns = newArray(COLUMNS);
rows = newArray(ROWS);
for (channels = 1; channels < 4; channels += 2) {
  out = File.open(folder + "/" + channels + ".txt");
  open(folder + "/" + channels + ".ome.tif");
  getVoxelSize(width, height, depth, unit);
  print(out, nSlices + " " + bitDepth() + " " + getWidth() + " " + getHeight());
  print(out, width + " " + height + " " + depth + " " + unit);
  for (i = 0; i < slices.length; i++) {
    setSlice(slices[i]);
    print(out, getPixel(columns[i], rows[i]) & 0xffffff);
  }
  File.close(out);
}
"""


@pytest.mark.skipif(
    not (JAR.exists() and shutil.which("java") and shutil.which("xvfb-run")),
    reason="ImageJ is not installed (Debian's packages imagej and xvfb)",
)
def test_slices_sizes_and_pixels(tmp_path: Path) -> None:
    stack = pattern(5, 48, 64)
    for channels in (1, 3):
        write_stack(tmp_path / f"{channels}.ome.tif", Stack(stack[..., :channels], np.arange(5) / 2 - 1, 0.345))
    macro = MACRO
    for word, numbers in zip(("SLICES", "COLUMNS", "ROWS"), zip(*SPOTS, strict=True), strict=True):
        macro = macro.replace(word, ", ".join(map(str, numbers)))
    (tmp_path / "open.ijm").write_text(macro)
    java = ["java", "-Xmx512m", "-cp", str(JAR), "ij.ImageJ", "-batch", str(tmp_path / "open.ijm"), str(tmp_path)]
    subprocess.run(["xvfb-run", "-a", *java], check=True, capture_output=True, timeout=100)
    # red is the highest byte of three
    for channels, weights in ((1, [1]), (3, [1 << 16, 1 << 8, 1])):
        sizes, scale, *pixels = (tmp_path / f"{channels}.txt").read_text().splitlines()
        assert sizes.split() == ["5", str(8 * channels), "64", "48"]
        width, height, depth, unit = scale.split()
        # printed with four decimals
        assert (width, height, unit) == ("0.345", "0.345", "µm")
        # it reads no OME header without Bio-Formats, and takes 1 for a spacing that it wasn't told
        assert float(depth) in (0.5, 1)
        expected = [int(stack[z - 1, y, x, :channels] @ np.array(weights)) for z, x, y in SPOTS]
        assert [int(pixel) for pixel in pixels] == expected
