"""What one might do without a network and without a transfer function, and Richardson-Lucy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, laplace
from scipy.signal import fftconvolve

from tsva.acquisition.pair import Pair, floats, high_is_y1, y1_of
from tsva.optics.psf import pixel_psf
from tsva.restoration.baselines.one_by_one import Known, Restored
from tsva.restoration.baselines.plane import colours, noise_variance, padded_shape, radius_per_um, transformed
from tsva.settings.acquisition import OpticsSettings

ENERGY_SD_PX = 4.0
"""Width of the neighbourhood in which focus stacking compares the shots' detail: about a nucleus."""
DETAIL_SD_PX = 1.0
"""Detail finer than this is mostly noise, and doesn't vote."""
PSF_PX = 41
"""Edge of the point spread function; at 3.5 µm of defocus a point's image is 12 pixels wide."""


def sharper_shot(pair: Pair, known: Known) -> Restored:  # noqa: ARG001
    """Y1 as captured: nothing is done."""
    return Restored(y1_of(pair))


def sharper_shot_matched(pair: Pair, known: Known) -> Restored:  # noqa: ARG001
    """Y1 with each channel at the mean brightness of the ground truth.

    No method knows that brightness: what this gains over Y1 as captured is due to lamp or exposure, and a method that
    gains no more repairs brightness rather than focus.
    """
    image = y1_of(pair)
    if pair.target_means is None:
        raise ValueError("this pair has no ground truth whose brightness could be matched")
    means = image.mean(axis=(0, 1), dtype=np.float64)
    gain = np.where(means > 0, pair.target_means / 255 / np.where(means > 0, means, 1), 1)
    return Restored(np.clip(image * gain.astype(np.float32), 0, 1))


def noise_free_shot(pair: Pair, known: Known) -> Restored:  # noqa: ARG001
    """Y1 without its noise: a perfect denoiser that refocuses nothing; an oracle.

    Which shot is Y1 is chosen from the shots as captured, as for all methods.
    """
    if pair.noise_free is None:
        raise ValueError("this pair's shots without noise aren't known: only simulated slides have them")
    low, high = pair.noise_free
    return Restored(floats(high if high_is_y1(pair) else low))


def mean(pair: Pair, known: Known) -> Restored:  # noqa: ARG001
    """Mean of both shots: less noise, more blur."""
    return Restored((floats(pair.low) + floats(pair.high)) / 2)


def denoise(pair: Pair, known: Known) -> Restored:
    """Non-local means on the sharper shot: what denoising without any deblurring is worth.

    References
    ----------
    Buades, Coll & Morel (2005), CVPR 2, 60-65.
    """
    y1 = y1_of(pair)
    shape = padded_shape(*y1.shape[:2])
    radius = radius_per_um(shape, pair.optics.pixel_um)
    variance = noise_variance(transformed(y1 - y1.mean(axis=(0, 1))), radius, shape[0] * shape[1])
    sigma = float(np.sqrt(variance.mean()))
    return Restored(non_local_means(y1, sigma, known.settings.denoise_strength))


def non_local_means(image: np.ndarray, noise_sd: float, strength: float) -> np.ndarray:
    """(Y, X, C) in [0, 1]: an image without its noise.

    Parameters
    ----------
    image : (Y, X, C) float array
        In [0, 1], grey (C = 1) or colour.
    noise_sd : float
        Standard deviation of its noise.
    strength : float
        Width of the weights, in standard deviations of the noise.
    """
    from skimage.restoration import denoise_nl_means

    cleaned = denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=6,
        h=strength * noise_sd,
        sigma=noise_sd,
        fast_mode=True,
        channel_axis=-1,
    )
    # a grey image comes back without its axis of colours
    return np.clip(np.reshape(cleaned, image.shape), 0, 1)


def focus_stack(pair: Pair, known: Known) -> Restored:  # noqa: ARG001
    """Extended depth of field: everywhere the shot with more detail, as focus-stacking programs do.

    Notes
    -----
    Shots are weighed by the squared Laplacian of their smoothed grey, averaged over `ENERGY_SD_PX` (the sum-modified
    Laplacian's idea, Nayar & Nakagawa 1994); equal detail weighs equally.
    """
    shots = np.stack([floats(pair.low), floats(pair.high)])
    energy = np.stack(
        [
            gaussian_filter(laplace(gaussian_filter(shot.mean(axis=2), DETAIL_SD_PX)) ** 2, ENERGY_SD_PX)
            for shot in shots
        ]
    )
    # fourth powers: nearly a choice, without seams
    weights = energy**2 + 1e-24
    weights /= weights.sum(axis=0)
    return Restored((weights[..., None] * shots).sum(axis=0))


def richardson_lucy(pair: Pair, known: Known) -> Restored:
    """Richardson-Lucy deconvolution of the sharper shot with its true point spread function; an oracle.

    The result is the specimen, which is then seen through the in-focus point spread function, as the target is.

    References
    ----------
    Richardson (1972), JOSA 62, 55-59; Lucy (1974), Astronomical Journal 79, 745-754.
    """
    if pair.focal_offset_um is None:
        raise ValueError("this pair's offset isn't known, and Richardson-Lucy needs it")
    from skimage.restoration import richardson_lucy as deconvolve

    side = 1 if high_is_y1(pair) else -1
    y1 = floats(pair.high if side == 1 else pair.low)
    margin = PSF_PX // 2
    padded = np.pad(y1, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    blurred, focus = _psfs(pair.optics, round(pair.focal_offset_um + side * pair.delta_um, 2))
    restored = []
    for channel, colour in enumerate(colours(y1.shape[2])):
        specimen = deconvolve(padded[..., channel], blurred[colour], known.settings.richardson_lucy_iterations)
        seen = fftconvolve(specimen, focus[colour], mode="same")
        restored.append(seen[margin:-margin, margin:-margin])
    return Restored(np.clip(np.stack(restored, axis=2), 0, 1))


@lru_cache(maxsize=64)
def _psfs(optics: OpticsSettings, z_um: float) -> tuple[np.ndarray, np.ndarray]:
    """(3, PSF_PX, PSF_PX) of this defocus and of focus, each adding up to one."""
    both = pixel_psf(optics, np.array([z_um, 0.0]), PSF_PX).astype(np.float32)
    blurred, focus = both / both.sum(axis=(2, 3), keepdims=True)
    return blurred, focus
