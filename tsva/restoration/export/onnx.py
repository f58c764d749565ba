"""A network as an ONNX file, and proof that it computes the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxscript.optimizer
import torch
from torch import Tensor, nn

from tsva.restoration.pair_network import TwoShotModule

OPSET = 18
"""What ONNX Runtime has read since 1.14 (2023) and today's exporter writes without conversion."""
MOST = 4.0
"""The other program may be so many times as far from the exact result as torch's own float32 is."""
EPSILON = 2.0**-23
"""Distance of float32 numbers from 1: below it nothing is distinguished in images of full scale 1."""
FLOORS = {"offset_um": 1e-4}
"""Allowed in any case: how two numbers an image are rounded is luck, and 0.1 nm is far below what they can resolve."""


class NotExportableError(Exception):
    """A network that the exporter can't write."""


class UnequalError(Exception):
    """What was written computes something else."""


@dataclass(frozen=True)
class Parity:
    """How near the written network comes to the one in memory on random pairs.

    Attributes
    ----------
    shape : (B, C, Y, X)
        Of the shots.
    output : str
        What is compared.
    difference : float
        Largest difference between both, of images in [0, 1].
    error, tolerance : float
        Largest distance of the written one from the same network in float64, and the most that was allowed: `MOST`
        times the distance of the one in memory, or `EPSILON`; see `FLOORS`.
    """

    shape: tuple[int, int, int, int]
    output: str
    difference: float
    error: float
    tolerance: float


def returned(network: TwoShotModule, low: Tensor, high: Tensor) -> tuple[Tensor, ...]:
    """What it returns, one or several."""
    with torch.no_grad():
        found = network(low, high)
    return found if isinstance(found, tuple) else (found,)


def smallest_edge(network: TwoShotModule) -> int:
    """Pixels that an exported network wants at least: its coarsest cell, and Brenner's three columns."""
    return network.image_px or max(network.multiple, 4)


def write_onnx(network: TwoShotModule, channels: int, path: Path, facts: dict[str, str]) -> None:
    """Write a network with inputs `low` and `high`, (batch, channels, height, width) each, and its outputs.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, on the CPU; see `PairNetwork.for_export`.
    channels : int
        Of an image: 1 or 3.
    path : Path
        Its graph's batch is free; height and width, too, from one cell of the network on, if they aren't fixed.
    facts : dict of str to str
        Go into the file's metadata.

    Raises
    ------
    NotExportableError
        If torch can't write it.
    """
    edge, fixed = smallest_edge(network), network.image_px
    dim = torch.export.Dim
    free = {0: dim("batch", min=1, max=2**16)}
    if not fixed:
        free |= {2: dim("height", min=edge, max=2**16), 3: dim("width", min=edge, max=2**16)}
    size = (fixed, fixed) if fixed else (3 * edge + 1, 4 * edge + 3)
    pair = tuple(torch.rand(2, channels, *size) for _ in range(2))
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                pair,
                dynamo=True,
                opset_version=OPSET,
                input_names=["low", "high"],
                output_names=list(network.outputs),
                dynamic_shapes={"low": free, "high": free},
                optimize=False,
                verbose=False,
            )
            assert program is not None
            # most nodes only compute sizes; one rule of the optimiser takes the square of their number
            onnxscript.optimizer.fold_constants(program.model)
            onnxscript.optimizer.remove_unused_nodes(program.model)
            program.optimize()
            model = program.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise NotExportableError(_innermost(error)) from error
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def check_parity(
    network: TwoShotModule, channels: int, path: Path, seed: int, written: TwoShotModule | None = None
) -> list[Parity]:
    """Send random pairs of several sizes through both.

    The one in memory is also run in float64, which shows how far float32's rounding alone takes a network of its depth
    from the exact result; the written one, which may add up in another order, has to come about as near.

    Parameters
    ----------
    network : nn.Module
        The one in memory, with the same outputs.
    channels : int
    path : Path
    seed : int
        Of the pairs.
    written : nn.Module, optional
        What was written, if that is another form of it.

    Raises
    ------
    UnequalError
        If it doesn't at one of the sizes.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    exact = deepcopy(network).double()
    random, found = torch.Generator().manual_seed(seed), []
    for batch, height, width in _sizes(written or network):
        low, high = random_pair((batch, channels, height, width), random)
        named = zip(
            network.outputs,
            returned(network, low, high),
            returned(exact, low.double(), high.double()),
            session.run(None, {"low": low.numpy(), "high": high.numpy()}),
            strict=True,
        )
        for output, ours, truth, theirs in named:
            parity = _parity((batch, channels, height, width), output, ours.numpy(), truth.numpy(), np.asarray(theirs))
            if not parity.error <= parity.tolerance:
                excess = f"{parity.error:.3g} off at {parity.shape}, with {parity.tolerance:.3g} allowed"
                raise UnequalError(f"{output}: {excess}")
            found.append(parity)
    return found


def _parity(
    shape: tuple[int, int, int, int], output: str, ours: np.ndarray, truth: np.ndarray, theirs: np.ndarray
) -> Parity:
    tolerance = max(MOST * max(float(np.abs(ours - truth).max()), EPSILON), FLOORS.get(output, 0.0))
    return Parity(shape, output, float(np.abs(theirs - ours).max()), float(np.abs(theirs - truth).max()), tolerance)


def _sizes(network: TwoShotModule) -> list[tuple[int, int, int]]:
    """(batch, height, width)"""
    edge = smallest_edge(network)
    if network.image_px:
        return [(batch, edge, edge) for batch in (1, 2, 3)]
    return [(1, edge, edge), (2, 3 * edge, 2 * edge), (3, 5 * edge + 1, 4 * edge + 3), (1, 224, 224)]


def random_pair(shape: tuple[int, int, int, int], random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two (B, C, Y, X) shots: noise in [0, 1], and the same blurred; the first is the sharper one in half of them."""
    sharp = torch.rand(shape, generator=random)
    blurred = nn.functional.avg_pool2d(sharp, 3, stride=1, padding=1, count_include_pad=False)
    swap = torch.arange(shape[0]).reshape(-1, 1, 1, 1) % 2 == 1
    return torch.where(swap, blurred, sharp), torch.where(swap, sharp, blurred)


def _innermost(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself and on packages that aren't there."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
