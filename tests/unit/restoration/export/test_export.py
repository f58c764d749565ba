"""Export: the file computes what the network does, the package is valid, and what can't be exported is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from checkpoints import colour_checkpoint
from click.testing import CliRunner
from settings_file import settings_option
from torch import Tensor, nn

import tsva.restoration.export.onnx as exporting
from tsva.cli.export import command
from tsva.errors import UserError
from tsva.restoration import checkpoint
from tsva.restoration.checkpoint import Checkpoint, fresh_network, save
from tsva.restoration.export.card import WHAT, write_card
from tsva.restoration.export.onnx import (
    MOST,
    NotExportableError,
    Parity,
    UnequalError,
    check_parity,
    write_onnx,
)
from tsva.restoration.pair_network import PairNetwork, build
from tsva.settings.methods import NETWORK_NAMES, NetworkName
from tsva.settings.train import TrainSettings

SETTINGS = TrainSettings(width=2, levels=2, fusion={"width": 4, "depth": 1})
"""Small: writing a network takes torch's exporter a second a layer, whatever its width."""
OWN = {"authors": ["A. Microscopist"], "license": "CC-BY-4.0"}


def lively(name: NetworkName, channels: int = 3) -> nn.Module:
    """A network whose last convolution isn't zero and whose statistics aren't neutral."""
    torch.manual_seed(0)
    network = build(name, SETTINGS, channels)
    nn.init.normal_(network.last.weight, std=0.3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def trained(name: NetworkName, path: Path) -> Path:
    save(colour_checkpoint(name, SETTINGS, lively(name)), path)
    return path


def export(path: Path, out: Path, *more: str) -> str:
    call = ["--checkpoint", str(path), "--out", str(out), *settings_option(export=OWN), *more]
    return CliRunner().invoke(command, call, catch_exceptions=False).output


def read_package(folder: Path) -> Any:
    # here, as each process of a test run imports all files of tests, and this takes seconds
    from tsva.restoration.export import bioimage

    return bioimage.read_package(folder)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    printed = export(trained("tsva", folder / "model.ckpt"), folder / "tsva")
    assert printed.count("ONNX Runtime differs from torch by") == 4
    return folder / "tsva"


def test_the_package_is_complete_and_valid(package: Path) -> None:
    assert sorted(path.name for path in package.iterdir()) == [
        "README.md",
        "model.onnx",
        "rdf.yaml",
        "test_high.npy",
        "test_low.npy",
        "test_restored.npy",
        "weights.pt",
    ]
    assert [path.name for path in package.parent.iterdir() if path.name != "model.ckpt"] == ["tsva"]
    found = read_package(package)
    assert [tensor.id for tensor in found.inputs] == ["low", "high"] and len(found.outputs) == 1
    assert [author.name for author in found.authors] == OWN["authors"] and found.license == OWN["license"]
    assert "/" not in "".join(line for line in (package / "rdf.yaml").read_text().splitlines() if "source:" in line)


def test_a_package_with_faults_is_reported(package: Path, tmp_path: Path) -> None:
    from tsva.restoration.export.bioimage import InvalidPackageError

    text = (package / "rdf.yaml").read_text()
    for path in package.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "rdf.yaml").write_text(text.replace("tensor_id: low", "tensor_id: middle"))
    with pytest.raises(InvalidPackageError, match="middle"):
        read_package(tmp_path)


def test_a_stranger_gets_the_test_image_from_the_test_pair(package: Path) -> None:
    # As the description says: float32, times 1/255, the ONNX file, clipped to [0, 1].
    session = onnxruntime.InferenceSession(package / "model.onnx")
    pair = {name: np.load(package / f"test_{name}.npy") * np.float32(1 / 255) for name in ("low", "high")}
    (restored,) = session.run(None, pair)
    # The factor 1/255 is half a unit of the last place off what division gives; the small network passes that on.
    np.testing.assert_allclose(restored.clip(0, 1), np.load(package / "test_restored.npy"), rtol=0, atol=1e-5)
    assert restored.std() > 0.01


def test_the_state_dictionary_fits_the_class_that_the_description_names(package: Path) -> None:
    from bioimageio.spec.model.v0_5 import ArchitectureFromLibraryDescr

    held = read_package(package).weights.pytorch_state_dict
    assert held and isinstance(held.architecture, ArchitectureFromLibraryDescr)
    architecture = held.architecture
    assert (architecture.import_from, architecture.callable) == (checkpoint.__name__, fresh_network.__name__)
    network = fresh_network(**architecture.kwargs)
    network.load_state_dict(torch.load(package / "weights.pt", weights_only=True))
    low, high = (torch.from_numpy(np.load(package / f"test_{name}.npy")) / 255 for name in ("low", "high"))
    with torch.no_grad():
        restored = network.eval()(low, high).clamp(0, 1).numpy()
    np.testing.assert_array_equal(restored, np.load(package / "test_restored.npy"))


def test_the_file_says_what_it_is_for(package: Path) -> None:
    model = onnx.load(package / "model.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["network"] == "tsva" and facts["pixel_um"] == "0.345" and facts["delta_um"] == "0.5"
    assert json.loads(facts["optics"])["na"] == 0.75
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    for tensor in (*model.graph.input, *model.graph.output):
        names = [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
        assert len(names) == 4 and names[1] == 3 and all(isinstance(names[axis], str) for axis in (0, 2, 3))


@pytest.mark.parametrize(("name", "channels"), [("unet", 1), ("burst", 3), ("fusion_one_shot", 1)])
def test_every_network_computes_the_same_elsewhere(name: NetworkName, channels: int, tmp_path: Path) -> None:
    network, path = lively(name, channels), tmp_path / "model.onnx"
    written = network.for_export().eval()
    write_onnx(written, channels, path, {})
    for parity in check_parity(network.with_all_outputs(), channels, path, seed=1, written=written):
        assert parity.error <= parity.tolerance and parity.shape[1] == channels


@pytest.fixture(scope="module")
def fusion_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export_fusion")
    printed = export(trained("fusion", folder / "model.ckpt"), folder / "fusion")
    for output in ("restored", "expected_error", "offset_um"):
        assert printed.count(f"×3×224×224, {output}: ONNX Runtime differs from torch by") == 3
    return folder / "fusion"


def test_fusion_is_written_for_patches_of_one_size(fusion_package: Path) -> None:
    found = read_package(fusion_package)
    assert [axis.size for axis in found.inputs[0].axes[2:]] == [224, 224]
    assert "of 224×224 pixels" in (fusion_package / "README.md").read_text()


def test_fusions_file_tells_expected_error_and_offset_too(fusion_package: Path) -> None:
    names = ["restored", "expected_error", "offset_um"]
    assert [tensor.id for tensor in read_package(fusion_package).outputs] == names
    session = onnxruntime.InferenceSession(fusion_package / "model.onnx")
    pair = {name: np.load(fusion_package / f"test_{name}.npy") * np.float32(1 / 255) for name in ("low", "high")}
    restored, expected_error, offset_um = session.run(names, pair)
    network = checkpoint.load(fusion_package.parent / "model.ckpt").restored_network()
    shots = [torch.from_numpy(shot) for shot in pair.values()]
    with torch.no_grad():
        decision = network.decide(*shots)
        image, sd = network.with_error(*shots, decision)
    np.testing.assert_allclose(restored, image, rtol=0, atol=1e-5)
    np.testing.assert_allclose(expected_error, sd, rtol=1e-4)
    np.testing.assert_allclose(offset_um, torch.stack([decision.focal_offset_um, decision.sd_um], dim=1), rtol=1e-3)
    np.testing.assert_allclose(restored.clip(0, 1), np.load(fusion_package / "test_restored.npy"), rtol=0, atol=1e-5)
    np.testing.assert_allclose(offset_um, np.load(fusion_package / "test_offset_um.npy"), rtol=1e-3)
    assert "`offset_um` (batch, 2)" in (fusion_package / "README.md").read_text()


def test_fusions_state_dictionary_fits_the_named_class_and_tells_the_same(fusion_package: Path) -> None:
    from bioimageio.spec.model.v0_5 import ArchitectureFromLibraryDescr

    held = read_package(fusion_package).weights.pytorch_state_dict
    assert held and isinstance(held.architecture, ArchitectureFromLibraryDescr)
    network = fresh_network(**held.architecture.kwargs)
    network.load_state_dict(torch.load(fusion_package / "weights.pt", weights_only=True))
    low, high = (torch.from_numpy(np.load(fusion_package / f"test_{name}.npy")) / 255 for name in ("low", "high"))
    with torch.no_grad():
        found = network.eval()(low, high)
    for name, tensor in zip(("restored", "expected_error", "offset_um"), found, strict=True):
        wanted = np.load(fusion_package / f"test_{name}.npy")
        tensor = tensor.clamp(0, 1) if name == "restored" else tensor
        np.testing.assert_allclose(tensor, wanted, rtol=1e-3, atol=1e-5)
    # of larger images whose offset varies, the mean
    larger = network(torch.rand(1, 3, 300, 320), torch.rand(1, 3, 300, 320))
    assert [tuple(tensor.shape) for tensor in larger] == [(1, 3, 300, 320), (1, 1, 300, 320), (1, 2)]


def test_other_weights_are_noticed(package: Path) -> None:
    network = lively("tsva")
    check_parity(network, 3, package / "model.onnx", seed=1)
    with torch.no_grad():
        network.last.bias[0] += 1e-4
    with pytest.raises(UnequalError, match="allowed"):
        check_parity(network, 3, package / "model.onnx", seed=1)


def test_the_tolerance_is_what_rounding_costs_the_network_itself(package: Path) -> None:
    network = lively("tsva")
    for parity in check_parity(network, 3, package / "model.onnx", seed=2):
        assert parity.tolerance >= MOST * exporting.EPSILON
        assert parity.difference <= parity.error + parity.tolerance / MOST  # triangle inequality


class _Unwritable(PairNetwork):
    multiple = halo_px = 4

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        return low if float((low - high).sum()) > 0 else high  # a number that no graph can know


def test_what_torch_cannot_write_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotExportableError):
        write_onnx(_Unwritable(), 3, tmp_path / "model.onnx", {})
    assert not list(tmp_path.iterdir())


def test_refusals_are_a_users_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained("unet", tmp_path / "model.ckpt")
    monkeypatch.setattr(Checkpoint, "restored_network", lambda _self: _Unwritable())
    with pytest.raises(UserError, match=r"unet, which can't be exported: "):
        export(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["{}", '{"version": 9}', "not JSON", None])
def test_a_report_that_is_none_is_reported(content: str | None, tmp_path: Path) -> None:
    path, report = trained("unet", tmp_path / "model.ckpt"), tmp_path / "summary.json"
    if content is not None:
        report.write_text(content)
    with pytest.raises(UserError, match=r"summary\.json of version 3"):
        export(path, tmp_path / "out", "--report", str(report))


def scores(method: str, psnr_db: float | None) -> dict:
    return {
        "dataset": "dataset1",
        "sample": None,
        "method": method,
        "protocol": "strict",
        "target": "captured",
        "focal_offset_um": None,
        "patches": 20,
        "slides": 6,
        "psnr_db": psnr_db,
        "psnr_low_db": 33.5,
        "psnr_high_db": None,
    }


def test_the_card_says_what_it_is_made_for_and_how_well_it_does(tmp_path: Path) -> None:
    held = checkpoint.load(trained("tsva", tmp_path / "model.ckpt"))
    parities = [Parity((1, 3, 8, 8), "restored", 1e-8, 2e-8, 5e-7)]
    card = write_card(held, parities, 32, {"scores": [scores("y1", 34.0), scores("tsva", 36.126), scores("unet", 1.0)]})
    assert "| dataset1 | strict | captured | 20 | 6 | 36.13 | 33.50 to – | 34.00 |" in card
    assert "1.00 |" not in card
    for fact in ("0.345 µm", "F − 0.5 µm", "−3 to +3 µm", "| Numerical aperture | 0.75 |", "620, 540, 460 nm", "`abc`"):
        assert fact in card
    assert "No report" in write_card(held, parities, 32, None)
    assert {*WHAT} == {*NETWORK_NAMES}
