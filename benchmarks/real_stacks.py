"""Calibration and fine-tuning on real z-stacks, tested on stacks or area kept aside.

    python benchmarks/real_stacks.py FOLDER --out docs/results/real_stacks.json [--only NAME …]

FOLDER holds `brain/` (grey stacks of thick sections, 1 µm a pixel and a plane), `adipose/` and `smear/` (planes of one
field each, step and pixel unknown: the numbers below set the scale of lengths alone). Of brain the last ten stacks by
name are kept aside, of the others the second half of the area. Results of other runs in the file stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.stats import sem
from scipy.stats import t as student_t

import tsva
from tsva.acquisition.stack import Stack
from tsva.optics.pupil import depth_of_field_um
from tsva.readers.slide import read_sharp_fields
from tsva.restoration.checkpoint import load
from tsva.restoration.packaged_model import Use, packaged_model
from tsva.restoration.pair_network import build
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import FIELDS, MicroscopeSettings, SimulateSettings
from tsva.settings.train import TrainSettings
from tsva.simulation.simulate import sharp_sampling, simulate_slide
from tsva.training.calibration.kept_area import area_of, gains_of, kept_pairs, protocol, summary_of
from tsva.training.calibration.measure import Measured, measure
from tsva.training.calibration.prepared import prepare
from tsva.training.calibration.record import as_json
from tsva.training.calibration.tuning import tune
from tsva.training.fit import fit

KEPT_STACKS = 10
BRAIN = {"optics": {"na": 0.5, "pixel_um": 1.0}, "delta_um": 1.0, "offset_sd_um": 2.0, "offset_max_um": 6.0}
TSVA = {
    "recipe": "real_stacks",
    "offsets": "continuous",
    "targets": "captured",
    "stain_jitter": 0.05,
    "lamp_jitter": 0.05,
    "noise_jitter": 0.004,
    "batch": 8,
    "steps": 700,
    "verification_pairs": 48,
    "verifications": 5,
}


def brain(folder: Path) -> list[tuple[str, Stack]]:
    """Stacks by name; the last ten are for testing."""
    files = sorted((folder / "brain").glob("*.ome.tif"))
    return [(file.name.partition(".")[0], tsva.open_stack(file, pixel_um=1.0, z_step_um=1.0)) for file in files]


def planes_of(folder: Path, pixel_um: float, z_step_um: float) -> list[tuple[str, Stack]]:
    """One field of planes that are numbered, cut to one size about their middle."""
    files = sorted(folder.iterdir(), key=lambda file: int(re.findall(r"-?\d+", file.stem)[-1]))
    planes = [np.asarray(Image.open(file).convert("L")) for file in files if file.suffix in (".tif", ".bmp")]
    height, width = (min(plane.shape[axis] for plane in planes) for axis in (0, 1))
    cut = [
        plane[
            (top := (plane.shape[0] - height) // 2) : top + height,
            (left := (plane.shape[1] - width) // 2) : left + width,
        ]
        for plane in planes
    ]
    return [(folder.name, Stack(np.stack(cut)[..., None], np.arange(len(cut)) * z_step_um, pixel_um))]


def measured(stacks: list[tuple[str, Stack]], optics: dict[str, float], offset_sd_um: float | None) -> Measured:
    """Calibrate, telling the optics by name."""
    return measure(stacks, OpticsSettings(model="debye", **optics), offset_sd_um=offset_sd_um)  # type: ignore[arg-type]


def brain_measured(folder: Path, *, training: bool) -> tuple[Measured, list[int]]:
    """All stacks; optics of those to train on alone. Numbers of the fields kept aside."""
    stacks = brain(folder)
    own = measured(stacks[:-KEPT_STACKS], BRAIN["optics"], BRAIN["offset_sd_um"])  # type: ignore[arg-type]
    if training:
        return own, []
    everything = measured(stacks, BRAIN["optics"], BRAIN["offset_sd_um"])  # type: ignore[arg-type]
    names = {name for name, _ in stacks[-KEPT_STACKS:]}
    aside = [number for number, field in enumerate(everything.fields) if field.name in names]
    return dataclasses.replace(own, fields=everything.fields), aside


def brain_optics(folder: Path) -> dict[str, Any]:
    """What the training stacks show of the microscope."""
    return _of_measured(brain_measured(folder, training=True)[0])


def brain_fusion(folder: Path) -> dict[str, Any]:
    """Fusion, fine-tuned from the network of the package on 40 stacks, tested on ten."""
    found, aside = brain_measured(folder, training=False)
    tuned = tune(
        found,
        load(packaged_model()),
        delta_um=BRAIN["delta_um"],  # type: ignore[arg-type]
        offset_max_um=BRAIN["offset_max_um"],  # type: ignore[arg-type]
        patch_px=112,
        aside=aside,
        steps=400,
    )
    return _with_interval(tuned.record)


def brain_tsva(folder: Path) -> dict[str, Any]:
    """TSVA trained from fresh weights on the same patches, tested on the same pairs."""
    found, aside = brain_measured(folder, training=False)
    fields = list(found.fields)
    pairs = protocol(fields, BRAIN["delta_um"], BRAIN["offset_sd_um"], BRAIN["offset_max_um"], 112)  # type: ignore[arg-type]
    area = area_of(fields, pairs, 1, aside)
    settings = TrainSettings.model_validate(TSVA)
    fitted = fit("tsva", area.training, area.verification, settings, 1, optics=found.optics)
    network = build("tsva", settings, 1)
    network.load_state_dict(fitted.weights)
    kept = kept_pairs(area.kept, found.optics)
    gains = gains_of(network.eval(), kept)
    rows = [
        {"stack": area.names[patch], "offset_um": pair.focal_offset_um, "after_db": float(gain)}
        for (patch, pair, _), gain in zip(kept, gains, strict=True)
    ]
    return _with_interval({"network": "tsva", "steps": fitted.steps, "after": summary_of(gains), "pairs": rows})


def adipose(folder: Path) -> dict[str, Any]:
    """Adipose tissue: optics and fine-tuned Fusion."""
    return _one_field(planes_of(folder / "adipose", 0.345, 0.5), {"na": 0.5})


def smear(folder: Path) -> dict[str, Any]:
    """The smear, whose magnification changes with focus."""
    return _one_field(planes_of(folder / "smear", 0.345, 0.5), {"na": 0.5})


def he_other_regions(folder: Path) -> dict[str, Any]:
    """A real H&E slide (`FOLDER/../he`) through a simulated microscope that is not the nominal one: what calibration on
    one stack gains on two other regions of it.

    Before: the packaged networks as they are. The target is the in-focus plane as captured, noise included.
    """
    nominal = OpticsSettings(model="debye", mountant_index=1.52, condenser_ratio=0.7)
    stacks = _he_stacks(folder.parent / "he/CMU-1-Small-Region.svs", nominal)
    found = measure(stacks[:1], nominal, offset_sd_um=1.0)
    others = [prepare(stack, name, depth_of_field_um(nominal)) for name, stack in stacks[1:]]
    fields = [*found.fields, *others]
    area = area_of(fields, protocol(fields, 0.5, 1.0, 3.0, 224), 1, aside=range(1, len(fields)))
    kept = kept_pairs(area.kept, found.optics)
    out: dict[str, Any] = {**_of_measured(found), "pairs": len(kept)}
    uses: tuple[Use, ...] = ("pairs", "slides")
    for use in uses:
        given = load(packaged_model(use))
        tuned = tune(found, given, delta_um=0.5, offset_max_um=3.0)
        before, after = (gains_of(one.restored_network(), kept) for one in (given, tuned.checkpoint))
        out[f"network_for_{use}"] = {
            "before": summary_of(before),
            "after": summary_of(after),
            "more_db": round(float(np.mean(after - before)), 3),
            **{key: tuned.record[key] for key in ("kept", "of_each", "kept_patches", "patch_px", "steps")},
        }
    return out


def _he_stacks(file: Path, nominal: OpticsSettings) -> list[tuple[str, Stack]]:
    """Three regions, through an objective and a condenser of lower aperture and a cover glass that is too thick."""
    true_optics = nominal.model_copy(update={"na": 0.7, "condenser_ratio": 0.6, "mountant_index": 1.5})
    microscope = MicroscopeSettings(
        optics=true_optics, spherical_um=0.02, full_well_e=15_000, read_noise_e=10.0, z_error_sd_um=0.05
    )
    settings = SimulateSettings(draws=dict.fromkeys(FIELDS, 0), microscopes={"unknown": microscope})
    row = SlideRow(slide="he", patient="p", sample="s", role="train", source="image", path=file.name, fields=3)
    sharp = read_sharp_fields(file, 0.499, *sharp_sampling(settings, nominal), 3)
    made = simulate_slide(row, settings, PairsSettings(), nominal, seed=7, sharp=sharp)
    return [(field.name, field.stack) for field in made if field.stack is not None]


def _one_field(stacks: list[tuple[str, Stack]], optics: dict[str, float]) -> dict[str, Any]:
    found = measured(stacks, optics, None)
    tuned = tune(found, load(packaged_model()), steps=300)
    return {**_of_measured(found), "fine_tuning": _with_interval(tuned.record)}


def _of_measured(found: Measured) -> dict[str, Any]:
    record = as_json(found)
    kept = {key: record[key] for key in ("optics", "section", "noise", "delta", "remarks")}
    kept["delta"] = {key: record["delta"][key] for key in ("delta_um", "low_um", "high_um", "offset_sd_um")}
    kept["drift_px"] = max(row["drift_px"] for row in record["brightness"])
    kept["scale_percent_a_plane"] = max(abs(row["scale_percent_a_plane"]) for row in record["brightness"])
    return kept


def _with_interval(record: dict[str, Any]) -> dict[str, Any]:
    """The record with intervals of mean gains over stacks, and gains by size of the offset, in place of the pairs."""
    rows = record.pop("pairs")
    names = sorted({row["stack"] for row in rows})
    for key in ("before_db", "after_db"):
        if key not in rows[0]:
            continue
        means = [np.mean([row[key] for row in rows if row["stack"] == name]) for name in names]
        if len(means) > 1:
            reach = float(student_t.ppf(0.975, len(means) - 1) * sem(means))
            record[f"{key}_interval"] = [
                round(float(np.mean(means)) - reach, 3),
                round(float(np.mean(means)) + reach, 3),
            ]
        sizes = np.abs([row["offset_um"] for row in rows])
        delta = record.get("delta_um", BRAIN["delta_um"])
        bins = {
            "below δ": sizes <= delta,
            "δ to 2 δ": (sizes > delta) & (sizes <= 2 * delta),
            "beyond": sizes > 2 * delta,
        }
        values = np.array([row[key] for row in rows])
        record[f"{key}_by_size"] = {
            name: {"pairs": int(inside.sum()), **summary_of(values[inside])}
            for name, inside in bins.items()
            if inside.any()
        }
    return record


RUNS: dict[str, Callable[[Path], dict[str, Any]]] = {
    one.__name__: one for one in (brain_optics, brain_fusion, brain_tsva, adipose, smear, he_other_regions)
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=sorted(RUNS), default=sorted(RUNS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.only:
        found = RUNS[name](asked.folder)
        print(name, json.dumps(found, ensure_ascii=False), flush=True)
        results = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.is_file() else {}
        results[name] = found
        asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
