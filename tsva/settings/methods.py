"""Which methods without training stand beside the networks, and how much of the data the slow ones get."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from tsva.settings.base import Section

BaselineName = Literal[
    "mean",
    "denoise",
    "focus_stack",
    "richardson_lucy",
    "wiener_one_shot",
    "wiener_two_shot",
    "wiener_true_optics",
    "wiener_blind",
    "dark_channel",
    "graph",
]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
"""All of them, in the order of the tables."""


class MethodsSettings(Section, key="methods"):
    """Rows of the report's tables that need no training. Their own parameters: section baselines."""

    baselines: tuple[BaselineName, ...] = ("wiener_two_shot", "wiener_blind")
    """In the default report; the targets table1 and all_methods take all there are."""
    slow: tuple[BaselineName, ...] = ("denoise", "richardson_lucy", "dark_channel", "graph")
    """These restore a sample of the patches alone, at the grid's offsets; the tables print how many."""
    sample_per_offset: int = Field(default=4, ge=1, le=10_000)
    """Patches that a slow method restores at each offset, spread over the slides."""
    batches: int = Field(default=2, ge=1, le=1000)
    """Jobs that a slow method's sample is shared among, for each data set."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key in ("baselines", "slow"):
            names = getattr(self, key)
            if len(set(names)) != len(names):
                raise ValueError(f"{key} are {list(names)}; wanted each once")
        return self
