"""From the stages' tables to the page and its numbers."""

from __future__ import annotations

from typing import Any

from tsva.report import contact, examples, focal_surface, segmentation, tables
from tsva.report.delta import advice, delta_figure
from tsva.report.inputs import Inputs
from tsva.report.optics import on_axis, point_spread
from tsva.report.page import render


def build(inputs: Inputs) -> tuple[str, dict[str, Any]]:
    """Make the report.

    Parameters
    ----------
    inputs : Inputs
        Tables and arrays of the stages before.

    Returns
    -------
    page : str
        HTML that needs no other file.
    summary : dict
        Every number of the page, as docs/summary.md lists.
    """
    chosen = {d.name: examples.choose(d, inputs.report.examples, inputs.pairs) for d in inputs.datasets}
    pictures = {d.name: examples.pictures(d, chosen[d.name], inputs.pairs) for d in inputs.datasets}
    summary = tables.summarise(inputs)
    summary["examples"] = tables.tidy(
        [
            {**example, "error_scale_grey_levels": pictures[name]["scale_grey_levels"]}
            for name, found in chosen.items()
            for example in found
        ]
    )
    counted = {d.name: segmentation.choose(d, chosen[d.name]) for d in inputs.datasets}
    segmented = {d.name: segmentation.pictures(d, counted[d.name], inputs) for d in inputs.datasets}
    summary["segmentations_shown"] = tables.tidy(
        [{**example, **segmented[name]["counts"]} for name, example in counted.items() if example is not None]
    )
    summary["optics"] = {"on_axis": tables.tidy(on_axis(inputs.optics, inputs.pairs.delta_um))}
    summary["advice"] = advice(inputs.advice)
    stacks, fields = contact.choose(inputs.slides, inputs.pairs), focal_surface.choose(inputs.slides)
    summary["stacks_shown"], summary["fields_shown"] = tables.tidy(stacks), tables.tidy(fields)
    drawn = {
        "examples": pictures,
        "segmentations": {name: shown["rows"] for name, shown in segmented.items()},
        "stacks": contact.pictures(inputs.slides, stacks, inputs.pairs),
        "fields": focal_surface.pictures(inputs.slides, fields, inputs.pairs.z_step_um),
        "optics": point_spread(inputs.optics, summary["optics"]["on_axis"]),
        "advice": None if inputs.advice is None else delta_figure(inputs.advice.curves, inputs.advice.summary),
    }
    return render(summary, drawn), summary
