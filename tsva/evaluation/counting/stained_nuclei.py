"""Nuclei by their stain (colour deconvolution, threshold, watershed on markers), and those of digital tissue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.color import hdx_from_rgb, hed_from_rgb
from skimage.filters import threshold_otsu
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from tsva.evaluation.counting.imagej import EIGHT, Particles, fill_holes, measured
from tsva.settings.evaluation import NucleiSettings

UNMIXING = {"h_e": hed_from_rgb, "h_dab": hdx_from_rgb}
"""Inverse stain vectors of Ruifrok and Johnston (2001), haematoxylin first."""
DENSITY_OF_UNIT = 6.0
"""scikit-image's unit of a stain in optical density, base ten: it takes the logarithm to base 1e-6."""


def haematoxylin(image: np.ndarray, stain: str) -> np.ndarray:
    """How much haematoxylin each pixel holds.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3; a grey image's optical density is all taken for haematoxylin.
    stain : str
        "h_e" (haematoxylin and eosin) or "h_dab" (haematoxylin and diaminobenzidine).

    Returns
    -------
    (Y, X) float32 array
        Optical density to base ten along haematoxylin's stain vector, not below 0. Brown and red take no part in it.

    References
    ----------
    Ruifrok & Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291.
    """
    # Black pixels count as one grey level, not as scikit-image's 1e-6, so that noise in the dark stays small.
    share = np.maximum(np.arange(256, dtype=np.float32) / 255, np.float32(1 / 255))
    if image.shape[-1] == 1:
        return (-np.log10(share))[image[..., 0]]
    # skimage.color.separate_stains, with logarithms of the 256 grey levels alone, and of one stain
    units = (np.log(share) / np.log(10.0**-DENSITY_OF_UNIT))[image] @ UNMIXING[stain][:, 0].astype(np.float32)
    density: np.ndarray = (np.maximum(units, 0) * DENSITY_OF_UNIT).astype(np.float32)
    return density


def find_nuclei(image: np.ndarray, settings: NucleiSettings, pixel_um: float) -> Particles:
    """Find nuclei and part those that touch.

    The mask is where smoothed haematoxylin exceeds Otsu's threshold, or `min_density` where that is higher: a patch
    with few or no nuclei has a threshold in its cytoplasm. Touching nuclei are parted where the depth inside the mask
    (distance to its edge) dips by more than `split_um` between two maxima.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.
    settings : NucleiSettings
        Lengths in micrometres.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Returns
    -------
    Particles
        Nuclei that the image's border cuts are included, with the part that is seen.
    """
    sigma_px = settings.smoothing_um / pixel_um
    density = ndimage.gaussian_filter(haematoxylin(image, settings.stain), sigma_px)
    mask = density > max(float(threshold_otsu(density)), settings.min_density)
    mask = fill_holes(mask)
    depth_um = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask) * pixel_um, sigma_px)
    labels = _parted(mask, depth_um, settings.split_um)
    area_um2 = np.bincount(labels.ravel()) * pixel_um**2
    keep = area_um2 >= settings.min_area_um2
    keep[0] = False
    return measured(np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels])


def _parted(mask: np.ndarray, depth_um: np.ndarray, split_um: float) -> np.ndarray:
    """Watershed from the maxima that protrude by `split_um` or more, (Y, X) int array.

    Labels meet without a line between them: scikit-image's own line with a mask and corners connected does not end.
    """
    # A background this low lets every region keep its highest maximum, however flat it is.
    ground = np.where(mask, depth_um, -split_um)
    lowered = np.where(mask, depth_um - split_um, -split_um)
    peaks = local_maxima(_reconstructed(lowered, ground, mask), connectivity=2)
    markers, _ = ndimage.label(peaks & mask, EIGHT)
    labels: np.ndarray = watershed(-depth_um, markers, mask=mask)
    return labels


def _reconstructed(lowered: np.ndarray, ground: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Reconstruction by dilation, (Y, X), of regions of the mask with several maxima alone: it sorts pixels.

    Outside the mask `lowered` and `ground` are equal and below all else, so that regions know nothing of each other. In
    a region with a single maximum, as most are, every pixel is reached from it along a path that never falls below that
    pixel: the reconstruction is the ground, cut off at the lowered maximum.
    """
    regions, count = ndimage.label(mask, EIGHT)
    maxima, number_of_maxima = ndimage.label(local_maxima(ground, connectivity=2) & mask, EIGHT)
    at_maximum = maxima > 0
    region_of = np.zeros(number_of_maxima + 1, int)
    region_of[maxima[at_maximum]] = regions[at_maximum]
    maxima_of = np.bincount(region_of[1:], minlength=count + 1)
    tops = np.full(count + 1, -np.inf)
    tops[regions[at_maximum]] = lowered[at_maximum]
    found = np.where(mask, np.minimum(ground, tops[regions]), lowered)
    boxes = ndimage.find_objects(regions)
    several = (np.flatnonzero(maxima_of[1:] != 1) + 1).tolist()
    for number, part in zip(several, _of_boxes(lowered, ground, [boxes[n - 1] for n in several]), strict=True):
        box = boxes[number - 1]
        own = regions[box] == number
        found[box][own] = part[own]
    return found


def _of_boxes(lowered: np.ndarray, ground: np.ndarray, boxes: Sequence[tuple[slice, ...]]) -> Iterator[np.ndarray]:
    """Reconstruction of each box, all in one call, which takes longer than its pixels do: one box below another, with a
    row between them that nothing passes."""
    if not boxes:
        return
    sizes = [ground[box].shape for box in boxes]
    ends = np.cumsum([height + 1 for height, _ in sizes])
    seeds = np.full((ends[-1], max(width for _, width in sizes)), -np.inf)
    limits = seeds.copy()
    places = [
        (slice(end - height - 1, end - 1), slice(width)) for end, (height, width) in zip(ends, sizes, strict=True)
    ]
    for place, box in zip(places, boxes, strict=True):
        seeds[place], limits[place] = lowered[box], ground[box]
    whole = reconstruction(seeds, limits)
    yield from (whole[place] for place in places)


@dataclass(frozen=True)
class TrueNuclei:
    """True nuclei of which a patch may show something.

    Attributes
    ----------
    centres_px : (N, 2) float array
        (y, x) in the patch; the middle of its upper left pixel is (0.5, 0.5).
    radius_px : (N,) float array
        Radius of a disk of the nucleus's area.
    inside : (N,) bool array
        The centre lies in the patch.
    """

    centres_px: np.ndarray
    radius_px: np.ndarray
    inside: np.ndarray


def nuclei_near(nuclei: pd.DataFrame, y_px: int, x_px: int, patch_px: int, pixel_um: float) -> TrueNuclei:
    """Nuclei whose centre lies in a patch, and those beside it that reach in.

    Parameters
    ----------
    nuclei : DataFrame
        `y_px`, `x_px` (camera pixels; the middle of the field's upper left pixel is (0, 0)) and `radius_um`.
    y_px, x_px : int
        The patch's upper left corner.
    patch_px : int
        Edge of the patch.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Returns
    -------
    TrueNuclei
        Each nucleus lies inside one patch of the grid at most.
    """
    centres_px = nuclei[["y_px", "x_px"]].to_numpy(float) - (y_px, x_px) + 0.5
    radius_px = nuclei["radius_um"].to_numpy(float) / pixel_um
    inside = np.all((centres_px >= 0) & (centres_px < patch_px), axis=1)
    reach = radius_px[:, None]
    near = np.all((centres_px >= -reach) & (centres_px < patch_px + reach), axis=1)
    return TrueNuclei(centres_px[near], radius_px[near], inside[near])
