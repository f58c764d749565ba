"""Speed of counting, beside scikit-image doing the same steps in the same process. Prints one JSON object."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops_table

from tsva.count.imagej import count
from tsva.settings.count import CountSettings

PATCHES, SIZE_PX, PIXEL_UM = 100, 224, 0.345
REPEATS = 3


def main() -> None:
    """Time ImageJ's steps with and without watershed, and the peer."""
    patches = [stained(np.random.default_rng(index)) for index in range(PATCHES)]
    plain, parted = CountSettings(), CountSettings(watershed=True)
    ours = rate(lambda image: count(image, plain, PIXEL_UM), patches)
    theirs = rate(peer, patches)
    watershed = rate(lambda image: count(image, parted, PIXEL_UM), patches)
    print(json.dumps({
        "benchmark": "count",
        "patches": PATCHES,
        "size_px": SIZE_PX,
        "processes": 1,
        "patches_per_second": round(ours, 1),
        "peer": "scikit-image: rgb2gray, Otsu, fill holes, label, regionprops",
        "peer_patches_per_second": round(theirs, 1),
        "ratio_to_peer": round(ours / theirs, 2),
        "with_watershed_patches_per_second": round(watershed, 1),
    }))  # fmt: skip


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
