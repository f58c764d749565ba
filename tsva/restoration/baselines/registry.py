"""Baselines by name: what each is told, and the function that restores a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines import classics, wiener
from tsva.restoration.baselines.dark_channel import dark_channel_deblur
from tsva.restoration.baselines.graph import graph_deblur
from tsva.restoration.baselines.restored import Restored
from tsva.restoration.baselines.sharper import y1_of
from tsva.restoration.baselines.spectra import Signal
from tsva.settings.baselines import BaselineSettings
from tsva.settings.methods import BaselineName

SCORED_SHIFTED = ("dark_channel", "graph")
"""Blind methods, which leave the kernel's centre undetermined: scored at the best whole-pixel shift, too."""
TRUE_OPTICS = ("wiener_true_optics",)
"""Told the optics that a slide was taken with, where they differ from the nominal ones and are known."""


@dataclass(frozen=True)
class Told:
    """What baselines know beside a pair: parameters, and the spectrum of training slides in focus."""

    settings: BaselineSettings
    signal: Signal


def method_named(name: BaselineName, told: Told) -> Callable[[Pair], Restored]:
    """A baseline as a function of a pair, whose image is always finite and in [0, 1].

    Parameters
    ----------
    name : str
        One of `BaselineName`.
    told : Told

    Returns
    -------
    callable
    """
    settings, signal = told.settings, told.signal
    methods: dict[BaselineName, Callable[[Pair], Restored]] = {
        "mean": classics.mean,
        "denoise": lambda pair: classics.denoise(pair, settings),
        "focus_stack": classics.focus_stack,
        "richardson_lucy": lambda pair: classics.richardson_lucy(pair, settings),
        "wiener_one_shot": lambda pair: wiener.wiener_one_shot(pair, signal, settings),
        "wiener_two_shot": lambda pair: wiener.wiener_two_shot(pair, signal, settings),
        "wiener_true_optics": lambda pair: wiener.wiener_two_shot(pair, signal, settings),
        "wiener_blind": lambda pair: wiener.wiener_blind(pair, signal, settings),
        "dark_channel": lambda pair: dark_channel_deblur(pair, settings.kernel_px),
        "graph": lambda pair: graph_deblur(pair, kernel_px=settings.kernel_px),
    }
    return lambda pair: _finite(methods[name](pair), pair)


def _finite(restored: Restored, pair: Pair) -> Restored:
    """Y1 in place of an image that holds no numbers, and the failure said."""
    if np.isfinite(restored.image).all():
        return restored
    return Restored(
        y1_of(pair),
        restored.focal_offset_um,
        restored.focal_offset_sd_um,
        restored.kernel,
        "values that are no numbers",
    )
