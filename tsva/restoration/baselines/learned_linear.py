"""The linear filters of least squared error on training patches: what a network has to beat to be worth its name.

No transfer function, section or noise is modelled. For each focal offset and ring of spatial frequency two shots of C
colours give C colours by the matrix that does best on training patches.
"""

from __future__ import annotations

import numpy as np

from tsva.acquisition.pair import Pair, floats
from tsva.acquisition.shot_spectra import ShotSpectra
from tsva.restoration.baselines.offset_search import find_offset
from tsva.restoration.baselines.one_by_one import Known, Restored
from tsva.restoration.baselines.plane import image_of, over_plane, padded_shape, transformed

RIDGE = 1e-5
"""Of the shots' mean power, added to each: rings of a handful of frequencies have nearly dependent colours."""
TOLERANCE_UM = 1e-6


def learned_linear(pair: Pair, known: Known) -> Restored:
    """Least squares on training patches, given the true offset.

    Parameters
    ----------
    pair : Pair
        With `focal_offset_um`; an oracle.
    known : Known
        With the cross-spectra of training patches.

    Returns
    -------
    Restored

    Notes
    -----
    With shots Y (2 C spectra) and truth X (C), the matrix W of a ring is ⟨X Y*⟩ ⟨Y Y*⟩⁻¹, means over the ring and the
    training patches. Between the offsets at which training stacks have both shots W is interpolated linearly; beyond
    the outermost it is constant.
    """
    if pair.focal_offset_um is None:
        raise ValueError("this pair's offset isn't known; without it there is learned_linear_blind")
    return Restored(_restored(pair, known.cross_spectra(), pair.focal_offset_um))


def learned_linear_blind(pair: Pair, known: Known) -> Restored:
    """The same with the offset that the shots' own spectra say (`offset_search`); nothing of the truth is given."""
    found = find_offset(pair, known.spectrum(), known.settings)
    image = _restored(pair, known.cross_spectra(), found.focal_offset_um)
    failure = "the offset found is the largest looked for" if found.at_end else ""
    return Restored(
        image, focal_offset_um=found.focal_offset_um, focal_offset_sd_um=found.focal_offset_sd_um, failure=failure
    )


def _restored(pair: Pair, spectra: ShotSpectra, focal_offset_um: float) -> np.ndarray:
    """(Y, X, C) in [0, 1]."""
    shots = [floats(pair.low), floats(pair.high)]
    height, width, channels = shots[0].shape
    if channels != spectra.channels:
        raise ValueError(f"a pair of {channels} channels; the training patches have {spectra.channels}")
    means = [shot.mean(axis=(0, 1)) for shot in shots]
    seen = np.concatenate([transformed(shot - mean) for shot, mean in zip(shots, means, strict=True)])
    offsets_um, filters = _filters_of(spectra, pair.delta_um)
    place = float(np.interp(focal_offset_um, offsets_um, np.arange(len(offsets_um))))
    below = min(int(place), len(offsets_um) - 2)
    here = filters[below] + (place - below) * (filters[below + 1] - filters[below])
    shape = padded_shape(height, width)
    restored = np.stack([(over_plane(colour, shape) * seen).sum(axis=0) for colour in here])
    return np.clip(image_of(restored, height, width) + np.mean(means, axis=0), 0, 1)


_KEPT: dict[tuple[int, float], tuple[ShotSpectra, np.ndarray, np.ndarray]] = {}


def _filters_of(spectra: ShotSpectra, delta_um: float) -> tuple[np.ndarray, np.ndarray]:
    """As `filters`, computed once."""
    key = id(spectra), delta_um
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = (spectra, *filters(spectra, delta_um))
    return _KEPT[key][1:]


def filters(spectra: ShotSpectra, delta_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares filters at every offset at which the training stacks have both shots.

    Parameters
    ----------
    spectra : ShotSpectra
    delta_um : float
        Half the distance between the shots.

    Returns
    -------
    offsets_um : (N,) float array
        Rising. Where a shot is the ground truth and shares its noise, there is no filter.
    filters : (N, C, 2 * C, RINGS) float32 array
        From the low shot's channels and the high one's.

    Raises
    ------
    ValueError
        If fewer than two offsets have both shots.
    """
    planes, channels = spectra.z_um, spectra.channels
    truth = np.arange(len(planes) * channels, (len(planes) + 1) * channels)
    offsets, found = [], []
    for low, z_um in enumerate(planes):
        (high,) = np.nonzero(np.abs(planes - z_um - 2 * delta_um) < TOLERANCE_UM)
        noisy = not spectra.clean and min(abs(z_um), abs(z_um + 2 * delta_um)) < TOLERANCE_UM
        if len(high) == 0 or noisy:
            continue
        shots = np.concatenate([np.arange(channels) + low * channels, np.arange(channels) + high[0] * channels])
        inner = spectra.gram[:, shots[:, None], shots].astype(float)
        ridge = RIDGE * np.trace(inner, axis1=1, axis2=2)[:, None, None] / len(shots) + 1e-12
        across = spectra.gram[:, truth[:, None], shots].astype(float)
        matrix = np.linalg.solve(inner + ridge * np.eye(len(shots)), across.transpose(0, 2, 1)).transpose(1, 2, 0)
        matrix[..., 0] = matrix[..., 1]  # means are taken off: ring 0 is empty
        offsets.append(z_um + delta_um)
        found.append(matrix.transpose(1, 0, 2))
    if len(found) < 2:
        raise ValueError(
            f"planes at {planes.tolist()} µm have shots {2 * delta_um:g} µm apart at fewer than two offsets"
        )
    return np.array(offsets), np.array(found, np.float32)
