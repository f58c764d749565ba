"""ImageJ's automatic thresholds: from a histogram to the last grey value of the dark class."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tsva.settings.evaluation import ThresholdMethod

LEVELS = np.arange(256)


def threshold(counts: np.ndarray, method: ThresholdMethod) -> int:
    """Threshold of a histogram, as ImageJ's method of the same name finds it.

    Parameters
    ----------
    counts : (256,) int array
        Pixels at each grey value, at least one in all.
    method : str
        ImageJ's name in small letters, words joined by underscores.

    Returns
    -------
    int
        t: 0 … t is the dark class, t + 1 … 255 the light one. 0, where the method finds nothing. Two grey values are
        always parted, and of a single one nothing is dark. These two are not ImageJ's: its methods would take all of a
        single value, and count an empty image as one nucleus; of two values some take both, some none.

    Raises
    ------
    ValueError
        If the histogram is empty.
    """
    if counts.shape != (256,) or counts.sum() == 0:
        raise ValueError("a histogram of 256 values with at least one pixel is wanted")
    filled = np.flatnonzero(counts)
    if len(filled) <= 2:
        return int(filled[-1]) - 1
    return max(0, METHODS[method](counts.astype(float)))


def _default(counts: np.ndarray) -> int:
    """ImageJ's own: iterated intermeans with a towering mode clipped and the ends left out."""
    counts = counts.copy()
    mode = int(np.argmax(counts))
    second = np.delete(counts, mode).max()
    if counts[mode] > 2 * second > 0:
        counts[mode] = int(1.5 * second)
    counts[[0, 255]] = 0
    filled = np.flatnonzero(counts)
    if len(filled) < 2:
        return 128
    first, last = filled[0], filled[-1]
    weight, moment = np.cumsum(counts), np.cumsum(LEVELS * counts)
    split = np.arange(first, last)
    middle = (moment[split] / weight[split] + (moment[-1] - moment[split]) / (weight[-1] - weight[split])) / 2
    stop = (split + 2 > middle) | (split + 2 >= last)
    return _rounded(middle[np.argmax(stop)])


def _otsu(counts: np.ndarray) -> int:
    """Largest variance between the classes; the last of equals wins."""
    below, moment = np.cumsum(counts)[1:255], np.cumsum(LEVELS * counts)
    total = counts.sum()
    spread = below * (total - below)
    distance = below / total * moment[-1] - moment[1:255]
    between = np.divide(distance**2, spread, out=np.zeros(254), where=spread > 0)
    return 254 - int(np.argmax(between[::-1]))


def _isodata(counts: np.ndarray) -> int:
    """Ridler and Calvard: the first value that is the mean of the mean values on either side of it."""
    first = int(np.flatnonzero(counts[1:])[0]) + 1 if counts[1:].any() else 256
    weight, moment = np.cumsum(counts), np.cumsum(LEVELS * counts)
    for split in range(first + 1, 255):
        below, above = weight[split - 1], weight[255] - weight[split]
        if below > 0 and above > 0:
            dark = moment[split - 1] // below  # whole numbers in ImageJ
            light = (moment[255] - moment[split]) / above
            if split == _rounded((dark + light) / 2):
                return split
    return 0


def _li(counts: np.ndarray) -> int:
    """Li and Tam's iteration to minimum cross entropy."""
    weight, moment = np.cumsum(counts), np.cumsum(LEVELS * counts)
    estimate = float(moment[-1] / weight[-1])
    while True:
        split = int(estimate + 0.5)
        dark = moment[split] / weight[split] if weight[split] else 0.0
        above = weight[-1] - weight[split]
        light = (moment[-1] - moment[split]) / above if above else 0.0
        # The logarithmic mean is 0 where one of the means is.
        mean = (dark - light) / (math.log(dark) - math.log(light)) if dark > 0 and light > 0 else 0.0
        before, estimate = estimate, float(int(mean + 0.5))
        if abs(estimate - before) <= 0.5:
            return split


def _triangle(counts: np.ndarray) -> int:
    """Zack's: farthest below the line from the peak to the farther end of the histogram."""
    filled = np.flatnonzero(counts)
    low, high = max(filled[0] - 1, 0), min(filled[-1] + 1 if filled[-1] > 0 else 0, 255)
    peak = int(np.argmax(counts))
    turned = peak - low < high - peak
    if turned:
        counts, low, peak = counts[::-1], 255 - high, 255 - peak
    if low == peak:
        return int(low)
    length = math.hypot(counts[peak], low - peak)
    nx, ny = counts[peak] / length, (low - peak) / length
    between = np.arange(low + 1, peak + 1)
    distance = nx * between + ny * counts[between] - (nx * low + ny * counts[low])
    split = int(between[np.argmax(distance)]) - 1 if distance.max() > 0 else int(low) - 1
    return 255 - split if turned else split


def _huang(counts: np.ndarray) -> int:
    """Huang and Wang: least fuzziness."""
    filled = np.flatnonzero(counts)
    first, last = filled[0], filled[-1]
    if first == last:
        return 0
    weight, moment = np.cumsum(counts), np.cumsum(LEVELS * counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        dark = np.where(first <= LEVELS, moment / weight, 0)
        light = np.where(last > LEVELS, (moment[-1] - moment) / (weight[-1] - weight), 0)
    is_dark = LEVELS[None, :] <= LEVELS[:, None]
    mean = np.where(is_dark, dark[:, None], light[:, None])
    member = 1 / (1 + np.abs(LEVELS[None, :] - mean) / (last - first))
    inner = (member >= 1e-6) & (member <= 0.999999)
    safe = np.where(inner, member, 0.5)
    fuzzy = np.where(inner, -safe * np.log(safe) - (1 - safe) * np.log(1 - safe), 0)
    return int(np.argmin(fuzzy @ counts))


def _intermodes(counts: np.ndarray) -> int:
    """Prewitt and Mendelsohn: midway between the two peaks of the smoothed histogram."""
    filled = np.flatnonzero(counts)
    smooth = _bimodal(counts[filled[0] : filled[-1] + 1])
    return -1 if smooth is None else int(filled[0] + _peaks(smooth).sum() // 2)


def _minimum(counts: np.ndarray) -> int:
    """Prewitt and Mendelsohn: the valley between the two peaks of the smoothed histogram."""
    smooth = _bimodal(counts)
    if smooth is None:
        return -1
    return int(np.argmax((smooth[:-2] > smooth[1:-1]) & (smooth[2:] >= smooth[1:-1]))) + 1


def _bimodal(values: np.ndarray) -> np.ndarray | None:
    """Running means of three until two peaks are left, or None if that never happens."""
    for _ in range(10_001):
        if len(_peaks(values)) == 2:
            return values
        padded = np.pad(values, 1)
        values = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return None


def _peaks(values: np.ndarray) -> np.ndarray:
    return np.flatnonzero((values[:-2] < values[1:-1]) & (values[2:] < values[1:-1])) + 1


def _max_entropy(counts: np.ndarray) -> int:
    """Kapur, Sahoo and Wong: most entropy of both classes.

    Sums run in ImageJ's order, term by term, because the first of equals wins; and where the light class has a share of
    rounding error alone, ImageJ takes it for a class too.
    """
    filled = np.flatnonzero(counts)
    share, below = (counts / counts.sum())[filled], np.cumsum(counts / counts.sum())[filled]
    above = 1 - below
    is_dark = np.tri(len(filled), dtype=bool)
    entropy = np.zeros(len(filled))
    for members, whole in ((is_dark, below), (~is_dark, above)):
        part = np.where(members, share / np.where(whole == 0, 1, whole)[:, None], 1)
        entropy += np.cumsum(-part * np.log(part), axis=1)[:, -1]
    entropy[np.abs(above) < np.finfo(float).eps] = -np.inf
    return int(filled[np.argmax(entropy)]) if entropy.max() > 0 else -1


def _mean(counts: np.ndarray) -> int:
    """The mean grey value."""
    return math.floor((LEVELS * counts).sum() / counts.sum())


def _moments(counts: np.ndarray) -> int:
    """Tsai: two classes with the image's first three moments."""
    share = counts / counts.sum()
    m1, m2, m3 = (float((LEVELS.astype(float) ** power * share).sum()) for power in (1, 2, 3))
    variance = m2 - m1 * m1
    if variance <= 0:
        return -1
    c0, c1 = (m1 * m3 - m2 * m2) / variance, (m1 * m2 - m3) / variance
    root = math.sqrt(c1 * c1 - 4 * c0)
    dark_share = ((root - c1) / 2 - m1) / root
    above = np.cumsum(share) > dark_share
    return int(np.argmax(above)) if above.any() else -1


def _percentile(counts: np.ndarray) -> int:
    """Half of the pixels are dark."""
    return int(np.argmin(np.abs(np.cumsum(counts) / counts.sum() - 0.5)))


def _yen(counts: np.ndarray) -> int:
    """Yen, Chang and Chang: most correlation."""
    share = counts / counts.sum()
    below, square = np.cumsum(share), np.cumsum(share**2)
    squares, balance = square * np.append(np.cumsum(share[:0:-1] ** 2)[::-1], 0), below * (1 - below)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = 2 * np.where(balance > 0, np.log(balance), 0) - np.where(squares > 0, np.log(squares), 0)
    return int(np.argmax(gain)) if gain.max() > 0 else -1


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


METHODS: dict[ThresholdMethod, Callable[[np.ndarray], int]] = {
    "default": _default,
    "otsu": _otsu,
    "isodata": _isodata,
    "li": _li,
    "triangle": _triangle,
    "huang": _huang,
    "intermodes": _intermodes,
    "max_entropy": _max_entropy,
    "mean": _mean,
    "minimum": _minimum,
    "moments": _moments,
    "percentile": _percentile,
    "yen": _yen,
}
