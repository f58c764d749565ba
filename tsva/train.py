"""Fit a network to pairs of shots."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from tsva.networks import build
from tsva.settings.train import NetworkName, TrainSettings
from tsva.training.module import DivergedError, Fitting
from tsva.training.patches import PatchStacks
from tsva.training.visits import VerificationPairs, Visits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it came about.

    Attributes
    ----------
    weights : dict of str to Tensor
        Of the step with the best verification PSNR.
    best_step, steps : int
    log_rows : list of dict
        ``train/<network>/log.csv``.
    parameters, multiply_accumulates : int
        Size of the network, and its arithmetic for a pair of 224×224 pixels.
    diverged_at : int or None
        Step at which the loss was no longer a number, where it was so; the weights are the best before.
    """

    weights: dict[str, Tensor]
    best_step: int
    steps: int
    log_rows: list[dict[str, float | int]]
    parameters: int
    multiply_accumulates: int
    diverged_at: int | None = None


def fit(
    network: NetworkName, training: PatchStacks, verification: PatchStacks, settings: TrainSettings, seed: int
) -> Fitted:
    """Train a network.

    Parameters
    ----------
    network : str
        One of `tsva.networks.NETWORKS`.
    training, verification : PatchStacks
        What is trained on, and what chooses the best step.
    settings : TrainSettings
    seed : int
        Weights, order, offsets, crops and turns follow from it alone.

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        If there are no patches, or they are smaller than the crop.
    """
    if not len(training) or not len(verification):
        raise ValueError(f"{len(training)} training and {len(verification)} verification patches; wanted some of both")
    if settings.crop_px is not None and settings.crop_px > min(size for a in training.arrays for size in a.shape[2:4]):
        raise ValueError(f"crop_px is {settings.crop_px}, larger than a patch")
    visits = Visits(training, settings, seed)
    pairs = VerificationPairs(verification, settings.verification_pairs)
    macs = multiply_accumulates(network, settings, training.channels)
    diverged_at = None
    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(seed)
        built = build(network, settings, training.channels)
        module = Fitting(built, settings, training.pairs, steps=visits.steps, patches=len(training))
        loaders = DataLoader(visits, batch_size=settings.batch), DataLoader(pairs, batch_size=8)
        try:
            _trainer(settings, visits.steps, network).fit(module, *loaders)
        except DivergedError as error:
            diverged_at = error.step
    assert module.best is not None
    return Fitted(
        weights=module.best["weights"], best_step=module.best["step"], steps=visits.steps, log_rows=module.log_rows,
        parameters=sum(weight.numel() for weight in built.parameters()), multiply_accumulates=macs,
        diverged_at=diverged_at,
    )  # fmt: skip


def multiply_accumulates(network: NetworkName, settings: TrainSettings, channels: int, edge_px: int = 224) -> int:
    """Multiply-accumulates of convolutions for a pair of square shots (on the meta device: nothing is computed)."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        shots = torch.zeros(1, channels, edge_px, edge_px)
        build(network, settings, channels).eval()(shots, shots)
    return int(counter.get_total_flops()) // 2


def _trainer(settings: TrainSettings, steps: int, name: str) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="auto", devices=1, precision=_precision(), max_epochs=1, num_sanity_val_steps=0,
        val_check_interval=math.ceil(steps / settings.verifications), logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, callbacks=[_Progress(name)],
    )  # fmt: skip


def _precision() -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 where the hardware multiplies it natively: half the time; elsewhere it would be slower than float32."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "32-true"


class _Progress(Callback):
    """A bar in a terminal, and a line in the log at each verification."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: tqdm | None = None

    def on_train_start(self, trainer: lightning.Trainer, *_: object) -> None:
        self._bar = tqdm(total=int(trainer.num_training_batches), desc=f"train {self._name}", unit="step", disable=None)

    def on_train_batch_end(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_validation_end(self, *of: lightning.Trainer | lightning.LightningModule) -> None:
        module = of[1]
        assert isinstance(module, Fitting)
        row = module.log_rows[-1]
        log.info(
            "%s: step %d, verification PSNR %.2f dB (Y1 %.2f dB), %.0f s",
            self._name, row["step"], row["verification_psnr_db"], row["verification_y1_psnr_db"], row["seconds"],
        )  # fmt: skip

    def teardown(self, *_: object, **__: object) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's greetings and advice; its errors still come."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
