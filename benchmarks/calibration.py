"""What `tsva calibrate` finds of simulated stacks whose optics are known.

    python benchmarks/calibration.py --out docs/results/calibration.json

Each case is given a wrong aperture. The stacks are random texture in slabs that have nothing in common, imaged layer by
layer.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from textured_stack import textured_stack

import tsva
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings

PLANES = np.arange(-12, 13)
CASES: dict[str, dict[str, Any]] = {
    "4×, NA 0.1": {
        "true": {"na": 0.1, "pixel_um": 1.6},
        "given": 0.13,
        "step_um": 12.0,
        "thickness_um": 4.0,
        "slabs": 2,
    },
    "10×, NA 0.3": {
        "true": {"na": 0.3, "pixel_um": 0.8},
        "given": 0.3,
        "step_um": 2.0,
        "thickness_um": 8.0,
        "slabs": 4,
    },
    "20×, NA 0.4": {
        "true": {"na": 0.4, "pixel_um": 0.65},
        "given": 0.5,
        "step_um": 1.2,
        "thickness_um": 5.0,
        "slabs": 1,
        "spherical_um": -0.02,
    },
    "20×, NA 0.65, colour": {
        "true": {"na": 0.65, "model": "born_wolf"},
        "given": 0.75,
        "step_um": 0.5,
        "thickness_um": 3.0,
        "slabs": 3,
        "channels": 3,
    },
    "20×, NA 0.75, σ 0.6, noisy": {
        "true": {"na": 0.75, "condenser_ratio": 0.6},
        "given": 0.8,
        "step_um": 0.5,
        "thickness_um": 4.0,
        "slabs": 4,
        "spherical_um": 0.03,
        "noise": {"full_well_e": 8000, "read_noise_e": 60},
    },
    "40×, NA 0.85": {
        "true": {"na": 0.85, "pixel_um": 0.17},
        "given": 0.95,
        "step_um": 0.3,
        "thickness_um": 2.0,
        "slabs": 2,
    },
}


def found(case: dict[str, Any]) -> dict[str, Any]:
    """Simulate a case and calibrate on it."""
    true = OpticsSettings(model="debye", **case["true"])
    key = "condenser_ratio" if true.condenser_ratio is not None else "na"
    given = true.model_copy(update={key: case["given"]})
    spherical_um = case.get("spherical_um", 0.0)
    microscope = MicroscopeSettings(spherical_um=spherical_um, **case.get("noise", {}))
    stack = textured_stack(
        true,
        PLANES * case["step_um"],
        thickness_um=case["thickness_um"],
        slabs=case["slabs"],
        microscope=microscope,
        channels=case.get("channels", 1),
        field_px=256,
    )
    began = time.process_time()
    record = tsva.calibrate(stack, given).record
    grey = record["noise"]["channels"][0]
    level = grey["level_grey_levels"] / 255
    variance = level / microscope.full_well_e + (microscope.read_noise_e / microscope.full_well_e) ** 2
    return {
        "aperture": key,
        "true": getattr(true, key),
        "given": case["given"],
        "found": record["optics"][key]["value"],
        "standard_error": record["optics"][key]["standard_error"],
        "spherical_true_um": spherical_um,
        "spherical_found_um": record["optics"]["spherical_um"]["value"],
        "thickness_true_um": case["thickness_um"],
        "thickness_found_um": record["section"]["thickness_um"],
        "noise_true_grey_levels": float(255 * np.sqrt(variance + 1 / 12 / 255**2)),
        "noise_found_grey_levels": grey["sd_grey_levels"],
        "spectra_differ_by": record["optics"]["spectra_differ_by"],
        "cpu_s": round(time.process_time() - began, 1),
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, case in CASES.items():
        row = {"case": name, **found(case)}
        rows.append({key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in row.items()})
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    asked.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
