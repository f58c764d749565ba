"""What runs a network on tiles: ONNX Runtime on a CPU where it can, else torch.

On one core ONNX Runtime takes a third of torch's time for the U-shaped networks, and computes the same to rounding.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tsva.restoration.pair_network import SharperShot, SharperShotNetwork

log = logging.getLogger(__name__)
OPSET = 18
PARITY = 1e-5
"""Of images in [0, 1]: ONNX Runtime is used if it is nearer to torch than this."""
TRIAL_PX = 96
"""Edge of the pair that both are compared on, in round numbers; rounded up to the network's cells."""


class Runtime(Protocol):
    """A network whose Y1 is given, ready to run on tiles.

    Attributes
    ----------
    name : str
        For people and provenance.
    core_px : int
        Edge of the tiles' cores that it is fastest with, without the overlap.
    """

    name: str
    core_px: int

    def __call__(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Restore.

        Parameters
        ----------
        first, second : (B, C, Y, X) float32 arrays
            Y1 and Y2 in [0, 1]; edges are multiples of the network's.

        Returns
        -------
        restored : (B, C, Y, X) float32 array
            Not clipped.
        expected_error : (B, 1, Y, X) float32 array or None
            Root mean square error expected of each pixel, where the network estimates it.
        """
        ...


class TorchRuntime:
    """Torch itself, on the device where the network is."""

    def __init__(self, network: SharperShotNetwork) -> None:
        self._network = _Ordered(network)
        self._device = next(network.parameters()).device
        self.name = f"torch {torch.__version__} on {self._device.type}"
        # a CPU's caches hold the activations of small tiles alone
        self.core_px = 256 if self._device.type == "cpu" else 1024

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        shots = (torch.from_numpy(shot).to(self._device) for shot in (first, second))
        found = self._network(*(s.contiguous(memory_format=torch.channels_last) for s in shots))
        return _image_and_error([np.asarray(each.cpu().numpy()) for each in found])


class OnnxRuntime:
    """ONNX Runtime on the CPU.

    Raises
    ------
    ImportError
        If it is not installed.
    """

    core_px = 1024

    def __init__(self, network: SharperShotNetwork, channels: int, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(
            onnx_of(network, channels), options, providers=["CPUExecutionProvider"]
        )
        self.name = f"ONNX Runtime {onnxruntime.__version__} on cpu"

    def __call__(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return _image_and_error(
            [np.asarray(each) for each in self._session.run(None, {"first": first, "second": second})]
        )


def _image_and_error(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    return outputs[0], outputs[1] if len(outputs) > 1 else None


class _Ordered(nn.Module):
    """The network on shots of which the first is Y1: the image, and its expected error where there is one."""

    def __init__(self, network: SharperShotNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        decided = SharperShot(torch.zeros(first.shape[0], dtype=torch.bool, device=first.device))
        restored, error = self.network.with_error(first, second, decided)
        return (restored,) if error is None else (restored, error)


def runtime_of(network: SharperShotNetwork, channels: int, threads: int = 1) -> Runtime:
    """The fastest runtime there is for a network, proven equal to torch on a random pair.

    Parameters
    ----------
    network : SharperShotNetwork
        In evaluation mode; on a GPU, torch runs it there.
    channels : int
        Of an image: 1 or 3.
    threads : int
        Of the CPU.
    """
    own = TorchRuntime(network)
    if next(network.parameters()).device.type != "cpu":
        return own
    try:
        other = OnnxRuntime(network, channels, threads)
    except ImportError:
        log.info("ONNX Runtime is not installed: torch runs the network, in up to three times the time")
        return own
    distance = _distance(own, other, channels, network.multiple)
    if not distance <= PARITY:
        log.warning("ONNX Runtime is %.2g off, more than %.2g: torch runs the network", distance, PARITY)
        return own
    return other


def _distance(own: Runtime, other: Runtime, channels: int, multiple: int) -> float:
    edge = -(-TRIAL_PX // multiple) * multiple
    pair = np.random.default_rng(1).random((2, 1, channels, edge, edge + multiple), dtype=np.float32)
    found = zip(own(*pair), other(*pair), strict=True)
    return max(float(np.abs(one - two).max()) for one, two in found if one is not None and two is not None)


def onnx_of(network: SharperShotNetwork, channels: int) -> bytes:
    """The network as an ONNX graph with inputs `first` (Y1) and `second`, for any size in whole cells.

    Its outputs are `restored` and, where the network estimates it, `expected_error`.

    Written by tracing, which takes half a second; `tsva.restoration.export.onnx` writes files for other programs, in
    twenty times the time.
    """
    edge, written = 4 * network.multiple, io.BytesIO()
    shots = tuple(torch.zeros(1, channels, edge, edge + network.multiple) for _ in range(2))
    free, ordered = {2: "height", 3: "width"}, _Ordered(network).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's remarks on sizes, which are whole cells here, and on its age
        torch.onnx.export(
            ordered,
            shots,
            written,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["first", "second"],
            output_names=["restored", "expected_error"][: len(ordered(*shots))],
            dynamic_axes={"first": free, "second": free},
        )
    return written.getvalue()
