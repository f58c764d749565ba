"""What was measured, as JSON has it and as settings to paste."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tsva.optics.pupil import depth_of_field_um, travel_per_depth
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.measure import Measured

FORMAT = 1
MODEL_SHARE = {"na": 0.03, "condenser_ratio": 0.05, "thickness_um": 0.12}
"""Error of the model itself, as a share of a value: what simulated stacks of known optics were found off by."""
MODEL_SPHERICAL_UM = 0.002
MODEL_FIELDS = 0.3
"""Of the thickness, in depths of field: a section thinner than that looks flat."""
CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}


def as_json(found: Measured) -> dict[str, Any]:
    """Every number of the page, with units in names; None where something is unknown.

    Parameters
    ----------
    found : Measured
    """
    first = found.fields[0]
    return {
        "format": FORMAT,
        "stacks": [field.name for field in found.fields],
        "pixel_um": first.pixel_um,
        "z_step_um": round(first.z_step_um, 6),
        "channels": int(first.captured.shape[3]),
        "optics_given": found.nominal.model_dump(mode="json"),
        "optics": _optics(found),
        "section": _section(found),
        "noise": _noise(found),
        "brightness": [
            {
                "stack": field.name,
                "z_um": _plain(field.z_um),
                "mean_grey_levels": _plain(field.brightness),
                "shift_px": _plain(field.shift_px),
                "drift_px": field.drift_px,
                "scale_percent_a_plane": field.scale_percent,
                "moved": field.moved,
            }
            for field in found.fields
        ],
        "focus": {
            "within_sd_um": found.spread.within_sd_um,
            "between_sd_um": found.spread.between_sd_um,
            "tilt_um_per_mm": _plain(found.spread.tilt_um_per_mm),
            "window_px": found.windows.edge_px,
            "windows": [
                {
                    "stack": found.fields[window.field].name,
                    "y_px": window.y_px,
                    "x_px": window.x_px,
                    "focus_um": round(window.focus_um, 4),
                }
                for window in found.windows.windows
            ],
        },
        "delta": {
            "delta_um": found.delta.delta_um,
            "low_um": found.delta.low_um,
            "high_um": found.delta.high_um,
            "offset_known_um": found.delta.known_um,
            "at_end": found.delta.at_end,
            "offset_sd_um": found.delta.offset_sd_um,
            "compared_um": list(found.delta.compared_um),
            "psnr_db": {key: list(values) for key, values in found.delta.psnr_db.items()},
        },
        "spectra": _spectra(found),
        "remarks": list(found.remarks),
        "settings": settings(found),
    }


def settings(found: Measured) -> dict[str, Any]:
    """Sections for config.yaml: the optics, the camera, and how to scan."""
    optics = found.optics
    default, kept = OpticsSettings().model_dump(mode="json"), optics.model_dump(mode="json")
    kept["na"], kept["pixel_um"] = round(optics.na, 3), round(optics.pixel_um, 6)
    if optics.condenser_ratio is not None:
        kept["condenser_ratio"] = round(optics.condenser_ratio, 2)
    changed = {key: value for key, value in kept.items() if value != default[key] or key in ("na", "pixel_um")}
    out: dict[str, Any] = {"optics": changed}
    travel = travel_per_depth(optics)
    if found.trusted:
        constants = found.fit.constants
        out["baselines"] = {
            "section_thickness_um": round(constants.thickness_um / travel, 2),
            "structure_depth_um": round(max(constants.structure_um / travel, 0.05), 2),
        }
    step = round(found.fields[0].z_step_um, 6)
    planes = max(1, round(found.delta.delta_um / step))
    out["acquisition"] = {"delta_um": round(planes * step, 4), "z_step_um": step}
    return out


def _optics(found: Measured) -> dict[str, Any]:
    fit, out = found.fit, dict[str, Any]()
    nominal = found.nominal.model_dump(mode="json")
    for key in ("na", "condenser_ratio"):
        value = getattr(found.optics, key)
        fitted = key == fit.aperture and found.trusted
        error = math.hypot(fit.standard_error[key], MODEL_SHARE[key] * value) if fitted else None
        out[key] = {"value": value, "standard_error": error, "fitted": fitted, "given": nominal[key]}
    error = math.hypot(fit.standard_error["spherical_um"], MODEL_SPHERICAL_UM) if found.trusted else None
    out["spherical_um"] = {
        "value": fit.constants.spherical_um if found.trusted else None,
        "standard_error": error,
        "fitted": found.trusted,
        "given": None,
    }
    out["depth_of_field_um"] = depth_of_field_um(found.optics)
    out["spectra_differ_by"] = fit.residual
    out["trusted"] = found.trusted
    return out


def _section(found: Measured) -> dict[str, Any]:
    constants, travel = found.fit.constants, travel_per_depth(found.optics)
    field_um = depth_of_field_um(found.optics)
    error = math.hypot(
        found.fit.standard_error["thickness_um"],
        MODEL_SHARE["thickness_um"] * constants.thickness_um,
        MODEL_FIELDS * field_um,
    )
    return {
        "thickness_um": constants.thickness_um / travel if found.trusted else None,
        "thickness_standard_error_um": error / travel if found.trusted else None,
        "structure_depth_um": constants.structure_um / travel if found.trusted else None,
        "in_stage_travel": found.optics.mountant_index is None,
        "depths_of_field": constants.thickness_um / depth_of_field_um(found.optics) if found.trusted else None,
    }


def _noise(found: Measured) -> dict[str, Any]:
    noise = found.noise
    rows = [
        {
            "channel": name,
            "level_grey_levels": noise.level[i],
            "sd_grey_levels": noise.sd[i],
            "sd_standard_error": noise.sd_se[i],
            "variance_at_black": noise.floor[i],
            "variance_per_grey_level": noise.slope[i],
            "full_well_e": _finite(noise.full_well_e[i]),
            "read_noise_e": _finite(noise.read_noise_e[i]),
        }
        for i, name in enumerate(CHANNELS[len(noise.level)])
    ]
    pattern = found.pattern
    return {
        "channels": [{key: _plain(value) for key, value in row.items()} for row in rows],
        "photon_and_read_noise_distinguishable": noise.separable,
        "fixed_pattern_sd_grey_levels": None if pattern is None else pattern.sd,
        "fixed_pattern_standard_error": None if pattern is None else pattern.standard_error,
    }


def _spectra(found: Measured) -> dict[str, Any]:
    """Power that neighbouring planes share, over that of the planes about the focus: measured and modelled."""
    z_um = found.windows.z_um
    places = np.arange(len(z_um) - 1)
    middle = [len(z_um) // 2 - 1, len(z_um) // 2]
    out = {}
    for name, gram in (("measured", found.fit.gram), ("modelled", found.fit.model)):
        beside = gram[..., places, places + 1]
        out[name] = (
            beside / np.maximum(found.fit.model[..., middle, [m + 1 for m in middle]].mean(-1), 1e-12)[..., None]
        )
    return {
        "frequency_per_um": _plain(found.windows.frequency_px / found.fields[0].pixel_um),
        "z_um": _plain((z_um[1:] + z_um[:-1]) / 2),
        "channels": list(CHANNELS[len(found.noise.level)]),
        **{name: _plain(values) for name, values in out.items()},
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(values: Any) -> Any:
    """Numbers as JSON has them: six digits, no NaN."""
    if isinstance(values, np.ndarray):
        return [_plain(value) for value in values]
    if isinstance(values, (float, np.floating)):
        return float(f"{values:.6g}") if math.isfinite(values) else None
    return values.item() if isinstance(values, np.generic) else values
