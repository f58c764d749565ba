"""Padding that makes an image periodic without a seam, so that it can be deblurred in Fourier space."""

from __future__ import annotations

import numpy as np
from scipy import fft


def fft_size(least: int) -> int:
    """Smallest size not below `least` whose transform is fast: 2^a 3^b 5^c 7^d, times at most one 11 or 13."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest in (1, 11, 13):
            return size
        size += 1


def wrap_shape(image: np.ndarray, kernel: np.ndarray) -> tuple[int, int]:
    """Height and width on which a (Y, X) image is deblurred with a kernel: fast, and no pixel sees both of its ends."""
    height, width = (fft_size(size + edge - 1) for size, edge in zip(image.shape, kernel.shape, strict=True))
    return height, width


def wrapped(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Image with a harmonic transition below and to the right that leads back to its first row and column.

    Parameters
    ----------
    image : (H, W) float array
        At least two pixels both ways.
    shape : (int, int)
        Y and X of the result; H or W, or at least two more (one row can't hold both ends of a transition).

    Returns
    -------
    (Y, X) float array
        The image in the upper left corner; the rest within the range of the image.

    Raises
    ------
    ValueError
        If `shape` is smaller than the image or just one pixel larger.

    Notes
    -----
    Each of the three strips (below, right, corner) solves Laplace's equation between its neighbours; where two sides of
    a strip have no neighbour yet, they run linearly. As in the code that the deblurring methods come with, the strip
    below starts with the image's last row once more.

    References
    ----------
    Liu & Jia (2008), Reducing boundary artifacts in image deconvolution, ICIP.
    """
    height, width = image.shape
    rows, columns = shape[0] - height, shape[1] - width
    if min(rows, columns) < 0 or 1 in (rows, columns):
        raise ValueError(f"wanted {shape} pixels around an image of {image.shape}; each side by none or at least two")
    result = np.empty(shape)
    result[:height, :width] = image
    below = _strip(image[-1], image[0], rows)
    right = _strip(image[:, -1], image[:, 0], columns).T
    corner = np.empty((rows + 2, columns + 2))
    corner[0, :], corner[-1, :] = right[-1, :], right[0, :]
    corner[:, 0], corner[:, -1] = below[:, -1], below[:, 0]
    result[height:, :width] = below[:rows]
    result[:height, width:] = right[:, 1:-1]
    result[height:, width:] = harmonic(corner)[1:-1, 1:-1]
    return result


def _strip(first: np.ndarray, last: np.ndarray, rows: int) -> np.ndarray:
    """Transition of `rows` rows from `first` to `last`, with both of them: (rows + 2, W)."""
    strip = np.empty((rows + 2, len(first)))
    strip[0], strip[-1] = first, last
    along = np.linspace(0, 1, rows)
    for column in (0, -1):
        strip[1:-1, column] = (1 - along) * first[column] + along * last[column]
    return harmonic(strip)


def harmonic(frame: np.ndarray) -> np.ndarray:
    """Solution of the discrete Laplace equation inside a frame.

    Parameters
    ----------
    frame : (Y, X) float array
        Boundary values in its outermost pixels; the others are not looked at.

    Returns
    -------
    (Y, X) float array
        Each inner pixel is the mean of its four neighbours.
    """
    result = frame.copy()
    rows, columns = frame.shape[0] - 2, frame.shape[1] - 2
    if rows < 1 or columns < 1:
        return result
    source = np.zeros((rows, columns))
    source[0] += frame[0, 1:-1]
    source[-1] += frame[-1, 1:-1]
    source[:, 0] += frame[1:-1, 0]
    source[:, -1] += frame[1:-1, -1]
    # sines vanish on the frame and are eigenvectors of the Laplacian
    values = [2 - 2 * np.cos(np.pi * np.arange(1, size + 1) / (size + 1)) for size in (rows, columns)]
    waves = fft.dstn(source, type=1) / np.add.outer(*values)
    result[1:-1, 1:-1] = fft.idstn(waves, type=1)
    return result
