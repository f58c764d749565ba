"""tsva export: a trained network for other programs."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.settings.evaluation import ExportSettings

if TYPE_CHECKING:
    from tsva.restoration.export.onnx import Parity

log = logging.getLogger(__name__)


@click.command()
@click.option("--checkpoint", "path", type=click.Path(path_type=Path), required=True, help="model.ckpt of training.")
@click.option("--report", type=click.Path(path_type=Path), help="The report's summary.json, for the card's scores.")
@settings_option(settings=ExportSettings)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the package.")
def command(path: Path, report: Path | None, settings: ExportSettings, threads: int, out: Path) -> None:
    """Write a network as ONNX file and BioImage Model Zoo package, and check that they compute the same."""
    try:
        import bioimageio.spec  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            "tsva export",
            got=f"no package {error.name}",
            wanted="onnx, onnxscript, onnxruntime and bioimageio.spec",
            do="Install them: pip install 'tsva[export]'.",
        ) from None
    import torch

    from tsva.restoration.checkpoint import load
    from tsva.restoration.export.bioimage import InvalidPackageError, write_package
    from tsva.restoration.export.card import write_card
    from tsva.restoration.export.onnx import (
        NotExportableError,
        UnequalError,
        check_parity,
        write_onnx,
    )

    torch.set_num_threads(threads)
    checkpoint, summary = load(path), _summary(report)
    facts = {
        key: str(getattr(checkpoint, key))
        for key in ("network", "channels", "pixel_um", "delta_um", "offset_max_um", "step", "seed", "data")
    } | {"optics": json.dumps(checkpoint.optics)}
    try:
        with fresh_folder(out) as folder:
            network = checkpoint.restored_network()
            written = network.for_export().eval()
            write_onnx(written, checkpoint.channels, folder / "model.onnx", facts)
            complete = network.with_all_outputs()
            parities = check_parity(complete, checkpoint.channels, folder / "model.onnx", checkpoint.seed, written)
            for parity in parities:
                _tell(parity)
            card = write_card(checkpoint, parities, network.halo_px, summary, written.image_px, written.outputs)
            (folder / "README.md").write_text(card, encoding="utf-8")
            write_package(folder, checkpoint, complete, written, settings)
    except NotExportableError as error:
        raise UserError(
            str(path),
            got=f"the network {checkpoint.network}, which can't be exported: {error}",
            wanted="a network that ONNX can hold",
            do="Export another one, or use this one with tsva refocus-slide.",
        ) from None
    except UnequalError as error:
        raise UserError(
            str(path),
            got=f"an ONNX file that computes something else: {error}",
            wanted="the same results from both",
            do="Don't use the file; report this with the versions of torch, onnx and onnxruntime.",
        ) from None
    except InvalidPackageError as error:
        raise UserError(
            str(out),
            got=f"a package with faults: {error}",
            wanted="one that bioimageio.spec takes",
            do="Correct the section export of the settings (license: an SPDX identifier).",
        ) from None


def _tell(parity: Parity) -> None:
    what = f"{'×'.join(map(str, parity.shape))}, {parity.output}"
    line = (
        f"{what}: ONNX Runtime differs from torch by {parity.difference:.2e}; "
        f"from exact by {parity.error:.2e}, {parity.tolerance:.2e} allowed"
    )
    log.info(line)
    click.echo(line)


def _summary(report: Path | None) -> dict[str, Any] | None:
    if report is None:
        return None
    try:
        summary: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        if summary["version"] == 3:
            return summary
        got = f"version {summary['version']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
    raise UserError(
        str(report), got=got, wanted="the report's summary.json of version 3", do="Give results/report/summary.json."
    )
