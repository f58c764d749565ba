"""The kernel of a blurred grey image over all scales, from strong gradients of the latent image."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from tsva.restoration.baselines.dark_channel.latent import latent_image
from tsva.restoration.baselines.dark_channel.padding import wrap_shape, wrapped
from tsva.restoration.baselines.kernels import (
    centred_by_mass,
    conjugate_gradient,
    cut,
    kernel_of,
    normalised,
    otf_of,
    resized,
    without_specks,
)

BIN = 6e-5
"""Step between the squared gradients that are tried as threshold; the largest is 2."""
PIXELS_PER_KERNEL_PIXEL = 20
LEAST_PIXELS = 10
"""Pixels that each orientation keeps: the first times the kernel's edge, but at least the second."""
KERNEL_WEIGHT = 2.0
"""γ of the kernel's energy."""
KERNEL_ITERATIONS = 20
TOLERANCE = 1e-5
LEAST_SHARE = 0.05
"""Kernel values below this share of the maximum are noise."""


def differences(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of each pixel but the first ones to its left and upper neighbour, each (Y - 1, X - 1)."""
    inner = image[1:, 1:]
    return inner - image[1:, :-1], inner - image[:-1, 1:]


def first_threshold(image: np.ndarray, kernel_px: int) -> float:
    """Largest squared gradient that leaves enough pixels of each orientation.

    Parameters
    ----------
    image : (Y, X) float array
        In [0, 1].
    kernel_px : int
        Edge of the kernel.

    Returns
    -------
    float
        A multiple of `BIN`; zero where some orientation has too few pixels whatever the threshold.

    References
    ----------
    Cho & Lee (2009), Fast motion deblurring, ACM TOG 28, section 4.2.
    """
    x, y = differences(image)
    strength = x**2 + y**2
    wanted = max(PIXELS_PER_KERNEL_PIXEL * kernel_px, LEAST_PIXELS)
    product, lead = x * y, np.abs(y) - np.abs(x)
    # [0°, 45°), [45°, 90°), [90°, 135°), [135°, 180°); a gradient and its opposite are one orientation
    octants = (
        (product >= 0) & (lead < 0),
        (product > 0) & (lead >= 0),
        (product <= 0) & (lead > 0),
        (product < 0) & (lead <= 0),
    )
    reached = 2.0
    for octant in octants:
        values = strength[octant]
        if values.size < wanted:
            return 0.0
        reached = min(reached, np.partition(values, -wanted)[-wanted])
    return BIN * np.floor(reached / BIN)


def strong_gradients(image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, float]:
    """(Y, X) gradients along x and y, zero where their squares are below a threshold; and the threshold that left any.

    A threshold that nothing reaches is lowered by factors of 0.81, nine tenths of the gradient.
    """
    x, y = differences(image)
    strength = x**2 + y**2
    while 0 < strength.max() < threshold:
        threshold *= 0.81
    weak = strength < threshold
    x[weak] = 0
    y[weak] = 0
    return x, y, threshold


def kernel_step(
    blurred: tuple[np.ndarray, np.ndarray], latent: tuple[np.ndarray, np.ndarray], kernel_px: int
) -> np.ndarray:
    """Minimise Σ |∇B - k∗∇I|² + γ |k|² over k, then cut what is weak.

    Parameters
    ----------
    blurred, latent : (float array, float array)
        Gradients along x and y of blurred and latent image, all of one shape, taken as periodic.
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    (kernel_px, kernel_px) float array
        Not negative, sum one.

    References
    ----------
    Pan et al. (2016), eq. 16, for gradients.
    """
    shape, size = (blurred[0].shape[0], blurred[0].shape[1]), (kernel_px, kernel_px)
    spectra = [fft.rfft2(values) for values in latent]
    power = np.abs(spectra[0]) ** 2 + np.abs(spectra[1]) ** 2
    right = spectra[0].conj() * fft.rfft2(blurred[0]) + spectra[1].conj() * fft.rfft2(blurred[1])
    kernel = conjugate_gradient(
        lambda k: kernel_of(power * otf_of(k, shape), shape, size) + KERNEL_WEIGHT * k,
        kernel_of(right, shape, size),
        np.full(size, 1 / kernel_px**2),
        KERNEL_ITERATIONS,
        tolerance=TOLERANCE,
    )
    return cut(kernel, LEAST_SHARE)


RATIO = np.sqrt(0.5)
"""Edge of a scale as a share of the next finer one's."""
COARSEST_KERNEL_PX = 5
"""The coarsest kernel is the last that is not smaller than this before rounding."""


def ratios(kernel_px: int) -> list[float]:
    """Edges of all scales as shares of the full one, coarsest first."""
    count = max(int(np.floor(np.log(COARSEST_KERNEL_PX / kernel_px) / np.log(RATIO))), 0) + 1
    return [float(RATIO**step) for step in reversed(range(count))]


def kernel_edge(kernel_px: int, ratio: float) -> int:
    """Edge of a scale's kernel, rounded up to an odd number."""
    edge = int(np.ceil(kernel_px * ratio))
    return edge + (edge % 2 == 0)


def first_kernel(kernel_px: int) -> np.ndarray:
    """Two neighbours of 0.5 next to the middle: neither a point (which would stay one) nor centred by chance."""
    kernel = np.zeros((kernel_px, kernel_px))
    corner = (kernel_px - 3) // 2
    kernel[corner, corner : corner + 2] = 0.5
    return kernel


def shrunk(image: np.ndarray, ratio: float) -> np.ndarray:
    """Image at a coarser scale.

    Parameters
    ----------
    image : (Y, X) float array
    ratio : float
        Edge as a share of the present one; 1 gives the image itself.

    Returns
    -------
    (Y', X') float array
        Smoothed by a Gaussian of standard deviation 0.5 / ratio pixels, cut where a twentieth lies beyond on either
        side, and sampled linearly every 1 / ratio pixels, where the whole Gaussian lies within the image.
        Its weights are not normalised again after the cut, as in the authors' code: coarse images are 2 to 18 % darker.

    Raises
    ------
    ValueError
        If the image is smaller than the Gaussian.

    References
    ----------
    Levin et al. (2011), Efficient marginal likelihood optimization in blind deconvolution, CVPR, whose pyramid the
    method uses.
    """
    if ratio == 1:
        return image
    offsets = np.arange(-50, 51)
    weights = np.exp(-2 * (ratio * offsets) ** 2)
    weights /= weights.sum()
    beyond = np.cumsum(weights)
    weights = weights[np.minimum(beyond, beyond[::-1]) > 0.05]
    half = len(weights) // 2
    if min(image.shape) <= 2 * half:
        raise ValueError(f"image of {image.shape} pixels is smaller than the {len(weights)} pixels of the Gaussian")
    for axis in (0, 1):
        image = ndimage.correlate1d(image, weights, axis, mode="nearest")
        image = np.moveaxis(np.moveaxis(image, axis, 0)[half : image.shape[axis] - half], 0, axis)
        image = _sampled(image, ratio, axis)
    return image


def _sampled(image: np.ndarray, ratio: float, axis: int) -> np.ndarray:
    """Linear samples every 1 / ratio pixels from the first one on."""
    values = np.moveaxis(image, axis, 0)
    places = np.arange(int(np.floor((len(values) - 1) * ratio + 1e-9)) + 1) / ratio
    left = np.minimum(places.astype(int), max(len(values) - 2, 0))
    share = (places - left)[:, None]
    return np.moveaxis((1 - share) * values[left] + share * values[np.minimum(left + 1, len(values) - 1)], 0, axis)


def grown(kernel: np.ndarray, kernel_px: int) -> np.ndarray:
    """Kernel of a scale as the next finer one's start.

    Parameters
    ----------
    kernel : (K, K) float array
    kernel_px : int
        Edge of the result.

    Returns
    -------
    (kernel_px, kernel_px) float array
        Not negative, sum one. Rows and columns that are too many are taken, one by one, from the side with less in it;
        missing ones are added there.
    """
    edge = int(np.ceil(kernel.shape[0] / RATIO - 1e-9))
    kernel = np.maximum(resized(kernel, (edge, edge), scale=1 / RATIO), 0)
    for axis in (0, 1):
        kernel = _fitted(kernel, kernel_px, axis)
    return normalised(kernel)


def _fitted(kernel: np.ndarray, edge: int, axis: int) -> np.ndarray:
    lines = np.moveaxis(kernel, axis, 0)
    while len(lines) != edge:
        first_is_less = lines[0].sum() < lines[-1].sum()
        if len(lines) > edge:
            lines = lines[1:] if first_is_less else lines[:-1]
        else:
            lines = np.pad(lines, ((0, 1) if first_is_less else (1, 0), (0, 0)))
    return np.moveaxis(lines, 0, axis)


DARK_WEIGHT = 4e-3
"""λ, of the number of nonzero pixels of the dark channel, in the first iteration."""
GRADIENT_WEIGHT = 4e-3
"""μ, of the number of pixels with a gradient, in the first iteration."""
DECAY = 1.1
"""By this weights and gradient threshold are divided after every iteration."""
SMALLEST_WEIGHT = 1e-4
ROUNDS = 5
"""At each scale."""
LEAST_SUM = 0.1
"""Separate pieces of the kernel with less than this sum are noise."""


def blind_kernel(blurred: np.ndarray, kernel_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and latent image of a blurred one.

    Parameters
    ----------
    blurred : (Y, X) float array
        Grey, in [0, 1].
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    kernel : (kernel_px, kernel_px) float array
        Not negative, sum one, its centre of mass within about half a pixel of the middle.
    latent : (Y, X) float array
        The last latent image: piecewise flat, made for the kernel's sake.

    References
    ----------
    Pan et al. (2016), Blind image deblurring using dark channel prior, CVPR, algorithms 1 and 2.
    """
    weights = DARK_WEIGHT, GRADIENT_WEIGHT
    kernel: np.ndarray | None = None
    threshold = 0.0
    for ratio in ratios(kernel_px):
        image, edge = shrunk(blurred, ratio), kernel_edge(kernel_px, ratio)
        if kernel is None:
            kernel, threshold = first_kernel(edge), first_threshold(image, edge)
        else:
            kernel = grown(kernel, edge)
        kernel, latent, weights = _at_one_scale(image, kernel, threshold, weights)
        kernel = normalised(centred_by_mass(kernel))
    assert kernel is not None
    return cut(kernel, LEAST_SHARE), latent


def _at_one_scale(
    blurred: np.ndarray, kernel: np.ndarray, threshold: float, weights: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Latent image and kernel in turn; also the weights for the next scale."""
    (height, width), edge = blurred.shape, kernel.shape[0]
    periodic, goal = wrapped(blurred, wrap_shape(blurred, kernel)), differences(blurred)
    for _ in range(ROUNDS):
        latent = latent_image(periodic, kernel, *weights)[:height, :width]
        x, y, threshold = strong_gradients(latent, threshold)
        threshold /= DECAY
        kernel = normalised(without_specks(kernel_step(goal, (x, y), edge), LEAST_SUM))
        weights = max(weights[0] / DECAY, SMALLEST_WEIGHT), max(weights[1] / DECAY, SMALLEST_WEIGHT)
    return kernel, latent, weights
