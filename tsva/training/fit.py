"""Fit a network to pairs of shots."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tsva.restoration.pair_network import PairNetwork, build, network_class
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import NetworkName
from tsva.settings.train import TrainSettings
from tsva.training.dataset import TrainingPairs, VerificationPairs
from tsva.training.devices import Machine, precision, processes
from tsva.training.loop import DivergedError, Learner, Resume, train
from tsva.training.patches import PatchStacks

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


def fit(
    network: NetworkName,
    training: PatchStacks,
    verification: PatchStacks,
    settings: TrainSettings,
    seed: int,
    *,
    optics: OpticsSettings | None = None,
    machine: Machine | None = None,
    resume: Resume | None = None,
    start: Mapping[str, Tensor] | None = None,
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
    resume : Resume, optional
        Where the state is written, and resumed from if there is one; by default nowhere.
    start : mapping of str to Tensor, optional
        All weights to begin with, as of a network that was trained and prepared before; by default fresh ones.

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
    pairs, checks = (
        TrainingPairs(training, settings, seed),
        VerificationPairs(verification, settings.verification_pairs),
    )
    macs = multiply_accumulates(network, settings, training.channels)
    diverged_at, state = None, resume.read() if resume else None
    with torch.random.fork_rng(), processes(machine, precision(settings.mixed_precision)) as process:
        torch.manual_seed(seed)
        built = build(network, settings, training.channels, optics, training.pairs.delta_um)
        if start is not None:
            built.load_state_dict(start)
        elif not state:
            built.prepare(training, settings, seed)
        process.prepare(built)
        learner = Learner.fresh(built, settings, pairs.steps)
        if state:
            learner.resume(state)
            log.info("training resumes at step %d", learner.progress.step)
        try:
            train(
                network,
                learner,
                settings,
                pairs,
                checks,
                seed=seed,
                process=process,
                workers=machine.workers,
                resume=resume,
            )
        except DivergedError as error:
            diverged_at = error.step
        is_first = process.is_first
    progress = learner.progress
    if progress.best is None:
        assert diverged_at is not None
        raise DivergedError(diverged_at)
    return Fitted(
        weights=_calibrated(built, progress.best["weights"], VerificationPairs(verification, CALIBRATION_PAIRS)),
        best_step=progress.best["step"],
        steps=pairs.steps,
        log_rows=progress.log_rows,
        parameters=sum(weight.numel() for weight in built.parameters()),
        multiply_accumulates=macs,
        diverged_at=diverged_at,
        is_first_process=is_first,
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
