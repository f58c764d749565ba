"""The methods there are, and how much of the data those without training get in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from tsva.settings.base import Section


@dataclass(frozen=True)
class MethodEntry:
    """A method, as settings, planning and reports know it without importing its code.

    Attributes
    ----------
    title : str
        Name in tables and figures.
    place : str
        ``module:attribute``: a subclass of `tsva.restoration.pair_network.PairNetwork`, or a function of a pair and of
        what baselines are given (`tsva.restoration.baselines.one_by_one.Restore`).
    trained : bool
        A network, which needs a checkpoint.
    own_recipe : bool
        Crop and batch come from the section of settings ``train.fusion``.
    slow : bool
        By default restores a sample of the patches alone.
    true_optics : bool
        Is given the optics that a slide was taken with, where they differ from the nominal ones and are known.
    learned : bool
        Is given the cross-spectra of training slides' planes and ground truth.
    scored_shifted : bool
        Leaves the kernel's centre undetermined: scored at the best whole-pixel shift, too.
    noise_free : bool
        Is given the shots without noise, which only simulated slides have, at the offsets drawn for them.
    """

    title: str
    place: str
    trained: bool = False
    own_recipe: bool = False
    slow: bool = False
    true_optics: bool = False
    learned: bool = False
    scored_shifted: bool = False
    noise_free: bool = False


Registry: TypeAlias = dict[str, MethodEntry]
"""Rows that are no code of who imports them: each is behind the jobs of its method (`tsva.pipeline.plan.Plan`)."""
_BASELINES, _NETWORKS = "tsva.restoration.baselines", "tsva.restoration.networks"
NOTHING = "y1"
"""The method that does nothing: the sharper shot as captured."""
MATCHED = "y1_matched"
"""Nothing but the brightness of the ground truth, which no method knows: a measure, and never the leading method."""
METHODS: Registry = {
    NOTHING: MethodEntry("Y1 as captured", f"{_BASELINES}.classics:sharper_shot"),
    MATCHED: MethodEntry("Y1, brightness matched to the ground truth", f"{_BASELINES}.classics:sharper_shot_matched"),
    "mean": MethodEntry("Mean of both shots", f"{_BASELINES}.classics:mean"),
    "denoise": MethodEntry("Denoising alone", f"{_BASELINES}.classics:denoise", slow=True),
    "noise_free": MethodEntry("Y1 without its noise", f"{_BASELINES}.classics:noise_free_shot", noise_free=True),
    "focus_stack": MethodEntry("Focus stacking", f"{_BASELINES}.classics:focus_stack"),
    "richardson_lucy": MethodEntry("Richardson–Lucy (known ΔD)", f"{_BASELINES}.classics:richardson_lucy", slow=True),
    "wiener_one_shot": MethodEntry("Wiener, one shot (known ΔD)", f"{_BASELINES}.wiener:wiener_one_shot"),
    "wiener_two_shot": MethodEntry("Wiener, two shots (known ΔD)", f"{_BASELINES}.wiener:wiener_two_shot"),
    "wiener_true_optics": MethodEntry(
        "Wiener, two shots (known ΔD and true optics)", f"{_BASELINES}.wiener:wiener_two_shot", true_optics=True
    ),
    "wiener_blind": MethodEntry("Wiener, two shots (ΔD estimated)", f"{_BASELINES}.wiener:wiener_blind"),
    "learned_linear": MethodEntry(
        "Learned linear filter (known ΔD)", f"{_BASELINES}.learned_linear:learned_linear", learned=True
    ),
    "learned_linear_blind": MethodEntry(
        "Learned linear filter (ΔD estimated)", f"{_BASELINES}.learned_linear:learned_linear_blind", learned=True
    ),
    "dark_channel": MethodEntry(
        "Dark channel", f"{_BASELINES}.dark_channel.method:dark_channel_deblur", slow=True, scored_shifted=True
    ),
    "graph": MethodEntry("Graph deblurring", f"{_BASELINES}.graph.method:graph_deblur", slow=True, scored_shifted=True),
    "denoiser": MethodEntry("Learned denoising of Y1", f"{_NETWORKS}.denoiser:Denoiser", trained=True),
    "unet": MethodEntry("U-Net", f"{_NETWORKS}.u_shaped:UNet", trained=True),
    "unet_residual": MethodEntry("U-Net (residual)", f"{_NETWORKS}.u_shaped:ResidualUNet", trained=True),
    "burst": MethodEntry("Burst U-Net", f"{_NETWORKS}.burst:BurstUNet", trained=True),
    "tsva": MethodEntry("TSVA", f"{_NETWORKS}.u_shaped:TSVA", trained=True),
    "fusion": MethodEntry("Fusion", "tsva.restoration.fusion.network:Fusion", trained=True, own_recipe=True),
    "fusion_one_shot": MethodEntry(
        "Fusion, one shot", "tsva.restoration.fusion.one_shot:FusionOneShot", trained=True, own_recipe=True
    ),
}
"""All of them by name, in the order of the tables. A method is added by a line here and a file at its place."""
BASELINES = tuple(name for name, entry in METHODS.items() if not entry.trained and name != NOTHING)
NETWORK_NAMES = tuple(name for name, entry in METHODS.items() if entry.trained)

if TYPE_CHECKING:
    BaselineName: TypeAlias = str
    NetworkName: TypeAlias = str
else:
    BaselineName, NetworkName = Literal[BASELINES], Literal[NETWORK_NAMES]


class MethodsSettings(Section, key="methods"):
    """Rows of the report's tables that need no training. Their own parameters: section baselines."""

    baselines: tuple[BaselineName, ...] = (
        "y1_matched",
        "noise_free",
        "wiener_two_shot",
        "wiener_blind",
        "learned_linear",
        "learned_linear_blind",
    )
    """In the default report; the targets table1 and all_methods take all there are."""
    slow: tuple[BaselineName, ...] = tuple(name for name in BASELINES if METHODS[name].slow)
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
