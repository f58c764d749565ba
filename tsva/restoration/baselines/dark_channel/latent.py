"""The latent image for a given kernel: sparse dark channel (minima over windows) and sparse gradients (L0)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from tsva.restoration.baselines.kernels import otf_of

WINDOW_PX = 35
"""Edge of the windows, odd."""


class DarkChannel(NamedTuple):
    """Minimum over the window around each pixel, and where it lies.

    Attributes
    ----------
    value : (Y, X) float array
        The minimum.
    row, column : (Y, X) int arrays
        Its place in the image padded by half a window with copies of its border: of equal minima the one in the first
        column, and there in the first row.
    window_px : int
        Edge of the window.
    """

    value: np.ndarray
    row: np.ndarray
    column: np.ndarray
    window_px: int


def dark_channel(image: np.ndarray, window_px: int = WINDOW_PX) -> DarkChannel:
    """Dark channel of a (Y, X) image for windows with an odd edge.

    References
    ----------
    Pan et al. (2016), CVPR, eq. 3, for one channel.
    """
    padded = np.pad(image, window_px // 2, mode="edge")
    # Ranks, with ties in the order of columns, are all different: their minimum gives place and value at once.
    order = _stable_order(padded.T.ravel())
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    lowest = rank.reshape(padded.T.shape)
    for axis in (0, 1):
        lowest = _window_minimum(lowest, window_px, axis)
    column, row = np.divmod(order[np.ascontiguousarray(lowest.T)], padded.shape[0])
    return DarkChannel(padded[row, column], row, column, window_px)


def _stable_order(values: np.ndarray) -> np.ndarray:
    """Stable argsort, several times faster than NumPy's: sorted in any order of ties, then the ties by place."""
    order = np.argsort(values)
    rising = values[order]
    group = np.concatenate(([0], np.cumsum(rising[1:] != rising[:-1])))
    return np.sort(group * values.size + order) % values.size


def _window_minimum(values: np.ndarray, window: int, axis: int) -> np.ndarray:
    """Minimum over each whole window along an axis: shorter than the input by window - 1."""
    values = np.moveaxis(values, axis, 0)
    count, span = len(values) - window + 1, 1
    while 2 * span <= window:
        values = np.minimum(values[:-span], values[span:])
        span *= 2
    return np.moveaxis(np.minimum(values[:count], values[window - span :][:count]), 0, axis)


def sparse(darkest: np.ndarray, threshold: float) -> np.ndarray:
    """Solution u of min (u - darkest)² + threshold |u|_0: the dark channel where its square reaches the threshold."""
    return np.where(darkest**2 >= threshold, darkest, 0)


def darkened(image: np.ndarray, dark: DarkChannel, threshold: float) -> np.ndarray:
    """Image into which the sparse dark channel is written back.

    Window after window in raster order: where the smallest value that the window holds by then differs from the
    sparse dark channel, the pixel that was the window's minimum at first gets the sparse value.

    Parameters
    ----------
    image : (Y, X) float array
    dark : DarkChannel
        Of the image.
    threshold : float
        See `sparse`.

    Returns
    -------
    (Y, X) float array
        Within half a window of the border the image as it was.

    Notes
    -----
    A pixel is the minimum of all its windows with the same value, so what it gets is what it holds or zero. And zero is
    the minimum of a window that was positive as soon as there is one in it, which spares it any further write. So
    a pixel that is set to zero settles all such windows around it at once, and the loop is over the few pixels that
    change instead of over all windows.
    """
    half = dark.window_px // 2
    padded = np.pad(image, half, mode="edge")
    rewritten = sparse(dark.value, threshold)
    pending = rewritten != dark.value
    positive = dark.value > 0
    flat = pending.reshape(-1)
    position = 0
    while position < flat.size:
        position += int(flat[position:].argmax())
        if not flat[position]:
            break
        row, column = (int(index.flat[position]) for index in (dark.row, dark.column))
        padded[row, column] = 0
        # the windows around the pixel: window (y, x) starts at (y, x) of the padded image
        around = (slice(max(row - 2 * half, 0), row + 1), slice(max(column - 2 * half, 0), column + 1))
        settled = positive[around] | ((dark.row[around] == row) & (dark.column[around] == column))
        pending[around] &= ~settled
    result = image.copy()
    inner = (slice(half, image.shape[0] - half), slice(half, image.shape[1] - half))
    if min(image.shape) > 2 * half:
        result[inner] = padded[half:-half, half:-half][inner]
    return result


LARGEST_GRADIENT_COUPLING = 1e5
"""Half-quadratic coupling β at which gradients and image count as agreed."""


def gradient_power(shape: tuple[int, int]) -> np.ndarray:
    """|F(∂x)|² + |F(∂y)|² of periodic forward differences, in the layout of `scipy.fft.rfft2`."""
    rows, columns = shape
    along_y = 2 - 2 * np.cos(2 * np.pi * np.arange(rows) / rows)
    along_x = 2 - 2 * np.cos(2 * np.pi * np.arange(columns // 2 + 1) / columns)
    return np.add.outer(along_y, along_x)


def gradients(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Put the periodic forward differences of an image into x and y, all (Y, X)."""
    np.subtract(image[:, 1:], image[:, :-1], out=x[:, :-1])
    np.subtract(image[:, 0], image[:, -1], out=x[:, -1])
    np.subtract(image[1:], image[:-1], out=y[:-1])
    np.subtract(image[0], image[-1], out=y[-1])


def minus_divergence(x: np.ndarray, y: np.ndarray, result: np.ndarray) -> None:
    """Put the transpose of `gradients`, applied to x and y, into the result, all (Y, X)."""
    np.subtract(x[:, :-1], x[:, 1:], out=result[:, 1:])
    np.subtract(x[:, -1], x[:, 0], out=result[:, 0])
    result[1:] += y[:-1]
    result[1:] -= y[1:]
    result[0] += y[-1]
    result[0] -= y[0]


def with_few_gradients(
    start: np.ndarray, data: np.ndarray, data_power: np.ndarray, power: np.ndarray, weight: float
) -> np.ndarray:
    """Minimise a quadratic data term plus weight × number of pixels with a gradient, by half-quadratic splitting.

    Parameters
    ----------
    start : (Y, X) float array
        Image whose gradients are thresholded first; not changed.
    data, data_power : (Y, X // 2 + 1) complex and float arrays
        Right-hand side and diagonal of the data term's normal equations, in the layout of `scipy.fft.rfft2`.
    power : (Y, X // 2 + 1) float array
        `gradient_power`.
    weight : float
        μ of the prior.

    Returns
    -------
    (Y, X) float array

    Notes
    -----
    β = 2μ, doubled while below `LARGEST_GRADIENT_COUPLING`: gradients with square below μ/β are set to zero, then the
    image is solved for in Fourier space. Nearly all time of the method is spent here, hence the arrays that are used
    again.

    References
    ----------
    Xu et al. (2011), Image smoothing via L0 gradient minimization, ACM TOG 30; Pan et al. (2016), section 4.1.
    """
    image, coupling = start, 2 * weight
    x, y, square, work = np.empty((4, *start.shape))
    # real and imaginary parts side by side: dividing by real numbers is faster than by complex ones
    data_power, power = np.repeat(data_power, 2, axis=1), np.repeat(power, 2, axis=1)
    denominator = np.empty_like(power)
    while coupling < LARGEST_GRADIENT_COUPLING:
        gradients(image, x, y)
        np.multiply(x, x, out=square)
        square += np.multiply(y, y, out=work)
        kept = np.greater_equal(square, weight / coupling, out=work)
        x *= kept
        y *= kept
        minus_divergence(x, y, work)
        spectrum = fft.rfft2(work)
        spectrum *= coupling
        spectrum += data
        parts = spectrum.view(float)
        parts /= np.add(np.multiply(power, coupling, out=denominator), data_power, out=denominator)
        image = fft.irfft2(spectrum, start.shape, overwrite_x=True)
        coupling *= 2
    return image


LARGEST_COUPLING = 8.0
"""Half-quadratic coupling m at which image and dark channel count as agreed."""


def otsu_level(image: np.ndarray) -> float:
    """Threshold in [0, 1] between the two classes of an image's 8-bit histogram that are farthest apart.

    Parameters
    ----------
    image : float array
        Clipped to [0, 1].

    Returns
    -------
    float
        The upper edge of the lower class; the mean of all thresholds that separate equally well.

    References
    ----------
    Otsu (1979), IEEE Trans. SMC 9, 62-66.
    """
    counts = np.bincount(np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(int).ravel(), minlength=256)
    share = counts / counts.sum()
    below = np.cumsum(share)[:-1]
    first = np.cumsum(share * np.arange(256))
    mean, first = first[-1], first[:-1]
    both = below * (1 - below)
    between = np.divide((mean * below - first) ** 2, both, out=np.zeros(255), where=both > 0)
    return float(np.flatnonzero(between == between.max()).mean() / 255)


def latent_image(blurred: np.ndarray, kernel: np.ndarray, dark_weight: float, gradient_weight: float) -> np.ndarray:
    """Minimise |B - I∗k|² + λ |D(I)|_0 + μ |∇I|_0 over I.

    Parameters
    ----------
    blurred : (Y, X) float array
        B, in [0, 1], taken as periodic.
    kernel : (KY, KX) float array
        k, of sum one.
    dark_weight, gradient_weight : float
        λ and μ.

    Returns
    -------
    (Y, X) float array
        Not clipped.

    References
    ----------
    Pan et al. (2016), eqs. 8 to 14.
    """
    shape = (blurred.shape[0], blurred.shape[1])
    otf, power = otf_of(kernel, shape), gradient_power(shape)
    data, data_power = otf.conj() * fft.rfft2(blurred), np.abs(otf) ** 2
    # an almost black image has no level of its own; one grey level starts the coupling where it can still act
    coupling = dark_weight / max(otsu_level(blurred**2), 1 / 255)
    image = blurred
    while coupling < LARGEST_COUPLING:
        goal = darkened(image, dark_channel(image), dark_weight / coupling)
        image = with_few_gradients(
            image, data + coupling * fft.rfft2(goal), data_power + coupling, power, gradient_weight
        )
        coupling *= 2
    return image
