"""Blur kernels: as transfer functions, centred, cleaned; tapered images; the solver of linear systems.

The middle of a kernel is pixel size // 2 of each axis.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import fft, ndimage


def otf_of(kernel: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Transfer function of a kernel on a periodic image.

    Parameters
    ----------
    kernel : (KY, KX) float array
        No larger than the image.
    shape : (int, int)
        Y and X of the image.

    Returns
    -------
    (Y, X // 2 + 1) complex array
        The left half of what MATLAB's psf2otf gives, the layout of `scipy.fft.rfft2`; the other half is its conjugate.

    Raises
    ------
    ValueError
        If the kernel is larger than the image.
    """
    if kernel.shape[0] > shape[0] or kernel.shape[1] > shape[1]:
        raise ValueError(f"kernel of {kernel.shape} pixels on an image of {shape}")
    padded = np.zeros(shape)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return fft.rfft2(np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1)))


def kernel_of(otf: np.ndarray, shape: tuple[int, int], kernel_shape: tuple[int, int]) -> np.ndarray:
    """Middle part of the point spread function whose transfer function is given: the inverse of `otf_of`.

    Parameters
    ----------
    otf : (Y, X // 2 + 1) complex array
        Layout of `scipy.fft.rfft2`.
    shape : (int, int)
        Y and X of the image; the layout does not show whether X is odd.
    kernel_shape : (int, int)
        KY and KX.

    Returns
    -------
    (KY, KX) float array
    """
    whole = fft.irfft2(otf, shape)
    rows, columns = (np.arange(size) - size // 2 for size in kernel_shape)
    return whole[np.ix_(rows, columns)]


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Circular convolution of a (Y, X) image."""
    shape = (image.shape[0], image.shape[1])
    return fft.irfft2(fft.rfft2(image) * otf_of(kernel, shape), shape)


def normalised(kernel: np.ndarray) -> np.ndarray:
    """(K, K) kernel of sum one; one pixel in the middle where nothing positive is left to normalise."""
    total = kernel.sum()
    if np.isfinite(total) and total > 0:
        return kernel / total
    delta = np.zeros(kernel.shape)
    delta[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
    return delta


def cut(kernel: np.ndarray, share: float) -> np.ndarray:
    """(K, K) kernel of sum one without negative values and what lies below a share of its maximum."""
    return normalised(np.where(kernel < share * kernel.max(), 0, np.maximum(kernel, 0)))


def without_specks(kernel: np.ndarray, least_sum: float) -> np.ndarray:
    """(K, K) kernel without its 8-connected components whose sum is below `least_sum`; not normalised."""
    labels, count = ndimage.label(kernel > 0, np.ones((3, 3)))
    sums = ndimage.sum_labels(kernel, labels, np.arange(count + 1))
    kept = sums >= least_sum
    kept[0] = False
    return np.where(kept[labels], kernel, 0)


def moved(kernel: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(K, K) kernel moved by whole pixels (down and right where positive); what leaves is lost, zeros come in."""
    result = np.zeros_like(kernel)
    height, width = kernel.shape
    target = (slice(max(rows, 0), height + min(rows, 0)), slice(max(columns, 0), width + min(columns, 0)))
    source = (slice(max(-rows, 0), height + min(-rows, 0)), slice(max(-columns, 0), width + min(-columns, 0)))
    result[target] = kernel[source]
    return result


def centred_by_mass(kernel: np.ndarray) -> np.ndarray:
    """(K, K) kernel moved by whole pixels such that its centre of mass lies within half a pixel of the middle.

    Parameters
    ----------
    kernel : (KY, KX) float array
        Not negative; with a positive sum.

    Returns
    -------
    (KY, KX) float array
        Not normalised again.
    """
    shifts = []
    for axis, size in enumerate(kernel.shape):
        mean = np.arange(size) @ kernel.sum(axis=1 - axis) / kernel.sum()
        shifts.append(int(np.floor((size - 1) / 2 - mean + 0.5)))
    return moved(kernel, shifts[0], shifts[1])


def centred_by_support(kernel: np.ndarray) -> np.ndarray:
    """(K, K) kernel moved by whole pixels such that the box around its nonzero pixels is in the middle.

    Boxes that can't lie exactly in the middle come half a pixel to the right or below, for kernels of odd size.
    """
    shifts = []
    for axis, size in enumerate(kernel.shape):
        inside = np.flatnonzero(kernel.any(axis=1 - axis))
        if inside.size == 0:
            return kernel.copy()
        shifts.append((size - (inside[-1] - inside[0])) // 2 - inside[0])
    return moved(kernel, int(shifts[0]), int(shifts[1]))


def edge_tapered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Image whose borders blend into its own periodic blur, so that deconvolution in Fourier space rings less.

    Parameters
    ----------
    image : (Y, X) float array
    kernel : (KY, KX) float array
        Sum one.

    Returns
    -------
    (Y, X) float array
        Unchanged farther from the borders than the kernel is wide; within the range of the input.

    Notes
    -----
    The weight of the image is (1 - a)(1 - b), a and b the autocorrelations of the kernel's projections over rows and
    columns, periodic such that first and last row (column) have the same weight: MATLAB's edgetaper.
    """
    weights = []
    for axis, size in enumerate(image.shape):
        projection = kernel.sum(axis=1 - axis)
        correlation = fft.irfft(np.abs(fft.rfft(projection, size - 1)) ** 2, size - 1)
        weights.append(1 - np.append(correlation, correlation[0]) / correlation.max())
    weight = np.multiply.outer(weights[0], weights[1])
    tapered = weight * image + (1 - weight) * convolved(image, kernel)
    return np.clip(tapered, image.min(), image.max())


def resized(image: np.ndarray, shape: tuple[int, int], *, cubic: bool = True, scale: float | None = None) -> np.ndarray:
    """Image of another size, antialiased where it shrinks: MATLAB's imresize with an output size, or with a scale.

    Parameters
    ----------
    image : (Y, X) float array
    shape : (int, int)
        Y and X of the result.
    cubic : bool
        Keys' cubic kernel (a = -1/2), which may overshoot; else linear.
    scale : float or None
        New pixels per old pixel where that is not the quotient of the sizes; the upper left corners of both images
        coincide.

    Returns
    -------
    (Y, X) float array
    """
    down, across = (
        _resampling(old, new, cubic, new / old if scale is None else scale)
        for old, new in zip(image.shape, shape, strict=True)
    )
    return down @ image @ across.T


def _resampling(old: int, new: int, cubic: bool, scale: float) -> np.ndarray:
    """(new, old) matrix; pixels beyond the border are mirrored, the border pixel repeated."""
    stretch = min(scale, 1.0)
    centre = (np.arange(new) + 0.5) / scale - 0.5
    reach = int(np.ceil((2 if cubic else 1) / stretch)) + 1
    near = np.floor(centre).astype(int)[:, None] + np.arange(-reach, reach + 1)
    distance = np.abs(centre[:, None] - near) * stretch
    weight = _cubic(distance) if cubic else np.maximum(1 - distance, 0)
    mirrored = np.mod(near, 2 * old)
    mirrored = np.minimum(mirrored, 2 * old - 1 - mirrored)
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new)[:, None], mirrored), weight / weight.sum(axis=1, keepdims=True))
    return matrix


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys (1981), a = -1/2, for distances x ≥ 0."""
    inner = (1.5 * x - 2.5) * x**2 + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0))


def conjugate_gradient(
    apply: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    start: np.ndarray,
    iterations: int,
    *,
    tolerance: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """Solve A x = b approximately, for a symmetric positive (semi)definite A.

    Parameters
    ----------
    apply : function
        Gives A x for an array x of the shape of `right`.
    right : float array
        b, of any shape.
    start : float array
        First x, of the same shape; not changed.
    iterations : int
        At most so many steps; few steps are themselves a regularisation, so this belongs to a method's definition.
    tolerance : float
        Stop where the Euclidean norm of the residual falls below it.
    limits : (float, float) or None
        Clip x after every step. The residual is carried on as if x had not been clipped: where limits bite, this is
        a heuristic that keeps an image in its range, not the solution of the bounded problem.

    Returns
    -------
    float array
        x, of the shape of `right`.

    References
    ----------
    Hestenes & Stiefel (1952), J. Res. Natl. Bur. Stand. 49, 409-436.
    """
    x = np.array(start, dtype=float)
    residual = right - apply(x)
    direction = residual.copy()
    energy = float(np.vdot(residual, residual))
    for _ in range(iterations):
        if energy <= tolerance**2:
            break
        image = apply(direction)
        curvature = float(np.vdot(direction, image))
        if not curvature > 0:  # in the null space of A, to rounding
            break
        step = energy / curvature
        x += step * direction
        if limits is not None:
            np.clip(x, *limits, out=x)
        residual -= step * image
        energy, before = float(np.vdot(residual, residual)), energy
        direction *= energy / before
        direction += residual
    return x
