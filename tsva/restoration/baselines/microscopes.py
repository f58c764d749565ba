"""Microscopes that may have taken a pair: the one that is told, and others that it may be in truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from tsva.settings.optics import OpticsSettings

SPHERICAL_UM = (-0.02, 0.0, 0.02)
SPHERICAL_SD_UM = 0.02
"""Primary spherical aberration reckoned with (root mean square path difference): a cover glass some 20 µm off."""


@dataclass(frozen=True)
class Microscope:
    """What makes one microscope's focus unlike another's.

    Attributes
    ----------
    optics : OpticsSettings
    spherical_um : float
        Primary spherical aberration, root mean square path difference.
    log_chance : float
        Logarithm of how likely it is before a shot is seen.
    """

    optics: OpticsSettings
    spherical_um: float
    log_chance: float


@lru_cache(maxsize=16)
def microscopes(optics: OpticsSettings) -> tuple[Microscope, ...]:
    """The nominal one, which is as likely as all others together, then those.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal optics.

    Returns
    -------
    tuple of Microscope
        Both optical models with each of `SPHERICAL_UM`, by the Gaussian of `SPHERICAL_SD_UM`: what an aperture of the
        nominal size may do. For each with an aberration there is the one with the opposite.
    """
    models = get_args(OpticsSettings.model_fields["model"].annotation)
    kin = [
        (optics.model_copy(update={"model": model}), spherical_um)
        for model in models
        for spherical_um in SPHERICAL_UM
        if (model, spherical_um) != (optics.model, 0.0)
    ]
    weights = np.exp([-0.5 * (spherical_um / SPHERICAL_SD_UM) ** 2 for _, spherical_um in kin])
    chances = np.log(0.5 * weights / weights.sum())
    others = [Microscope(*one, float(chance)) for one, chance in zip(kin, chances, strict=True)]
    return (Microscope(optics, 0.0, float(np.log(0.5))), *others)
