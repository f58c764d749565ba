"""Fit a network to pairs of shots."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from tsva.restoration.pair_network import PairNetwork, build, network_class
from tsva.settings.methods import NetworkName
from tsva.settings.optics import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.training.loading import Loading, sensible_workers
from tsva.training.module import DivergedError, Fitting
from tsva.training.patches import PatchStacks
from tsva.training.state import Keeper, Keeping
from tsva.training.visits import VerificationPairs, Visits

log = logging.getLogger(__name__)
CALIBRATION_PAIRS = 100
"""At most so many verification pairs are restored for what is fitted to them in the end."""


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
    is_first_process : bool
        Of several that trained together, the one that has to write.
    """

    weights: dict[str, Tensor]
    best_step: int
    steps: int
    log_rows: list[dict[str, float | int]]
    parameters: int
    multiply_accumulates: int
    diverged_at: int | None = None
    is_first_process: bool = True


@dataclass(frozen=True)
class Machine:
    """What a training runs on; the same network comes out but for the rounding of sums and the draws of noise.

    Attributes
    ----------
    devices : int
        GPUs of a node, or processes where there is none; `visible_devices` says how many there are.
    nodes : int
    workers : int or None
        Processes that read ahead for each device; None: as many as pay.
    """

    devices: int = 1
    nodes: int = 1
    workers: int | None = None


def fit(
    network: NetworkName,
    training: PatchStacks,
    verification: PatchStacks,
    settings: TrainSettings,
    seed: int,
    *,
    optics: OpticsSettings | None = None,
    machine: Machine | None = None,
    keeping: Keeping | None = None,
) -> Fitted:
    """Train a network.

    Parameters
    ----------
    network : str
        One of `tsva.settings.methods.NETWORK_NAMES`.
    training, verification : PatchStacks
        What is trained on, and what chooses the best step.
    settings : TrainSettings
    seed : int
        Weights, order, offsets, crops and turns follow from it alone.
    optics : OpticsSettings, optional
        Nominal optics, which some networks are built for; by default the settings' own.
    machine : Machine, optional
        By default one device.
    keeping : Keeping, optional
        Where the state is kept, and taken up from if there is one; by default nowhere.

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        If there are no patches, they are smaller than the crop, or a batch can't be shared evenly by the devices.
    DivergedError
        If the loss was no number before the first verification.
    """
    machine, settings = machine or Machine(), settings.for_network(network)
    if not len(training) or not len(verification):
        raise ValueError(f"{len(training)} training and {len(verification)} verification patches; wanted some of both")
    if settings.crop_px is not None and settings.crop_px > min(size for a in training.arrays for size in a.shape[2:4]):
        raise ValueError(f"crop_px is {settings.crop_px}, larger than a patch")
    if settings.batch % (machine.devices * machine.nodes):
        raise ValueError(f"batch is {settings.batch}, no multiple of {machine.devices} devices × {machine.nodes} nodes")
    visits = Visits(training, settings, seed)
    pairs = VerificationPairs(verification, settings.verification_pairs)
    macs = multiply_accumulates(network, settings, training.channels)
    diverged_at, state = None, keeping.read() if keeping else None
    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(seed)
        built = build(network, settings, training.channels, optics, training.pairs.delta_um)
        if not state:
            built.prepare(training, settings, seed)
        compiled = torch.cuda.is_available() if settings.compile is None else settings.compile
        module = Fitting(
            built, settings, training.pairs, steps=visits.steps, patches=len(training), seed=seed, compiled=compiled
        )
        if state:
            module.take_up(state)
        interval = math.ceil(visits.steps / settings.verifications)
        workers = sensible_workers(machine.devices) if machine.workers is None else machine.workers
        loading = Loading(visits, pairs, batch=settings.batch, interval=interval, workers=workers)
        callbacks: list[Callback] = [_Progress(network, visits.steps), *([Keeper(keeping, state)] if keeping else [])]
        trainer = _trainer(machine, math.ceil(visits.steps / interval) - module.step // interval, callbacks)
        try:
            trainer.fit(module, datamodule=loading)
        except DivergedError as error:
            diverged_at = error.step
    if module.best is None:
        assert diverged_at is not None
        raise DivergedError(diverged_at)
    weights = _calibrated(built, module.best["weights"], VerificationPairs(verification, CALIBRATION_PAIRS))
    return Fitted(
        weights=weights,
        best_step=module.best["step"],
        steps=visits.steps,
        log_rows=module.log_rows,
        parameters=sum(weight.numel() for weight in built.parameters()),
        multiply_accumulates=macs,
        diverged_at=diverged_at,
        is_first_process=trainer.is_global_zero,
    )


def _calibrated(built: PairNetwork[Any], weights: dict[str, Tensor], pairs: VerificationPairs) -> dict[str, Tensor]:
    """The weights with what a network fits to verification pairs in the end."""
    built.cpu().load_state_dict(weights)
    built.calibrate(pairs)
    return {name: value.detach().clone() for name, value in built.state_dict().items()}


def multiply_accumulates(network: NetworkName, settings: TrainSettings, channels: int, edge_px: int = 224) -> int:
    """Multiply-accumulates for a pair of square shots: convolutions (U-shaped networks: nothing is computed), and what
    a network says of its Fourier transforms."""
    device = "meta" if network_class(network).runs_on_meta else "cpu"
    with torch.device(device), torch.no_grad(), FlopCounterMode(display=False) as counter:
        shots = torch.zeros(1, channels, edge_px, edge_px)
        built = build(network, settings, channels)
        built.eval()(shots, shots)
    return int(counter.get_total_flops()) // 2 + built.extra_arithmetic(edge_px, edge_px)


def visible_devices() -> int:
    """GPUs that this process may use, or 1 where there is none."""
    return max(1, torch.cuda.device_count())


def _trainer(machine: Machine, verifications: int, callbacks: list[Callback]) -> lightning.Trainer:
    """Lightning's epochs run from one verification to the next, so that a resumed training can begin in between."""
    several = machine.devices * machine.nodes > 1
    return lightning.Trainer(
        accelerator="auto",
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy="ddp" if several else "auto",
        plugins=[LightningEnvironment()] if _one_task_for_all(machine) else None,
        # Statistics of the whole batch, as one device has them; for CPUs there is no such thing.
        sync_batchnorm=several and torch.cuda.is_available(),
        use_distributed_sampler=False,
        precision=precision(),
        max_epochs=verifications,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=callbacks,
    )


def _one_task_for_all(machine: Machine) -> bool:
    """Whether this is Slurm's only task though there are several devices: Lightning then has to start the others."""
    return machine.nodes == 1 < machine.devices and os.environ.get("SLURM_NTASKS", "1") == "1"


def precision() -> Literal["bf16-mixed", "32-true"]:
    """What this machine trains in: bfloat16 where it multiplies that natively (half the time), elsewhere float32."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "32-true"


class _Progress(Callback):
    """A bar in a terminal, and a line in the log at each verification."""

    def __init__(self, name: str, steps: int) -> None:
        self._name, self._steps = name, steps
        self._bar: tqdm | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Fitting)
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=self._steps, initial=pl_module.step, desc=f"train {self._name}", unit="step", disable=None
            )

    def on_train_batch_end(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Fitting)
        if not trainer.is_global_zero:
            return
        row = pl_module.log_rows[-1]
        log.info(
            "%s: step %d, verification PSNR %.2f dB (Y1 %.2f dB), %.0f s",
            self._name,
            row["step"],
            row["verification_psnr_db"],
            row["verification_y1_psnr_db"],
            row["seconds"],
        )

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
