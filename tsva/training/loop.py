"""The training loop: steps, averaged weights, verification, and a state that a killed training resumes from."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from tsva.acquisition.draws import rng
from tsva.acquisition.pair import sharper_first
from tsva.acquisition.stack import grey_levels
from tsva.atomic import fresh_file
from tsva.restoration.checkpoint import read_sound
from tsva.restoration.pair_network import PairNetwork
from tsva.settings.train import TrainSettings
from tsva.training.dataset import (
    Batches,
    TrainingPairs,
    VerificationPairs,
    augmented,
    sensible_workers,
    training_batches,
    verification_batches,
)
from tsva.training.devices import Process
from tsva.training.muon import Muon

log = logging.getLogger(__name__)
STATE_FORMAT = 2


@dataclass(frozen=True)
class Resume:
    """Where the state of a training is written, and of which training it is.

    Attributes
    ----------
    path : Path
        Beside the outputs, not among them: Snakemake deletes the outputs of a failed job.
    fits : str
        Fingerprint of everything that the weights follow from; a state of another one is not resumed.
    every_s : float
        Written at the next step after so many seconds.
    """

    path: Path
    fits: str
    every_s: float

    def read(self) -> dict[str, Any] | None:
        """The state, where there is one that fits; why not, in the log, where there is another."""
        if not self.path.is_file():
            return None
        try:
            state = read_sound(self.path)
        except Exception as error:  # whatever zip readers and the unpickler raise
            log.warning("%s can't be read (%s): training begins anew", self.path, type(error).__name__)
            return None
        if not isinstance(state, dict) or (state.get("format"), state.get("fits")) != (STATE_FORMAT, self.fits):
            log.warning("%s is of other settings, data or code: training begins anew", self.path)
            return None
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Under its name only when complete: a kill while writing leaves the state before."""
        with fresh_file(self.path) as part:
            torch.save({"format": STATE_FORMAT, "fits": self.fits, **state}, part)

    def remove(self) -> None:
        """When the outputs are complete, nothing needs it."""
        self.path.unlink(missing_ok=True)


ROUNDING_MSE = 1 / 12 / 255**2
"""Mean squared error of rounding to 8 bits: no image of ours can be nearer to the truth."""


class DivergedError(Exception):
    """The loss is no longer a number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is no finite number at step {step}")
        self.step = step


@dataclass
class Progress:
    """How far a training has come.

    Attributes
    ----------
    step : int
        Steps taken.
    log_rows : list of dict
        ``train/<network>/log.csv``.
    best : dict or None
        Weights with the best verification PSNR so far, and their step.
    losses : list of float
        Since the last verification.
    seconds : float
        Spent, those before a resumption among them.
    """

    step: int = 0
    log_rows: list[dict[str, float | int]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Learner:
    """A network and all that its next steps depend on.

    Attributes
    ----------
    network : PairNetwork
    optimiser : Optimizer
    schedule : LRScheduler or None
        Of the learning rate.
    average : AveragedModel or None
        Exponential moving average of the weights.
    progress : Progress
    """

    network: PairNetwork[Any]
    optimiser: Optimizer
    schedule: LRScheduler | None
    average: AveragedModel | None
    progress: Progress

    @classmethod
    def fresh(cls, network: PairNetwork[Any], settings: TrainSettings, steps: int) -> Learner:
        """At its first of so many steps."""
        kind = Muon if settings.optimiser == "muon" else torch.optim.Adam
        optimiser = kind(network.parameters(), settings.learning_rate)
        schedule: LRScheduler | None = None
        if settings.schedule == "one_cycle":
            rise = 0.1 if steps > 10 else 0.3  # a tenth of ten steps is none to rise in, and a division by zero
            rate = settings.learning_rate
            schedule = OneCycleLR(optimiser, rate, total_steps=steps, pct_start=rise, cycle_momentum=False)
        average = None
        if settings.ema_decay:
            decay = get_ema_multi_avg_fn(settings.ema_decay)
            average = AveragedModel(network, multi_avg_fn=decay, use_buffers=True)
            average.requires_grad_(False)
        return cls(network, optimiser, schedule, average, Progress())

    @property
    def kept(self) -> nn.Module:
        """The network that is verified and kept."""
        return self.network if self.average is None else self.average.module

    def step(self) -> None:
        """Use the gradients."""
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.schedule is not None:
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.progress.step += 1

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on."""
        parts: dict[str, Any] = {"network": self.network, "average": self.average}
        parts |= {"optimiser": self.optimiser, "schedule": self.schedule}
        held = {name: None if part is None else part.state_dict() for name, part in parts.items()}
        return {**vars(self.progress), **held}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.progress = Progress(**{name: state[name] for name in vars(self.progress)})


def train(
    name: str,
    learner: Learner,
    settings: TrainSettings,
    training: TrainingPairs,
    verification: VerificationPairs,
    *,
    seed: int,
    process: Process,
    workers: int | None = None,
    resume: Resume | None = None,
) -> None:
    """Take the steps that are left.

    Parameters
    ----------
    name : str
        Of the network, for the log.
    learner : Learner
        Changed in place.
    settings : TrainSettings
    training, verification
        The pairs.
    seed : int
        Of the augmentation.
    process : Process
        This one, among those that train together.
    workers : int, optional
        Processes that read ahead; by default as many as pay.
    resume : Resume, optional
        Where the state is written.

    Raises
    ------
    DivergedError
        If the loss is no finite number.
    """
    network, progress, steps = learner.network, learner.progress, training.steps
    compiled = torch.cuda.is_available() if settings.compile is None else settings.compile
    forward = torch.compile(network.trained_part) if compiled else network.trained_part
    interval = math.ceil(steps / settings.verifications)
    batches = Batches(progress.step, steps, settings.batch, process.rank, process.world)
    loader = iter(training_batches(training, batches, sensible_workers(process.world) if workers is None else workers))
    began, written = time.monotonic() - progress.seconds, time.monotonic()
    silent = None if process.is_first else True  # None: a bar in a terminal alone
    with tqdm(total=steps, initial=progress.step, desc=f"train {name}", unit="step", disable=silent) as bar:
        while progress.step < steps:
            progress.seconds = time.monotonic() - began
            if resume and process.is_first and progress.step and time.monotonic() - written >= resume.every_s:
                resume.write(learner.state())
                written = time.monotonic()
            batch = next(loader)
            # the augmentation of a step follows from the seed, the step and the process alone, whatever came before
            torch.manual_seed(int(rng(seed, "augmentation", progress.step, process.rank).integers(2**63)))
            network.train()
            with process.rounding():
                low, high, target = map(process.to_device, batch[:3])
                low, high, target = augmented(low, high, target, settings)
                offset = batch[3].to(process.device)
                loss = network.training_loss(low, high, target, offset, partial(image_loss, settings.loss), forward)
            if not process.all_agree(bool(torch.isfinite(loss))):
                raise DivergedError(progress.step)
            loss.backward()
            process.average(network.parameters())
            learner.step()
            progress.losses.append(float(loss.detach()))
            bar.update()
            if progress.step % interval == 0 or progress.step == steps:
                _verify(learner, verification, process, epoch=progress.step * settings.batch // training.patches)
                if process.is_first:
                    _report(name, progress.log_rows[-1])


def image_loss(kind: Literal["mse", "log_mse"], restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, or the mean over images of its logarithm.

    Parameters
    ----------
    kind : str
    restored, target : (B, C, Y, X) float tensors
        In [0, 1].
    """
    errors = (restored - target).square().mean(dim=(1, 2, 3))
    return errors.mean() if kind == "mse" else (errors + ROUNDING_MSE).log().mean()


@torch.no_grad()
def _verify(learner: Learner, pairs: VerificationPairs, process: Process, *, epoch: int) -> None:
    """Score the kept network, add a row to the log, and keep the weights if none were better."""
    progress, kept = learner.progress, learner.kept
    kept.eval()
    scores: list[Tensor] = []
    for batch in verification_batches(pairs):
        low, high, target = map(process.to_device, batch[:3])
        with process.rounding():
            restored = kept(low, high)
        images = grey_levels(restored.float()) / 255, sharper_first(low, high)[0]
        scores.append(torch.stack([(image - target).square().mean(dim=(1, 2, 3)) for image in images]).double().cpu())
    errors, before = torch.cat(scores, dim=1)
    row = {
        "step": progress.step,
        "epoch": epoch,
        "training_loss": sum(progress.losses) / max(len(progress.losses), 1),
        "verification_loss": float(errors.mean()),
        "verification_psnr_db": float(error_psnr_db(errors).mean()),
        "verification_y1_psnr_db": float(error_psnr_db(before).mean()),
        "learning_rate": learner.optimiser.param_groups[0]["lr"],
        "seconds": round(progress.seconds, 1),
    }
    progress.log_rows.append(row)
    progress.losses = []
    if progress.best is None or row["verification_psnr_db"] > progress.best["psnr_db"]:
        weights = {name: value.detach().cpu().clone() for name, value in kept.state_dict().items()}
        progress.best = {"psnr_db": row["verification_psnr_db"], "step": progress.step, "weights": weights}


def _report(name: str, row: dict[str, float | int]) -> None:
    scores = row["verification_psnr_db"], row["verification_y1_psnr_db"]
    log.info("%s: step %d, verification PSNR %.2f dB (Y1 %.2f dB), %.0f s", name, row["step"], *scores, row["seconds"])


def error_psnr_db(errors: Tensor) -> Tensor:
    """PSNR (dB) of mean squared errors of any shape, as shares of full scale; identical images count as rounding's."""
    return -10 * torch.log10(errors.clamp_min(ROUNDING_MSE))
