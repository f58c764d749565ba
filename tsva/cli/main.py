"""The `tsva` command: in the run's fork server where there is one, otherwise here. It loads no more than it has to."""

from __future__ import annotations

import importlib

from tsva.cli.fork_client import end_as, run_in_fork

COMMANDS = {
    "fetch": "tsva.cli.fetch",
    "simulate": "tsva.cli.simulate",
    "ingest": "tsva.cli.ingest",
    "focus": "tsva.cli.focus",
    "pairs": "tsva.cli.pairs",
    "split": "tsva.cli.split",
    "advise": "tsva.cli.advise",
    "spectrum": "tsva.cli.spectrum",
    "train": "tsva.cli.train",
    "refocus": "tsva.cli.refocus",
    "gather": "tsva.cli.gather",
    "refocus-fields": "tsva.cli.refocus_fields",
    "refocus-slide": "tsva.cli.refocus_slide",
    "edof": "tsva.cli.edof",
    "focus-map": "tsva.cli.focus_map",
    "count": "tsva.cli.count",
    "evaluate": "tsva.cli.evaluate",
    "report": "tsva.cli.report",
    "compare": "tsva.cli.compare",
    "slides-page": "tsva.cli.slides_page",
    "first-look": "tsva.cli.first_look",
    "inspect": "tsva.cli.inspect",
    "doctor": "tsva.cli.doctor",
    "export": "tsva.cli.export",
    "calibrate": "tsva.cli.calibrate",
    "plan-scan": "tsva.cli.plan_scan",
}


def main() -> None:
    """Run the command that the arguments name, and end with its exit status."""
    status = run_in_fork()
    if status is not None:
        end_as(status)
    importlib.import_module("tsva.cli.commands").run()
