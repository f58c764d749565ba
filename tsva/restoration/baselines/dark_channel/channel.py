"""The dark channel: minima over windows, their sparsity, and how they are put back into the image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
    # Ranks, with ties in the order of columns, are all different: their minimum tells place and value at once.
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
