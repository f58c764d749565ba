"""Networks and how they are fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tsva.settings.base import Section
from tsva.settings.methods import METHODS, NetworkName

SHAPE = ("width", "levels", "crop_px", "batch")
"""Keys that section `fusion` has its own of, or that its networks have no use for."""


class FusionSettings(Section):
    """Size of our own network, and what differs in its recipe."""

    width: int = Field(32, ge=4, le=1024)
    """Channels of the network that corrects the linear estimate."""
    depth: int = Field(3, ge=1, le=32)
    """Its blocks."""
    crop_px: int | None = Field(128, ge=64)
    """Edge of the random crop: filters reach 20 pixels far, and noise is read from it; None: the whole patch."""
    batch: int = Field(8, ge=1, le=4096)
    """Pairs a step."""
    offset_steps: int = Field(1500, ge=1, le=100_000)
    """Steps of fitting the estimator of the focal offset, before the network itself is trained."""
    microscopes: int = Field(24, ge=1, le=1000)
    """Microscopes that these spectra are drawn for; the first is the nominal one."""


class TrainSettings(Section, key="train"):
    """Size of the networks and the recipe that fits them; config/paper.yaml holds the paper's."""

    recipe: str = Field("demo", pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of this recipe in the report: whoever changes the keys below should change it too."""
    networks: tuple[NetworkName, ...] = ("fusion", "tsva", "unet")
    """What is trained for the default report. The first one restores slides of role refocus."""
    width: int = Field(16, ge=1, le=256)
    """Channels of the finest level (paper: 64); they double at each level."""
    levels: int = Field(3, ge=2, le=7)
    """Resolutions, the full one among them (paper: 5)."""
    offsets: Literal["drawn", "gaussian", "continuous"] = "gaussian"
    """Each patch's own offset (paper), or a new one at every visit, in Gaussian quotas: of the planes, but never one at
    which a shot is the captured target (it would teach to copy that shot's noise), or between the planes, too."""
    targets: Literal["clean", "captured"] = "clean"
    """What simulated patches are restored to: the in-focus image without noise, or as captured (paper)."""
    crop_px: int | None = Field(64, ge=16)
    """Edge of the random crop taken of a patch at every visit; None: the whole patch (paper)."""
    stain_jitter: float = Field(0.15, ge=0, le=1)
    """Standard deviation of the scales (logarithm) and mixing of the colours' optical densities (paper: 0)."""
    lamp_jitter: float = Field(0.1, ge=0, lt=1)
    """Both shots and the target are brighter or darker by up to this share (paper: 0)."""
    noise_jitter: float = Field(0.012, ge=0, lt=1)
    """Up to this standard deviation of noise is added to the shots, as a share of full scale (paper: 0)."""
    flips: bool = True
    """Mirror images beside rotations by 90 degrees (paper: rotations alone)."""
    batch: int = Field(16, ge=1, le=4096)
    """Pairs a step (paper: 20)."""
    epochs: int | None = Field(None, ge=1)
    """Visits of every patch (paper: 50), rounded up to whole batches; None: `steps` counts."""
    steps: int | None = Field(1500, ge=1)
    """Optimiser's steps, whatever the number of patches; None: `epochs` counts."""
    steps_of: dict[NetworkName, Annotated[int, Field(ge=1)]] = Field({})
    """Other numbers of steps for some networks, where `steps` counts."""
    learning_rate: float = Field(2e-3, gt=0, lt=1)
    """Adam's; the highest one where a schedule moves it (paper: 5e-4). Muon's matrices have ten times as much."""
    optimiser: Literal["adam", "muon"] = "muon"
    """Adam (paper), or Muon, which reaches the same score with about a third of the samples."""
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    """Constant (paper), or risen over a tenth of the steps and lowered to nothing along a cosine."""
    loss: Literal["mse", "log_mse"] = "log_mse"
    """Mean squared error (paper), or the mean of its logarithm pair by pair, which is PSNR: all offsets weigh alike."""
    ema_decay: float = Field(0.98, ge=0, lt=1)
    """Of the exponential moving average of weights over steps, which is what is kept; 0: the weights themselves."""
    verifications: int = Field(10, ge=1, le=1000)
    """How often along the way the verification split is scored to choose the best model."""
    verification_pairs: int = Field(150, ge=1)
    """At most so many verification pairs are scored at a time, spread over patches and offsets."""
    blend: bool = True
    """U-shaped networks that know Y1 expect the errors of their image and of Y1, and leave Y1 as it is where restoring
    is expected to gain nothing (paper: no). Fusion always does."""
    mixed_precision: bool | None = None
    """Networks' products are computed in bfloat16; None: where the machine multiplies that natively."""
    compile: bool | None = None
    """Training steps run through torch.compile; None: on a GPU alone."""
    state_every_s: float = Field(300, ge=0)
    """The whole state is kept at the next step after so many seconds; a training that was killed goes on from there."""

    fusion: FusionSettings = FusionSettings()
    """Our own network: its size, its crops."""

    def used_by(self, name: NetworkName) -> dict[str, Any]:
        """What a network is trained with, for JSON: keys that concern other networks alone are left out.

        From these the same settings `for_network` follow as from all of them.
        """
        of_others = {"networks", "steps_of", *(SHAPE if METHODS[name].own_recipe else ("fusion",))}
        return self.for_network(name).model_dump(mode="json", exclude=of_others)

    def for_network(self, name: NetworkName) -> Self:
        """These settings with what differs for a network put in place."""
        steps = self.steps and self.steps_of.get(name, self.steps)
        crops = self.fusion.model_dump(include={"crop_px", "batch"}) if METHODS[name].own_recipe else {}
        return self.model_copy(update={"steps": steps, **crops})

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(
                f"epochs is {self.epochs} and steps is {self.steps}; wanted a number for exactly one of them"
            )
        if self.crop_px is not None and self.crop_px % 2 ** (self.levels - 1):
            raise ValueError(
                f"crop_px is {self.crop_px}; wanted a multiple of 2 ** (levels - 1) = {2 ** (self.levels - 1)}"
            )
        if not self.networks or len(set(self.networks)) != len(self.networks):
            raise ValueError(f"networks are {list(self.networks)}; wanted at least one, each once")
        return self
