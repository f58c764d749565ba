"""Which distance of the two shots suits the measured microscope and tissue: exact errors of linear restoration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tsva.optics.pupil import depth_of_field_um
from tsva.training.calibration.constants import Fit
from tsva.training.calibration.spectra import Constants, Windows, modelled

SHARES = (0.15, 0.25, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.0)
"""Half distances of the shots that are compared, in depths of field."""
OFFSETS = 6
UNKNOWN = 0.25
"""Standard deviation of an offset that is estimated from the shots, in depths of field (docs/delta.md)."""
UNKNOWN_NODES = (-1.0, 0.0, 1.0)
DRAWS = 8
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Delta:
    """Best half distance of the shots.

    Attributes
    ----------
    delta_um, low_um, high_um : float
        Best, and its 95 % interval over the bootstrap of windows; restoration that estimates the offset.
    known_um : float
        Best for restoration that is given the offset.
    at_end : bool
        The best is at an end of what was compared.
    offset_sd_um : float
        Spread of focal offsets that it holds for.
    compared_um : tuple of float
    psnr_db : dict of str to tuple of float
        At each distance: ``sharper_shot``, and restoration with the offset ``known`` or ``estimated``.
    """

    delta_um: float
    low_um: float
    high_um: float
    known_um: float
    at_end: bool
    offset_sd_um: float
    compared_um: tuple[float, ...]
    psnr_db: dict[str, tuple[float, ...]]


def best_delta(fit: Fit, windows: Windows, noise_variance: np.ndarray, offset_sd_um: float, step_um: float) -> Delta:
    """Compare distances of the shots.

    Parameters
    ----------
    fit : Fit
    windows : Windows
    noise_variance : (C,) float array
        Of images in [0, 1].
    offset_sd_um : float
        Standard deviation of the focal offset.
    step_um : float
        The result is not rounded to it, but no distance below half of it is compared.

    Notes
    -----
    For a Gaussian specimen of spectrum S under white noise N the least mean squared error of a linear estimate from
    both shots is Σ_f F - C A⁻¹ Cᵀ, with A = S Σ K H_i H_j + N, C = S Σ K H_0 H_i, F = S Σ K H_0². It is averaged over
    offsets of the given spread. An offset that is estimated is off by `UNKNOWN` depths of field: A and C are means
    over that.
    """
    field_um = depth_of_field_um(fit.constants.optics)
    deltas = np.array([share * field_um for share in SHARES])
    deltas = deltas[deltas >= step_um / 2]
    signal = _absolute(fit, windows)
    curves = _curves(fit.constants, deltas, signal, windows, noise_variance, offset_sd_um)
    place = int(np.argmax(curves["estimated"]))
    near, peaks = deltas[max(0, place - 1) : place + 2], []
    for draw in range(0, len(fit.draws), max(1, len(fit.draws) // DRAWS)):
        drawn = _curves(fit.drawn(draw), near, signal, windows, noise_variance, offset_sd_um)
        peaks.append(_peak(near, drawn["estimated"]))
    low, high = np.quantile(peaks, INTERVAL)
    return Delta(
        _peak(deltas, curves["estimated"]),
        float(low),
        float(high),
        _peak(deltas, curves["known"]),
        place in (0, len(deltas) - 1),
        offset_sd_um,
        tuple(deltas.tolist()),
        {key: tuple(curve.tolist()) for key, curve in curves.items()},
    )


def _absolute(fit: Fit, windows: Windows) -> np.ndarray:
    """(C, R) the specimen's power of images in [0, 1]: the fit's is relative to each window's power in focus."""
    middle = len(windows.z_um) // 2
    power = np.mean([window.gram[..., middle, middle].mean(axis=(0, 1)) for window in windows.windows])
    return np.asarray(fit.signal * power)


def _curves(
    constants: Constants,
    deltas: np.ndarray,
    signal: np.ndarray,
    windows: Windows,
    noise_variance: np.ndarray,
    offset_sd_um: float,
) -> dict[str, np.ndarray]:
    """PSNR (dB) of each way to use the shots at each distance, averaged over offsets."""
    channels = len(signal)
    offsets = offset_sd_um * ndtri((np.arange(OFFSETS) + 0.5) / OFFSETS)
    unknown = UNKNOWN * depth_of_field_um(constants.optics) * np.array(UNKNOWN_NODES) * np.sqrt(1.5)
    area = windows.modes / windows.modes.sum()
    noise = noise_variance[:, None]
    out: dict[str, list[float]] = {"sharper_shot": [], "known": [], "estimated": []}
    for delta in deltas:
        scores = np.zeros(3)
        for n in offsets:
            places = np.add.outer(np.array([-delta, delta]) + n, unknown)  # (2, U)
            modelled_power = modelled(constants, places[:, 1:2], windows.frequency_px, channels, target=True)
            vague = modelled(constants, places, windows.frequency_px, channels, target=True)
            focus = signal * modelled_power[..., 2, 2]
            nearer = min(
                float(
                    (
                        (
                            signal
                            * (modelled_power[..., 2, 2] - 2 * modelled_power[..., k, 2] + modelled_power[..., k, k])
                            + noise
                        )
                        @ area
                    ).mean()
                )
                for k in (0, 1)
            )
            errors = [nearer]
            for power in (modelled_power, vague):
                errors.append(float((_wiener(signal, power, noise, focus) @ area).mean()))
            scores += -10 * np.log10(np.maximum(errors, 1e-12)) / len(offsets)
        for key, value in zip(out, scores, strict=True):
            out[key].append(float(value))
    return {key: np.array(values) for key, values in out.items()}


def _wiener(signal: np.ndarray, power: np.ndarray, noise: np.ndarray, focus: np.ndarray) -> np.ndarray:
    """(C, R) mean squared error of the best linear filters where the shots' powers are `power` in the mean."""
    a = signal[..., None, None] * power[..., :2, :2] + noise[..., None, None] * np.eye(2)
    c = signal[..., None] * power[..., 2, :2]
    filters = np.linalg.solve(a, c[..., None])[..., 0]
    return np.asarray(focus - (filters * c).sum(-1))


def _peak(deltas: np.ndarray, curve: np.ndarray) -> float:
    """Vertex of the parabola, over the logarithm of the distance, through the highest value and its neighbours."""
    place = int(np.argmax(curve))
    if place in (0, len(curve) - 1):
        return float(deltas[place])
    x = np.log(deltas[place - 1 : place + 2])
    square, slope, _ = np.polyfit(x - x[1], curve[place - 1 : place + 2], 2)
    return float(np.exp(x[1] - slope / (2 * square))) if square < 0 else float(deltas[place])
