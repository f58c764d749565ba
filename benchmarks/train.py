"""Training: speed against a plain PyTorch loop and the machine's peak; learning against CAREamics on the same pairs.

    python benchmarks/train.py [--results results] [--seconds 90] [--networks unet_residual] [--steps 12]

Prints one JSON object. `results` holds pairs/train.tsv, as `snakemake --cores all results/pairs/train.tsv` makes it of
the embedded phantom. One thread; times are of the processor, verification left out. CAREamics is no dependency: where
it can't be imported its part is null, with the reason. In an environment beside this one, on the same torch:

    python -m venv --system-site-packages bench   (or a .pth file that names this environment's site-packages)
    bench/bin/pip install --no-deps careamics bioimageio.core microssim zarr numcodecs donfig google-crc32c xarray

`--no-deps`, since CAREamics 0.3.5 asks for torchvision ≤ 0.26, which brings torch 2.11 and CUDA in place of torch 2.13;
newer builds of torchvision don't load beside a CPU build of torch. It uses torchvision in its variational autoencoder
alone, which isn't used here, so that an empty stand-in is put in its place. It takes one input, Y1, so that
unet_residual is its equal; tsva sees both shots. Six minutes on a core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torchmetrics  # noqa: F401  (before the stand-in for torchvision, which it would ask for more)
from torch import Tensor
from torch.utils.data import DataLoader

from tsva.acquisition.pair import sharper_first
from tsva.acquisition.stack import grey_levels
from tsva.restoration.pair_network import build
from tsva.settings.acquisition import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.dataset import Batches, TrainingPairs, VerificationPairs
from tsva.training.devices import Process
from tsva.training.fit import fit, multiply_accumulates
from tsva.training.loop import ROUNDING_MSE, Learner, error_psnr_db
from tsva.training.patches import PatchStacks, read_patches

SEED = 1
PAIRS = PairsSettings()
CHECKS = 5
VERIFICATION_PAIRS = 33
CAREAMICS_PAIRS = 3
"""Offsets of each training patch in CAREamics' arrays, from the same quotas as ours; it crops and turns them itself."""


def peak_gflops(edge: int = 1536) -> float:
    """Float32 matrix multiplication, the best of several."""
    a, b, best = torch.rand(edge, edge), torch.rand(edge, edge), float("inf")
    for _ in range(6):
        start = time.process_time()
        a @ b
        best = min(best, time.process_time() - start)
    return 2 * edge**3 / best / 1e9


def our_steps(
    network: str, training: PatchStacks, verification: PatchStacks, settings: TrainSettings
) -> tuple[list[float], list]:
    """Processor time of each step of `tsva.training.fit.fit` (verification left out), and its log."""
    spent: list[float] = []
    began = [0.0]
    next_batch, step = TrainingPairs.__getitem__, Learner.step

    def reads(self: TrainingPairs, pair: int) -> object:
        if pair % settings.batch == 0:
            began[0] = time.process_time()
        return next_batch(self, pair)

    def steps(self: Learner) -> None:
        step(self)
        spent.append(time.process_time() - began[0])

    TrainingPairs.__getitem__, Learner.step = reads, steps  # type: ignore[method-assign, assignment]
    try:
        fitted = fit(network, training, verification, settings, SEED)  # type: ignore[arg-type]
    finally:
        TrainingPairs.__getitem__, Learner.step = next_batch, step  # type: ignore[method-assign]
    return spent, fitted.log_rows


def on_cpu(shots: Tensor) -> Tensor:
    """(B, C, Y, X) uint8 to float in [0, 1]."""
    return Process(0, 1, torch.device("cpu")).to_device(shots)


def plain_steps(network: str, training: PatchStacks, settings: TrainSettings) -> list[float]:
    """The same network, crops, loss and optimiser in a loop of its own: no jitter, no average, no framework."""
    assert settings.steps is not None
    torch.manual_seed(SEED)
    model = build(network, settings, training.channels)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    loader = iter(
        DataLoader(TrainingPairs(training, settings, SEED), batch_sampler=Batches(0, settings.steps, settings.batch))
    )
    spent = []
    for _ in range(settings.steps):
        start = time.process_time()
        low, high, target, _ = next(loader)
        restored = model(on_cpu(low), on_cpu(high))
        loss = ((restored - on_cpu(target)).square().mean(dim=(1, 2, 3)) + ROUNDING_MSE).log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        float(loss)
        spent.append(time.process_time() - start)
    return spent


def speed(network: str, training: PatchStacks, verification: PatchStacks, steps: int, peak: float) -> dict[str, object]:
    """Patches a second of both, by the median step, and shares of the peak (backward counts twice forward)."""
    settings = TrainSettings(steps=steps, verifications=1, verification_pairs=1)
    ours, _ = our_steps(network, training, verification, settings)
    plain = plain_steps(network, training, settings)
    gflop = 6 * multiply_accumulates(network, settings, training.channels, settings.crop_px or 224) / 1e9  # type: ignore[arg-type]
    per_second = {
        name: settings.batch / float(np.median(times[1:])) for name, times in (("ours", ours), ("plain", plain))
    }
    return {
        "network": network,
        "crop_px": settings.crop_px,
        "batch": settings.batch,
        "steps": steps,
        "patches_per_s": round(per_second["ours"], 1),
        "plain_loop_patches_per_s": round(per_second["plain"], 1),
        "ratio": round(per_second["ours"] / per_second["plain"], 3),
        "share_of_peak": round(per_second["ours"] * gflop / peak, 3),
        "plain_loop_share_of_peak": round(per_second["plain"] * gflop / peak, 3),
    }


def our_curve(
    network: str, training: PatchStacks, verification: PatchStacks, seconds: float, step_s: float
) -> tuple[list, float]:
    """(seconds, PSNR) at each verification, the schedule made for so many seconds; and Y1's PSNR."""
    steps = max(CHECKS, round(seconds / step_s))
    settings = TrainSettings(steps=steps, verifications=CHECKS, verification_pairs=VERIFICATION_PAIRS)
    spent, rows = our_steps(network, training, verification, settings)
    curve = [(round(sum(spent[: row["step"]]), 1), round(row["verification_psnr_db"], 3)) for row in rows]
    return curve, round(rows[0]["verification_y1_psnr_db"], 3)


def verification_batches(verification: PatchStacks) -> list[tuple[Tensor, Tensor]]:
    """Y1 and target of our verification pairs."""
    batches = []
    for low, high, target, _ in DataLoader(VerificationPairs(verification, VERIFICATION_PAIRS), batch_size=8):
        y1, _ = sharper_first(on_cpu(low), on_cpu(high))
        batches.append((y1, on_cpu(target)))
    return batches


def y1_pairs(training: PatchStacks) -> tuple[np.ndarray, np.ndarray]:
    """(S, Y, X, C) float32 arrays in [0, 255]: the sharper shot and the target, whole patches."""
    settings = TrainSettings(crop_px=None, flips=False, epochs=CAREAMICS_PAIRS, steps=None, batch=1)
    pairs = TrainingPairs(training, settings, SEED)
    inputs, targets = [], []
    for pair in range(len(pairs)):
        low, high, target, _ = pairs[pair]
        y1, _ = sharper_first(low[None].float(), high[None].float())
        inputs.append(y1[0].permute(1, 2, 0).numpy())
        targets.append(target.permute(1, 2, 0).numpy().astype(np.float32))
    return np.stack(inputs), np.stack(targets)


def timed_callback(seconds: float, score: Callable[[torch.nn.Module], float]) -> Any:
    """A callback of Lightning, which CAREamics brings: processor time of its training batches, and now and then the
    score on our verification pairs."""
    import pytorch_lightning

    class Timed(pytorch_lightning.Callback):
        def __init__(self) -> None:
            self.curve: list[tuple[float, float]] = []
            self.steps, self._spent = 0, 0.0
            self._began: float | None = None

        def on_train_batch_start(self, *_: Any, **__: Any) -> None:
            # From one batch to the next, so that loading counts, as it does for us.
            if self._began is None:
                self._began = time.process_time()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
            assert self._began is not None
            now = time.process_time()
            self._spent, self.steps, self._began = self._spent + now - self._began, self.steps + 1, now
            if self._spent >= (len(self.curve) + 1) * seconds / CHECKS:
                self.curve.append((round(self._spent, 1), round(score(pl_module.model), 3)))
                trainer.should_stop = len(self.curve) >= CHECKS
                self._began = time.process_time()

        def on_validation_end(self, *_: Any, **__: Any) -> None:
            self._began = time.process_time()

    return Timed()


def careamics_curve(
    training: PatchStacks, verification: PatchStacks, seconds: float, model: Mapping[str, object]
) -> tuple[list, int, str]:
    """CARE by CAREamics' own recipe (mean absolute error, Adam, plateau schedule, flips and turns) on Y1."""
    stand_in()
    import careamics
    from careamics.config import create_advanced_care_config

    config = create_advanced_care_config(
        experiment_name="care",
        data_type="array",
        axes="SYXC",
        patch_size=[64, 64],
        batch_size=16,
        num_epochs=1000,
        n_channels_in=3,
        n_channels_out=3,
        num_workers=0,
        model_params=model,
    )
    inputs, targets = y1_pairs(training)
    mean_in, sd_in, mean_out, sd_out = (
        torch.tensor(stat(array, axis=(0, 1, 2)), dtype=torch.float32).reshape(1, -1, 1, 1)
        for array in (inputs, targets)
        for stat in (np.mean, np.std)
    )
    batches = verification_batches(verification)

    @torch.no_grad()
    def score(network: torch.nn.Module) -> float:
        network.eval()
        errors = []
        for y1, target in batches:
            restored = (network((y1 * 255 - mean_in) / sd_in) * sd_out + mean_out) / 255
            errors.append((grey_levels(restored) / 255 - target).square().mean(dim=(1, 2, 3)))
        network.train()
        return float(error_psnr_db(torch.cat(errors)).mean())

    timed = timed_callback(seconds, score)
    with tempfile.TemporaryDirectory() as folder:
        care = careamics.CAREamist(config, work_dir=folder, callbacks=[timed], enable_progress_bar=False)
        care.train(train_data=inputs, train_data_target=targets)
    return timed.curve, timed.steps, careamics.__version__


def stand_in() -> None:
    """An empty torchvision, where there is none that loads."""
    if "torchvision" not in sys.modules:
        names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
        modules = {name: types.ModuleType(name) for name in names}
        modules[names[0]].__version__ = "0"  # type: ignore[attr-defined]
        modules[names[0]].transforms, modules[names[1]].functional = modules[names[1]], modules[names[2]]  # type: ignore[attr-defined]
        modules[names[2]].center_crop = None  # type: ignore[attr-defined]
        sys.modules.update(modules)


def reached(curve: list, level: float) -> float | None:
    """Seconds until a curve first is at a level; None: never."""
    return next((seconds for seconds, psnr in curve if psnr >= level), None)


def against_careamics(
    networks: list[str], training: PatchStacks, verification: PatchStacks, seconds: float, step_s: dict[str, float]
) -> dict[str, object]:
    """Curves of equal processor time, ends of them, and time to the other's end."""
    ours, y1 = {}, 0.0
    for name in networks:
        ours[name], y1 = our_curve(name, training, verification, seconds, step_s[name])
    found: dict[str, object] = {"seconds": seconds, "y1_psnr_db": y1, "ours": ours, "careamics": None}
    try:
        recipes = {"default": {}, "residual": {"residual": True}}
        theirs = {}
        for name, model in recipes.items():
            curve, steps, version = careamics_curve(training, verification, seconds, model)
            theirs[name] = {"curve": curve, "steps": steps}
            best = max(psnr for _, psnr in curve)
            for network, own in ours.items():
                theirs[name][f"{network}_seconds_to_their_best"] = reached(own, best)
                theirs[name][f"their_seconds_to_{network}_best"] = reached(curve, max(psnr for _, psnr in own))
                theirs[name][f"{network}_gain_at_equal_time_db"] = round(own[-1][1] - curve[-1][1], 3)
        found |= {"careamics": theirs, "careamics_version": version}
    except ImportError as error:
        found["why_not"] = str(error)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--networks", nargs="+", choices=["tsva", "unet_residual", "burst"], default=["unet_residual"])
    parser.add_argument("--steps", type=int, default=12)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    table = asked.results / "pairs/train.tsv"
    rows = pd.read_csv(table, sep="\t")
    training, verification = (
        read_patches(rows, table, asked.results, PAIRS, split) for split in ("training", "verification")
    )
    with contextlib.redirect_stdout(sys.stderr):
        peak = peak_gflops()
        speeds = [speed(name, training, verification, asked.steps, peak) for name in ("tsva", "unet_residual", "burst")]
        step_s = {row["network"]: row["batch"] / row["patches_per_s"] for row in speeds}
        learning = against_careamics(asked.networks, training, verification, asked.seconds, step_s)  # type: ignore[arg-type]
    print(
        json.dumps(
            {
                "benchmark": "train",
                "threads": 1,
                "torch": torch.__version__,
                "training_patches": len(training),
                "verification_pairs": VERIFICATION_PAIRS,
                "peak_float32_gflops": round(peak, 1),
                "speed": speeds,
                "learning": learning,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
