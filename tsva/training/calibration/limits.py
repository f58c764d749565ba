"""How much weight a microscope's own stacks allow Fusion's restored image.

A network meets unknown optics with cautious limits: far from focus, and where the offset is uncertain, most of the
sharper shot stays (`tsva.restoration.fusion.correction`). After fine-tuning, pairs of the stacks show how far that
caution is needed here. They are of training patches, too: what makes pairs worse is the offset, which weights do not
learn by heart, and few fields say little of rare harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from tsva.evaluation.names import WORSE_DB
from tsva.restoration.blend import HARM_WEIGHT, weight
from tsva.restoration.fusion.correction import SIZES, agreement, by_size
from tsva.restoration.fusion.network import Fusion
from tsva.training.dataset import VerificationPairs

LEAST_FIELDS = 3
"""Of fewer, or fewer patches of one field, nothing is known of how they differ: the given limits stay."""
MOST_WORSE = 0.01
"""Share of the pairs made worse that limits may cost; more counts as a loss of `WORSE_COSTS_DB` each. Of other fields
three times as many are made worse (30 stacks of thick sections fitted to, ten others)."""
WORSE_COSTS_DB = 10.0
WEIGHTS = np.linspace(0, 1, 11)
DOUBTS = (1.0, 0.5, 0.25, 0.1, 0.0)
"""Factors of what uncertain offsets take of the weight; 0: nothing."""
CONTRADICTED = 0.25
"""Of fitted limits where the sharper shot is the farther one by the estimated offset (chosen on thick sections)."""
SWEEPS = 3
LEAST_SHARE = 1e-3
"""Of the sharper shot's squared error: no gain counts for more than 30 dB."""


@dataclass(frozen=True)
class Limits:
    """Largest weights of restored images.

    Attributes
    ----------
    most, doubt : (len(SIZES),) float arrays
        Of `tsva.restoration.fusion.correction.most_weight`.
    contradicted : float
        Factor where the sharper shot is the farther one by the estimated offset.
    """

    most: np.ndarray
    doubt: np.ndarray
    contradicted: float = 1.0

    @classmethod
    def of(cls, network: Fusion) -> Limits:
        """Those that a network has."""
        return cls(network.most.double().numpy(), network.doubt.double().numpy(), float(network.contradicted))

    @classmethod
    def none(cls) -> Limits:
        """The restored image may have all of the weight."""
        return cls(np.ones(len(SIZES)), np.zeros(len(SIZES)))

    def tensors(self) -> dict[str, Tensor]:
        """As a network's weights have them."""
        values = {"most": self.most, "doubt": self.doubt, "contradicted": self.contradicted}
        return {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


@dataclass(frozen=True)
class Blends:
    """What any limit would make of N pairs.

    The result is c + m w (r - c): sharper shot c, restored image r, w the weight by expected errors, and m the limit.
    So its squared error against the target t is a parabola of m.

    Attributes
    ----------
    size : (N, len(SIZES)) float array
        How far each pair's estimated offset belongs to each of `SIZES`.
    variance : (N,) float array
        Of that offset, as a multiple of δ².
    agrees : (N,) float array
        1 where the sharper shot is the nearer one by that offset, 0 where it is the farther one.
    terms : (N, 3) float array
        Means of (c - t)², (c - t) w (r - c), and (w (r - c))².
    field : (N,) str array
        Whose pair it is.
    """

    size: np.ndarray
    variance: np.ndarray
    agrees: np.ndarray
    terms: np.ndarray
    field: np.ndarray

    @classmethod
    @torch.inference_mode()
    def of(cls, network: Fusion, pairs: VerificationPairs, fields: Sequence[str]) -> Blends:
        """Restore pairs of patches, of fields of these names; at most 224 pixels wide, they have one offset each."""
        size, variance, agrees, terms, field = [], [], [], [], []
        for number in range(len(pairs)):
            low, high, target = (image[None].float() / 255 for image in pairs[number][:3])
            decision = network.decide(low, high)
            restored, copy, logarithms, level = network.unblended(low, high, decision)
            change = weight(*network.error.errors(logarithms, level)) * (restored - copy)
            error = copy - target
            products = (error * error, error * change, change * change)
            terms.append([float(product.mean()) for product in products])
            offset_um, sd_um = network.focal_offset(decision)
            size.append([float(by_size(offset_um, network.delta_um, one)) for one in torch.eye(len(SIZES))])
            variance.append(float((sd_um / network.delta_um).square()))
            field.append(fields[pairs.patch_of(number)])
            agrees.append(float(agreement(offset_um, decision.high_share, torch.zeros(())).mean()))
        return cls(np.array(size), np.array(variance), np.array(agrees), np.array(terms), np.array(field))

    def gains(self, limits: Limits) -> np.ndarray:
        """(N,) gain (dB) over the sharper shot."""
        share = (self.size @ limits.most) / (1 + self.variance * (self.size @ limits.doubt))
        share = share * (limits.contradicted + (1 - limits.contradicted) * self.agrees)
        shot, along, change = self.terms.T
        left = 1 + (2 * share * along + share**2 * change) / np.maximum(shot, 1e-12)
        return np.asarray(-10 * np.log10(np.maximum(left, LEAST_SHARE)))

    def with_others(self, others: Blends) -> Blends:
        """These pairs and others."""
        both = zip(vars(self).values(), vars(others).values(), strict=True)
        return Blends(*(np.concatenate(values) for values in both))

    def without(self, field: str) -> Blends:
        """The pairs of the other fields."""
        return self._where(self.field != field)

    def only(self, field: str) -> Blends:
        """The pairs of one field."""
        return self._where(self.field == field)

    def _where(self, chosen: np.ndarray) -> Blends:
        return Blends(*(values[chosen] for values in vars(self).values()))


def worth(gains: np.ndarray) -> float:
    """Mean gain (dB), losses counted as in training, and too many of them more than that."""
    too_many = max(float(np.mean(gains < -WORSE_DB)) - MOST_WORSE, 0)
    return float(np.mean(gains + HARM_WEIGHT * np.minimum(gains, 0))) - WORSE_COSTS_DB * too_many


def fitted_limits(blends: Blends, given: Limits) -> Limits:
    """The limits that are worth most on these pairs, if such limits are better on fields left out.

    Parameters
    ----------
    blends : Blends
    given : Limits
        Kept where there are too few fields, or nothing is better.
    """
    fields = np.unique(blends.field)
    if len(fields) < LEAST_FIELDS:
        return given
    crossed = np.zeros(len(blends.field))
    for field in fields:
        best = _best(blends.without(field), given)
        crossed[blends.field == field] = blends.only(field).gains(best)
    return _best(blends, given) if worth(crossed) > worth(blends.gains(given)) else given


def _best(blends: Blends, given: Limits) -> Limits:
    """By a search along each coordinate, from the given limits and from none."""
    found = given
    for factor, most in product(DOUBTS, (given.most, np.ones(len(SIZES)))):
        limits = _searched(blends, Limits(most, factor * given.doubt, CONTRADICTED))
        if worth(blends.gains(limits)) > worth(blends.gains(found)):
            found = limits
    return found


def _searched(blends: Blends, limits: Limits) -> Limits:
    for _ in range(SWEEPS):
        for place in range(len(SIZES)):
            tried = []
            for value in (limits.most[place], *WEIGHTS):
                most = limits.most.copy()
                most[place] = value
                tried.append(replace(limits, most=most))
            limits = max(tried, key=lambda one: worth(blends.gains(one)))
    return limits
