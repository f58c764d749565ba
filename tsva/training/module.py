"""The Lightning module: loss, optimiser, averaged weights, verification."""

from __future__ import annotations

import time
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tsva.acquisition.seeds import rng
from tsva.restoration.pair_network import PairNetwork
from tsva.restoration.sharper import sharper_first
from tsva.settings.pairs import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.jitter import jittered
from tsva.training.muon import Muon

ROUNDING_MSE = 1 / 12 / 255**2
"""Mean squared error of rounding to 8 bits: no image of ours can be nearer to the truth."""


class DivergedError(Exception):
    """The loss is no longer a number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is no finite number at step {step}")
        self.step = step


class Fitting(lightning.LightningModule):
    """A network on its way.

    Parameters
    ----------
    network : PairNetwork
    settings : TrainSettings
    pairs : PairsSettings
        Weights of the offsets in the verification score.
    steps : int
        Of the optimiser.
    patches : int
        An epoch's visits.
    seed : int
        Of the jitter.
    compiled : bool
        Whether training steps run through ``torch.compile``.

    Attributes
    ----------
    log_rows : list of dict
        ``train/<network>/log.csv``.
    best : dict or None
        Weights with the best verification PSNR so far, and their step.
    """

    def __init__(
        self,
        network: PairNetwork[Any],
        settings: TrainSettings,
        pairs: PairsSettings,
        *,
        steps: int,
        patches: int,
        seed: int = 0,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.network, self._settings, self._pairs = network, settings, pairs
        self._steps, self._patches, self._seed = steps, patches, seed
        self._forward = torch.compile(network) if compiled else network
        self._steps_before = 0
        average = get_ema_multi_avg_fn(settings.ema_decay) if settings.ema_decay else None
        self.averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True) if average else None
        if self.averaged:
            self.averaged.requires_grad_(False)
        self.log_rows: list[dict[str, float | int]] = []
        self.best: dict[str, Any] | None = None
        self._losses: list[float] = []
        self._scores: list[tuple[float, float]] = []
        self._began = time.monotonic()

    @property
    def step(self) -> int:
        """Steps taken, those before a resumption among them."""
        return self._steps_before + self.global_step

    @property
    def kept(self) -> nn.Module:
        """The network that is verified and kept."""
        return self.averaged.module if self.averaged else self.network

    def on_train_batch_start(self, *_: object) -> None:
        # The jitter of a step is a function of the seed, the step and the process alone, whatever came before.
        torch.manual_seed(int(rng(self._seed, "jitter", self.step, self.global_rank).integers(2**63)))

    def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
        low, high, target = (to_network(shots) for shots in batch[:3])
        low, high, target = jittered(low, high, target, self._settings)
        loss = self.network.training_loss(low, high, target, batch[3], self._image_loss, self._forward)
        if not self._all_agree(bool(torch.isfinite(loss))):
            raise DivergedError(self.step)
        self._losses.append(float(loss.detach()))
        return loss

    def _image_loss(self, restored: Tensor, target: Tensor) -> Tensor:
        errors = (restored - target).square().mean(dim=(1, 2, 3))
        return errors.mean() if self._settings.loss == "mse" else (errors + ROUNDING_MSE).log().mean()

    def on_train_batch_end(self, *_: object) -> None:
        if self.averaged:
            self.averaged.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        self.kept.eval()
        self._scores = []

    def validation_step(self, batch: tuple[Tensor, ...]) -> None:
        low, high, target = (to_network(shots) for shots in batch[:3])
        restored = eight_bits(self.kept(low, high).float())
        y1, _ = sharper_first(low, high)
        errors, before = ((image - target).square().mean(dim=(1, 2, 3)) for image in (restored, y1))
        self._scores += zip(errors.tolist(), before.tolist(), strict=True)

    def on_validation_epoch_end(self) -> None:
        errors, before = torch.tensor(self._scores, dtype=torch.float64).T
        row = {
            "step": self.step,
            "epoch": self.step * self._settings.batch // self._patches,
            "training_loss": sum(self._losses) / max(len(self._losses), 1),
            "verification_loss": float(errors.mean()),
            "verification_psnr_db": float(psnr_db(errors).mean()),
            "verification_y1_psnr_db": float(psnr_db(before).mean()),
            "learning_rate": self.optimizers().param_groups[0]["lr"],  # type: ignore[union-attr]
            "seconds": round(self._seconds, 1),
        }
        self.log_rows.append(row)
        self._losses = []
        if self.best is None or row["verification_psnr_db"] > self.best["psnr_db"]:
            weights_now = {name: value.detach().cpu().clone() for name, value in self.kept.state_dict().items()}
            self.best = {"psnr_db": row["verification_psnr_db"], "step": self.step, "weights": weights_now}

    def configure_optimizers(self) -> Any:
        kind = Muon if self._settings.optimiser == "muon" else torch.optim.Adam
        optimiser = kind(self.network.parameters(), self._settings.learning_rate)
        if self._settings.schedule == "constant":
            return optimiser
        rise = 0.1 if self._steps > 10 else 0.3  # a tenth of ten steps is none to rise in, and a division by zero
        schedule: LRScheduler = OneCycleLR(
            optimiser, self._settings.learning_rate, total_steps=self._steps, pct_start=rise, cycle_momentum=False
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on, but the optimiser and its schedule."""
        return {
            "step": self.step,
            "weights": self.state_dict(),
            "log_rows": self.log_rows,
            "best": self.best,
            "losses": self._losses,
            "seconds": self._seconds,
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.load_state_dict(state["weights"])
        self._steps_before, self.log_rows, self.best = state["step"], state["log_rows"], state["best"]
        self._losses, self._began = state["losses"], time.monotonic() - state["seconds"]

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _all_agree(self, decision: bool) -> bool:
        """Whether it is so in all processes: one that stopped alone would leave the others waiting for it."""
        return self.trainer.strategy.reduce_boolean_decision(decision) if self._trainer else decision


def to_network(shots: Tensor) -> Tensor:
    """(B, C, Y, X) uint8 to float in [0, 1], channels last in memory."""
    return shots.to(memory_format=torch.channels_last).float() / 255


def eight_bits(images: Tensor) -> Tensor:
    """Clipped to [0, 1] and rounded to 8 bits, still in [0, 1]."""
    return (images.clamp(0, 1) * 255).round() / 255


def psnr_db(errors: Tensor) -> Tensor:
    """PSNR of mean squared errors in units of the full range; identical images count as rounding's."""
    return -10 * torch.log10(errors.clamp_min(ROUNDING_MSE))
