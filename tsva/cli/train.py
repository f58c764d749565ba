"""tsva train: fit a network to the training pairs."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from tsva.atomic import fresh_file, fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.pipeline.fingerprint import code_digest
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.methods import METHODS, NETWORK_NAMES
from tsva.settings.train import TrainSettings
from tsva.stage_files import read_table

if TYPE_CHECKING:
    from tsva.training.devices import Machine
    from tsva.training.fit import Fitted
    from tsva.training.loop import Resume

log = logging.getLogger(__name__)


@click.command()
@click.option("--network", required=True, help=f"Which network: {', '.join(NETWORK_NAMES)}.")
@settings_option(settings=TrainSettings, pairs=PairsSettings, optics=OpticsSettings)
@click.option("--seed", type=int, required=True, help="Of weights, order, offsets, crops and turns.")
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/train.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--devices", default="auto", show_default=True, help="GPUs of each node (processes, without); auto: all.")
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Start one task a device.")
@click.option("--workers", type=click.IntRange(min=0), help="Processes that read ahead for each device.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for model.ckpt and its logs.")
def command(
    network: str,
    settings: TrainSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    seed: int,
    table: Path,
    results: Path,
    threads: int,
    devices: str,
    nodes: int,
    workers: int | None,
    out: Path,
) -> None:
    """Train a network and keep the step that verifies best.

    A training that was killed goes on from the state beside --out, as if nothing had happened.
    """
    import torch

    from tsva.training.devices import precision
    from tsva.training.fit import fit
    from tsva.training.loop import DivergedError
    from tsva.training.patches import data_digest, read_patches

    _check(network, settings, pairs)
    torch.set_num_threads(threads)
    rows = read_table(table)
    training, verification = (
        read_patches(rows, table, results, pairs, split, targets=settings.targets)
        for split in ("training", "verification")
    )
    pixel_um, data = _pixel_um(rows, table), data_digest(rows, results)
    machine = _machine(settings, devices, nodes, workers)
    resume = _resume(out, network, settings, pairs, optics, seed, data)
    rounded = precision(settings.mixed_precision)
    log.info("%s: %d training and %d verification patches, %s", network, len(training), len(verification), rounded)
    began = time.monotonic()
    try:
        fitted = fit(network, training, verification, settings, seed, optics=optics, machine=machine, resume=resume)
    except DivergedError as error:
        resume.remove()
        raise _diverged(network, error.step, "No step had been verified before.") from None
    if not fitted.is_first_process:
        return
    summary = {
        "network": network,
        "recipe": settings.recipe,
        "training_patches": len(training),
        "verification_patches": len(verification),
        **_facts(fitted),
        "seconds": round(time.monotonic() - began, 1),
        "threads": threads,
        "devices": machine.devices * machine.nodes,
        "precision": rounded,
        "seed": seed,
        "data": data,
    }
    card = {
        "network": network,
        "settings": settings.model_dump(mode="json"),
        "channels": training.channels,
        "pixel_um": pixel_um,
        "delta_um": pairs.delta_um,
        "offset_max_um": pairs.offset_max_um,
        "optics": optics.model_dump(mode="json"),
        "step": fitted.best_step,
        "seed": seed,
        "data": data,
        "weights": fitted.weights,
        "colours": colours.plain() if (colours := training.colours(settings.stain_jitter)) else {},
    }
    if fitted.diverged_at is not None:
        resume.remove()
        _give_up(out, card, fitted)
    _write(out, card, fitted, summary)
    resume.remove()


def _check(network: str, settings: TrainSettings, pairs: PairsSettings) -> None:
    """Whether there is such a network, and its crops fit into patches.

    Raises
    ------
    UserError
        Names the option or the key.
    """
    if network not in NETWORK_NAMES:
        raise UserError(
            "--network", got=repr(network), wanted=f"one of {', '.join(NETWORK_NAMES)}", do="Correct train.networks."
        )
    if settings.crop_px is not None and settings.crop_px > pairs.patch_px:
        raise UserError(
            "settings, key train.crop_px",
            got=str(settings.crop_px),
            wanted=f"at most pairs.patch_px ({pairs.patch_px})",
            do="Correct either key.",
        )


def _machine(settings: TrainSettings, devices: str, nodes: int, workers: int | None) -> Machine:
    """The devices asked for; "auto": as many of those that this process sees as share a batch evenly."""
    from tsva.training.devices import Machine, visible_devices

    visible = visible_devices()
    if devices == "auto":
        fitting = [number for number in range(1, visible + 1) if settings.batch % (number * nodes) == 0]
        number = max(fitting, default=1)
    elif devices.isdecimal() and int(devices):
        number = int(devices)
    else:
        raise UserError("--devices", got=repr(devices), wanted="auto or a number from 1", do="Correct the option.")
    if settings.batch % (number * nodes):
        raise UserError(
            "settings, key train.batch",
            got=str(settings.batch),
            wanted=f"a multiple of {number * nodes} ({number} devices × {nodes} nodes), which share it evenly",
            do="Correct the key, or --devices and --nodes.",
        )
    if number * nodes > 1:
        log.info("%d devices × %d nodes, %d pairs a step each", number, nodes, settings.batch // (number * nodes))
    return Machine(number, nodes, workers)


def _resume(
    out: Path, network: str, settings: TrainSettings, pairs: PairsSettings, optics: OpticsSettings, seed: int, data: str
) -> Resume:
    """Where the state lies (beside the outputs, which Snakemake deletes when a job fails), and what it has to fit."""
    import torch

    from tsva.training.loop import Resume

    what = {
        "network": network,
        "settings": settings.model_dump(mode="json", exclude={"networks", "state_every_s"}),
        "pairs": pairs.model_dump(mode="json"),
        "optics": optics.model_dump(mode="json"),
        "seed": seed,
        "data": data,
        "code": [code_digest(__name__), code_digest(METHODS[network].place.partition(":")[0])],
        "torch": torch.__version__,
    }
    fits = hashlib.sha256(json.dumps(what, sort_keys=True).encode("utf-8")).hexdigest()
    return Resume(out.with_name(f"{out.name}.state.ckpt"), fits, settings.state_every_s)


def _write(out: Path, card: dict[str, Any], fitted: Fitted, summary: dict[str, Any]) -> None:
    from tsva.restoration.checkpoint import Checkpoint, save

    with fresh_folder(out) as folder:
        save(Checkpoint(**card), folder / "model.ckpt")
        pd.DataFrame(fitted.log_rows).to_csv(folder / "log.csv", index=False)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _give_up(out: Path, card: dict[str, Any], fitted: Fitted) -> None:
    """Keep the last good checkpoint beside the folder, and say so."""
    from tsva.restoration.checkpoint import Checkpoint, save

    kept = out.with_name(f"{out.name}.last_good.ckpt")
    with fresh_file(kept) as path:
        save(Checkpoint(**card), path)
    raise _diverged(card["network"], fitted.diverged_at, f"The weights of step {fitted.best_step} are in {kept}.")


def _diverged(network: str, step: int | None, kept: str) -> UserError:
    return UserError(
        f"training of {network}",
        got=f"a loss that is no finite number at step {step}",
        wanted="a loss that falls",
        do=f"Lower train.learning_rate. {kept}",
    )


def _facts(fitted: Fitted) -> dict[str, float]:
    """Size of the network, and its scores at the step that was kept."""
    best = next(row for row in fitted.log_rows if row["step"] == fitted.best_step)
    return {
        "parameters": fitted.parameters,
        "multiply_accumulates_224": fitted.multiply_accumulates,
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "verification_psnr_db": float(best["verification_psnr_db"]),
        "verification_y1_psnr_db": float(best["verification_y1_psnr_db"]),
    }


def _pixel_um(rows: pd.DataFrame, table: Path) -> float:
    """The pixel size that all patches share: a network learns blur in pixels."""
    smallest, largest = float(rows["pixel_um"].min()), float(rows["pixel_um"].max())
    if largest > 1.02 * smallest:
        raise UserError(
            f"{table}, column pixel_um",
            got=f"{smallest:g} to {largest:g} µm",
            wanted="one pixel size for all training slides",
            do="Resample the slides to one pixel size, or train on those of one size.",
        )
    return round((smallest + largest) / 2, 6)
