"""Least squares for the constants of microscope and section, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from tsva.acquisition.draws import rng
from tsva.optics.pupil import depth_of_field_um
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.spectra import Constants, Windows, modelled

Aperture = Literal["na", "condenser_ratio"]
DRAWS = 200
FAINT = 0.02
"""Power, as a share of that in focus, below which what a model leaves out (stray light, leakage of windows) counts."""
MODEL_ERROR = 0.03
"""Error of the model, as a share of two planes' powers: many windows make its weight no larger than that."""
STEP = 0.05
"""Of derivatives, in the parameters' own scales."""
PRIOR_LOG = {"thickness": (1.0, 1.5), "structure": (0.4, 1.0)}
"""Middles, in depths of field, and standard deviations (logarithm) of what spectra may show little of."""
POOR = 0.2
"""Difference of spectra above which the search begins anew, from a smaller aperture."""
REST_CASES = 3
LEAST_SIGNAL = 1e-9


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes
    ----------
    constants : Constants
        The likeliest.
    aperture : str
        Which aperture was looked for: ``na`` or ``condenser_ratio``.
    standard_error : dict of str to float
        Of ``aperture``, ``spherical_um``, ``thickness_um``, ``structure_um``: bootstrap over windows.
    draws : (D, 5) float array
        Bootstrap's parameters, on the scale of the search.
    at_limit : bool
        The aperture lies at an end of what is possible.
    gram, model : (C, R, P, P) float arrays
        Mean of the windows' cross-spectra (each window over its own power in focus), and what the model makes of them.
    signal : (C, R) float array
        The specimen's power that goes with it.
    residual : float
        Root mean square of the relative differences of the cross-spectra that count.
    """

    constants: Constants
    aperture: Aperture
    standard_error: dict[str, float]
    draws: np.ndarray
    at_limit: bool
    gram: np.ndarray
    model: np.ndarray
    signal: np.ndarray
    residual: float

    def drawn(self, draw: int) -> Constants:
        """The constants of one draw of the bootstrap."""
        return _Search(self.constants.optics, self.aperture).constants(self.draws[draw])


def fit_constants(windows: Windows, optics: OpticsSettings, aperture: Aperture, seed: int) -> Fit:
    """Fit the model of a layered section to the windows' cross-spectra.

    Parameters
    ----------
    windows : Windows
    optics : OpticsSettings
        The nominal ones; the aperture in question is where the search starts.
    aperture : str
        ``na``, or ``condenser_ratio``.
    seed : int
        Of the bootstrap.

    Notes
    -----
    G_ij(f) = S(f) Σ K H_i H_j for i ≠ j: planes' noise is in the diagonal alone, which is left out. S(f) is free in
    each ring, so that neither the tissue's own spectrum nor the camera's transfer function is assumed. How spectra fall
    with defocus shows the aperture, what differs above and below focus the aberration, and how far planes above and
    below focus agree the thickness. Standard errors are of the one-step bootstrap: windows are drawn with replacement,
    and one step of Gauss and Newton is taken from the likeliest constants.

    References
    ----------
    Shao & Tu (1995), The Jackknife and Bootstrap, section 9.3 (one-step bootstrap).
    """
    search = _Search(optics, aperture)
    grams = np.stack([_relative(window.gram) for window in windows.windows])
    rests = np.array([window.rest_um for window in windows.windows])
    problem = _Problem(windows, grams.mean(axis=0), rests, search)
    found = problem.searched(search.start(optics, 1.0))
    if np.sqrt(np.mean(np.square(problem.relative(found.x)))) > POOR:
        found = min((found, problem.searched(search.start(optics, 0.7))), key=lambda one: float(one.cost))
    best = found.x
    draws = problem.one_step(best, grams, rng(seed, "bootstrap"))
    low, high = search.bounds
    constants = search.constants(best)
    model, signal = problem.model(best)
    rest = problem.relative(best)
    errors = np.array([search.natural(draw) for draw in draws]).std(axis=0)
    names = (aperture, "spherical_um", "thickness_um", "structure_um")
    return Fit(
        constants,
        aperture,
        dict(zip(names, errors.tolist(), strict=False)),
        draws,
        bool(min(best[0] - low[0], high[0] - best[0]) < 0.02),
        problem.gram,
        model,
        signal,
        float(np.sqrt(np.mean(np.square(rest)))),
    )


class _Search:
    """The parameters' scale: logarithms of aperture, thickness and depth of structures; aberration and focus in µm."""

    def __init__(self, optics: OpticsSettings, aperture: Aperture) -> None:
        self._optics, self._aperture = optics, aperture
        self._field_um = depth_of_field_um(optics)
        largest = 0.98 * optics.refractive_index if aperture == "na" else 1.0
        nominal_na = optics.na
        self._limits = (nominal_na / 3, min(largest, 2 * nominal_na)) if aperture == "na" else (0.1, 1.0)
        unit = self._field_um
        low = [np.log(self._limits[0]), -0.12, np.log(0.02 * unit), np.log(0.05 * unit), -2 * unit]
        high = [np.log(self._limits[1]), 0.12, np.log(20 * unit), np.log(20 * unit), 2 * unit]
        self.bounds = np.array(low), np.array(high)
        self.scale = np.array([0.1, 0.01, 0.3, 0.3, 0.2 * unit])

    def start(self, optics: OpticsSettings, share: float) -> np.ndarray:
        """Given values, the aperture a share of it."""
        nominal = optics.na if self._aperture == "na" else (optics.condenser_ratio or 0.8)
        low, high = self._limits
        unit = self._field_um
        return np.array(
            [np.log(np.clip(share * nominal, 1.05 * low, 0.95 * high)), 0.0, np.log(unit), np.log(0.4 * unit), 0.0]
        )

    def constants(self, x: np.ndarray) -> Constants:
        value, spherical, thickness, structure, focus = self.natural(x)
        optics = self._optics.model_copy(update={self._aperture: round(float(value), 6)})
        return Constants(optics, round(float(spherical), 6), float(thickness), float(structure), float(focus))

    def natural(self, x: np.ndarray) -> np.ndarray:
        """Aperture, aberration, thickness, structure and focus in their own units."""
        x = np.clip(x, *self.bounds)
        return np.array([np.exp(x[0]), x[1], np.exp(x[2]), np.exp(x[3]), x[4]])

    def prior(self, x: np.ndarray) -> np.ndarray:
        middle = [np.log(PRIOR_LOG[key][0] * self._field_um) for key in ("thickness", "structure")]
        sd = [PRIOR_LOG[key][1] for key in ("thickness", "structure")]
        return np.concatenate([(x[2:4] - middle) / sd, [x[1] / 0.04]])


class _Problem:
    """Differences between measured and modelled cross-spectra."""

    def __init__(self, windows: Windows, gram: np.ndarray, rests: np.ndarray, search: _Search) -> None:
        self.gram, self._search = gram, search
        self._frequency = windows.frequency_px
        self._channels = gram.shape[0]
        cases = np.quantile(rests, (np.arange(REST_CASES) + 0.5) / REST_CASES)
        self._z_um = windows.z_um[:, None] + cases
        self._pairs = np.triu_indices(len(windows.z_um), 1)
        count = len(windows.windows) * windows.modes / 2  # windows overlap by half both ways
        power = np.einsum("crpp->crp", gram)
        middle = power[..., len(windows.z_um) // 2, None]
        i, j = self._pairs
        scale = np.sqrt((power + FAINT * middle)[..., i] * (power + FAINT * middle)[..., j])
        error = np.sqrt(1 / np.maximum(count, 1) + MODEL_ERROR**2)[None, :, None]
        # as many values as there are planes are nearly independent of one another, not as many as there are pairs
        thinned = np.sqrt(len(windows.z_um) / len(i))
        self._weight = thinned / (error * np.maximum(scale, LEAST_SIGNAL))
        self._scale = np.maximum(scale, LEAST_SIGNAL)

    def model(self, x: np.ndarray, gram: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Cross-spectra (C, R, P, P), and the specimen's power (C, R) that fits best."""
        i, j = self._pairs
        unit = modelled(self._search.constants(x), self._z_um, self._frequency, self._channels)
        wanted, there = (self.gram if gram is None else gram)[..., i, j], unit[..., i, j]
        squares = np.square(self._weight)
        signal = (squares * wanted * there).sum(-1) / np.maximum((squares * there**2).sum(-1), 1e-30)
        signal = np.maximum(signal, 0)
        return signal[..., None, None] * unit, signal

    def relative(self, x: np.ndarray) -> np.ndarray:
        """Differences as shares of the powers."""
        i, j = self._pairs
        return np.asarray(((self.gram - self.model(x)[0])[..., i, j] / self._scale).ravel())

    def residuals(self, x: np.ndarray, gram: np.ndarray | None = None) -> np.ndarray:
        """Differences over their standard deviations, and the priors."""
        i, j = self._pairs
        held = self.gram if gram is None else gram
        rest = (held - self.model(x, gram)[0])[..., i, j] * self._weight
        return np.concatenate([rest.ravel(), self._search.prior(x)])

    def searched(self, start: np.ndarray) -> OptimizeResult:
        """The likeliest parameters from a start on."""
        return least_squares(
            self.residuals,
            start,
            self.slopes,
            bounds=self._search.bounds,
            x_scale=self._search.scale,
            loss="soft_l1",
            max_nfev=30,
            ftol=1e-5,
            xtol=1e-5,
        )

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of `residuals`, by steps that fit each parameter's scale: some are zero."""
        here, columns = self.residuals(x), []
        for place, step in enumerate(STEP * self._search.scale):
            moved = x.copy()
            moved[place] += step if x[place] + step < self._search.bounds[1][place] else -step
            columns.append((self.residuals(moved) - here) / (moved[place] - x[place]))
        return np.stack(columns, axis=1)

    def one_step(self, best: np.ndarray, grams: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """(draw, parameter) of windows drawn with replacement."""
        here, solve = self.residuals(best), np.linalg.pinv(self.slopes(best))
        out = []
        for _ in range(DRAWS):
            rows = random.integers(len(grams), size=len(grams))
            out.append(best - solve @ (self.residuals(best, grams[rows].mean(axis=0)) - here))
        return np.clip(np.array(out), *self._search.bounds)


def _relative(gram: np.ndarray) -> np.ndarray:
    """A window's cross-spectra over its own power in focus, so that those of strong contrast don't outvote others."""
    middle = gram.shape[-1] // 2
    power = gram[..., middle, middle].mean(axis=(0, 1))
    return gram / max(float(power), LEAST_SIGNAL)
