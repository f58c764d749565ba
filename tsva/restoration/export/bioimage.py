"""A package as the BioImage Model Zoo has them (bioimageio.spec, model description 0.5)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bioimageio.spec import ValidationContext, load_description, save_bioimageio_yaml_only
from bioimageio.spec.common import RelativeFilePath
from bioimageio.spec.model import v0_5 as zoo
from pydantic import ValidationError

from tsva.restoration.checkpoint import Checkpoint
from tsva.restoration.export.onnx import OPSET, random_pair, returned, smallest_edge
from tsva.restoration.pair_network import TwoShotModule
from tsva.settings.evaluation import ExportSettings

CHANNELS = {"expected_error": ["expected_error"], "offset_um": ["estimate", "standard_deviation"]}
"""Of outputs that are no image."""
MEANINGS = {
    "restored": "The image in focus, in [0, 1]",
    "expected_error": "Expected root mean square error of each pixel's colours",
    "offset_um": "Offset of F from the true focus, and its standard deviation, in µm",
}
TOLERANCE = zoo.ContinuousReproducibilityTolerance(absolute_tolerance=1e-5, relative_tolerance=1e-3)
"""Far below what is seen in an image; the specification's own would be a tenth of the expected errors."""


class InvalidPackageError(Exception):
    """What bioimageio.spec doesn't take."""


def write_package(
    folder: Path, checkpoint: Checkpoint, network: TwoShotModule, written: TwoShotModule, settings: ExportSettings
) -> None:
    """Write `rdf.yaml`, weights and test tensors beside `model.onnx` and `README.md`, which have to be there.

    Parameters
    ----------
    folder : Path
    checkpoint : Checkpoint
    network : TwoShotModule
        The one whose weights they are, with all outputs, in evaluation mode.
    written : TwoShotModule
        The same as ONNX has it.
    settings : ExportSettings

    Raises
    ------
    InvalidPackageError
        If the package doesn't stand the specification's checks.
    """
    torch.save(network.state_dict(), folder / "weights.pt")
    _write_test_tensors(folder, written, checkpoint.channels)
    with _leaving_files_open(), ValidationContext(root=folder, perform_io_checks=True):
        try:
            description = _description(checkpoint, written, settings)
        except ValidationError as error:
            raise InvalidPackageError(_listed(error.errors())) from error
        save_bioimageio_yaml_only(description, folder / "rdf.yaml")
    read_package(folder)


def read_package(folder: Path) -> zoo.ModelDescr:
    """Read a package as others would.

    Raises
    ------
    InvalidPackageError
        If bioimageio.spec finds fault with it.
    """
    with _leaving_files_open():
        found = load_description(folder / "rdf.yaml", perform_io_checks=True)
    if isinstance(found, zoo.ModelDescr):
        return found
    errors = [vars(error) for detail in found.validation_summary.details for error in detail.errors]
    raise InvalidPackageError(_listed(errors) or "a description of another kind or version")


@contextmanager
def _leaving_files_open() -> Iterator[None]:
    """The specification's readers leave closing their files to Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def _listed(errors: Sequence[Any]) -> str:
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)


def _write_test_tensors(folder: Path, network: TwoShotModule, channels: int) -> None:
    """A pair of 8-bit images and what the network makes of it."""
    edge = 4 * smallest_edge(network)
    fixed = network.image_px
    size = (fixed, fixed) if fixed else (edge, edge + 1)
    shots = random_pair((1, channels, *size), torch.Generator().manual_seed(0))
    low, high = ((shot * 255).round() for shot in shots)
    restored, *more = returned(network, low / 255, high / 255)
    names = ("low", "high", *network.outputs)
    for name, tensor in zip(names, (low, high, restored.clamp(0, 1), *more), strict=True):
        np.save(folder / f"test_{name}.npy", tensor.numpy())


def _description(checkpoint: Checkpoint, network: TwoShotModule, settings: ExportSettings) -> zoo.ModelDescr:
    torch_version = zoo.Version(torch.__version__.split("+")[0])
    return zoo.ModelDescr(
        name=f"Two-shot virtual autofocusing ({checkpoint.network})",
        description=f"Two shots {2 * checkpoint.delta_um:g} µm apart in, the image in focus out.",
        authors=[zoo.Author(name=name) for name in settings.authors],
        license=settings.license,
        tags=["2d", "brightfield", "microscopy", "autofocus", "image-restoration", "deblurring", "pytorch", "onnx"],
        documentation=zoo.FileDescr(source=_file("README.md")),
        config=zoo.Config(bioimageio=zoo.BioimageioConfig(reproducibility_tolerance=[TOLERANCE])),
        inputs=[_input("low", "−", checkpoint, network), _input("high", "+", checkpoint, network)],
        outputs=[_output(name, checkpoint, network) for name in network.outputs],
        weights=zoo.WeightsDescr(
            pytorch_state_dict=zoo.PytorchStateDictWeightsDescr(
                source=_file("weights.pt"),
                pytorch_version=torch_version,
                architecture=zoo.ArchitectureFromLibraryDescr(
                    import_from="tsva.restoration.checkpoint",
                    callable=zoo.Identifier("fresh_network"),
                    kwargs=checkpoint.plain(),
                ),
            ),
            onnx=zoo.OnnxWeightsDescr(source=_file("model.onnx"), opset_version=OPSET, parent="pytorch_state_dict"),
        ),
    )


def _input(name: str, sign: str, checkpoint: Checkpoint, network: TwoShotModule) -> zoo.InputTensorDescr:
    """8-bit images; `high` is as large as `low`."""
    free = zoo.ParameterizedSize(min=smallest_edge(network), step=1)
    size = {axis: network.image_px or (free if name == "low" else _as_low(axis)) for axis in ("y", "x")}
    scale = zoo.ScaleLinearDescr(id="scale_linear", kwargs=zoo.ScaleLinearKwargs(gain=1 / 255))
    return zoo.InputTensorDescr(
        id=zoo.TensorId(name),
        description=f"The shot at F {sign} {checkpoint.delta_um:g} µm",
        axes=[
            zoo.BatchAxis(),
            _channels(checkpoint),
            *(
                zoo.SpaceInputAxis(id=zoo.AxisId(axis), size=size[axis], unit="micrometer", scale=checkpoint.pixel_um)
                for axis in ("y", "x")
            ),
        ],
        test_tensor=zoo.FileDescr(source=_file(f"test_{name}.npy")),
        # The type is what the network wants; the specification has 8-bit images brought to it before they are scaled.
        data=zoo.IntervalOrRatioDataDescr(type="float32", range=(0, 255)),
        preprocessing=[zoo.EnsureDtypeDescr(id="ensure_dtype", kwargs=zoo.EnsureDtypeKwargs(dtype="float32")), scale],
    )


def _output(name: str, checkpoint: Checkpoint, network: TwoShotModule) -> zoo.OutputTensorDescr:
    """The restored image is clipped; other outputs come as they are."""
    channels = _named_channels(CHANNELS[name]) if name in CHANNELS else _channels(checkpoint)
    axes = (
        []
        if name == "offset_um"
        else [
            zoo.SpaceOutputAxis(
                id=zoo.AxisId(axis),
                size=network.image_px or _as_low(axis),
                unit="micrometer",
                scale=checkpoint.pixel_um,
            )
            for axis in ("y", "x")
        ]
    )
    is_image = name == "restored"
    clip = zoo.ClipDescr(id="clip", kwargs=zoo.ClipKwargs(min=0.0, max=1.0))
    return zoo.OutputTensorDescr(
        id=zoo.TensorId(name),
        description=MEANINGS[name],
        axes=[zoo.BatchAxis(), channels, *axes],
        test_tensor=zoo.FileDescr(source=_file(f"test_{name}.npy")),
        data=zoo.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0) if is_image else (None, None)),
        postprocessing=[clip] if is_image else [],
    )


def _channels(checkpoint: Checkpoint) -> zoo.ChannelAxis:
    return _named_channels(["red", "green", "blue"] if checkpoint.channels == 3 else ["grey"])


def _named_channels(names: list[str]) -> zoo.ChannelAxis:
    return zoo.ChannelAxis(channel_names=[zoo.Identifier(name) for name in names])


def _as_low(axis: str) -> zoo.SizeReference:
    return zoo.SizeReference(tensor_id=zoo.TensorId("low"), axis_id=zoo.AxisId(axis))


def _file(name: str) -> RelativeFilePath:
    return RelativeFilePath(Path(name))
