"""Speed of counting, beside scikit-image doing the same steps in the same process. Prints one JSON object.

Where ImageJ is installed (Debian: imagej and xvfb), it does the same steps in one process of its own, in batch mode;
only the steps are timed, with the images open and after a pass that lets Java compile.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.filters import threshold_otsu
from skimage.io import imsave
from skimage.measure import label, regionprops_table

from tsva.evaluation.counting.imagej import count
from tsva.evaluation.counting.stained_nuclei import find_nuclei
from tsva.settings.evaluation import CountSettings

PATCHES, SIZE_PX, PIXEL_UM = 100, 224, 0.345
REPEATS = 3
JAR = Path("/usr/share/java/ij.jar")
MACRO = r"""
folder = getArgument();
setBatchMode(true);
setOption("BlackBackground", true);
run("Set Measurements...", "area centroid redirect=None decimal=4");
ids = newArray(PATCHES);
for (i = 0; i < PATCHES; i++) { open(folder + "/" + i + ".png"); ids[i] = getImageID(); }
best = 1e9;
for (pass = 0; pass <= REPEATS; pass++) {
  total = 0;
  start = getTime();
  for (i = 0; i < PATCHES; i++) {
    selectImage(ids[i]);
    run("Duplicate...", "title=work");
    run("8-bit");
    run("Enhance Contrast...", "saturated=0.35");
    run("Apply LUT");
    setAutoThreshold("Otsu");
    run("Convert to Mask");
    run("Fill Holes");
    STEP
    run("Analyze Particles...", "size=MIN-MAX pixel show=Nothing display clear");
    total += nResults;
    close();
  }
  if (pass > 0) best = minOf(best, getTime() - start);
}
File.saveString("" + best + " " + total, folder + "/out.txt");
"""


def main() -> None:
    """Time ImageJ's steps with and without watershed, and the peer."""
    patches = [stained(np.random.default_rng(index)) for index in range(PATCHES)]
    plain, parted = CountSettings(), CountSettings(watershed=True)
    ours = rate(lambda image: count(image, plain, PIXEL_UM), patches)
    theirs = rate(peer, patches)
    watershed = rate(lambda image: count(image, parted, PIXEL_UM), patches)
    nuclei = rate(lambda image: find_nuclei(image, plain.nuclei, PIXEL_UM), patches)
    imagej, imagej_nuclei = imagej_rate(patches, plain)
    imagej_watershed, _ = imagej_rate(patches, parted)
    print(
        json.dumps(
            {
                "benchmark": "count",
                "patches": PATCHES,
                "size_px": SIZE_PX,
                "processes": 1,
                "patches_per_second": round(ours, 1),
                "peer": "scikit-image: rgb2gray, Otsu, fill holes, label, regionprops",
                "peer_patches_per_second": round(theirs, 1),
                "ratio_to_peer": round(ours / theirs, 2),
                "with_watershed_patches_per_second": round(watershed, 1),
                "by_stain_patches_per_second": round(nuclei, 1),
                "imagej_patches_per_second": imagej and round(imagej, 1),
                "ratio_to_imagej": imagej and round(ours / imagej, 2),
                "imagej_with_watershed_patches_per_second": imagej_watershed and round(imagej_watershed, 1),
                "ratio_to_imagej_with_watershed": imagej_watershed and round(watershed / imagej_watershed, 2),
                "nuclei": sum(count(image, plain, PIXEL_UM).count for image in patches),
                "imagej_nuclei": imagej_nuclei,
            }
        )
    )


def stained(generator: np.random.Generator) -> np.ndarray:
    """A patch with some forty dark nuclei on light tissue, (Y, X, 3) uint8."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    image = 200 + ndimage.gaussian_filter(generator.normal(0, 60, (SIZE_PX, SIZE_PX)), 6)
    for cy, cx, radius in zip(*generator.uniform(0, SIZE_PX, (2, 40)), generator.uniform(6, 12, 40), strict=True):
        image[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 90
    image = ndimage.gaussian_filter(image, 1) + generator.normal(0, 2, image.shape)
    tint = np.array([1.0, 0.85, 1.05])
    return (image[..., None] * tint).clip(0, 255).astype(np.uint8)


def peer(image: np.ndarray) -> int:
    """The same steps by scikit-image and SciPy."""
    grey = rgb2gray(image)
    mask = ndimage.binary_fill_holes(grey <= threshold_otsu(grey))
    areas = regionprops_table(label(mask, connectivity=2), properties=("area", "centroid"))["area"]
    return int(((areas * PIXEL_UM**2 >= 12) & (areas * PIXEL_UM**2 <= 2000)).sum())


def imagej_rate(patches: Sequence[np.ndarray], settings: CountSettings) -> tuple[float | None, int | None]:
    """ImageJ's patches a second, and how many nuclei it counts in all; None where it isn't installed."""
    if not (JAR.exists() and shutil.which("java") and shutil.which("xvfb-run")):
        return None, None
    words = {
        "PATCHES": str(len(patches)),
        "REPEATS": str(REPEATS),
        "STEP": 'run("Watershed");' if settings.watershed else "",
        "MIN": str(settings.min_area_um2 / PIXEL_UM**2),
        "MAX": str(settings.max_area_um2 / PIXEL_UM**2),
    }
    macro = MACRO
    for word, value in words.items():
        macro = macro.replace(word, value)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, image in enumerate(patches):
            imsave(folder / f"{index}.png", image, check_contrast=False)
        (folder / "speed.ijm").write_text(macro)
        java = ["java", "-cp", str(JAR), "ij.ImageJ", "-batch", str(folder / "speed.ijm"), str(folder)]
        subprocess.run(["xvfb-run", "-a", *java], check=True, capture_output=True, timeout=300)
        milliseconds, nuclei = (folder / "out.txt").read_text().split()
    return 1000 * len(patches) / float(milliseconds), int(nuclei)


def rate(work: Callable[[np.ndarray], object], patches: Sequence[np.ndarray]) -> float:
    """Patches a second, the best of some repeats."""
    work(patches[0])
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for image in patches:
            work(image)
        times.append(time.perf_counter() - start)
    return len(patches) / min(times)


if __name__ == "__main__":
    main()
