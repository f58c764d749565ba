"""All figures of a report: noted where the page asks for them, drawn together, and kept as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from tsva.processes import all_of
from tsva.report.svg import Plot, drawing


class Book:
    """Figures by name, as attributes that a template calls: ``figures.training(summary)``.

    Parameters
    ----------
    figures : mapping of str to callable
        Each returns a `Plot`, or None where there is nothing to draw.

    Attributes
    ----------
    files : dict of str to bytes
        SVG, PDF and CSV of each figure that was drawn so far.
    """

    def __init__(self, figures: Mapping[str, Callable[..., Plot | None]]) -> None:
        self._figures = figures
        self._noted: dict[str, Plot] = {}
        self.files: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Markup | None]:
        if name.startswith("_") or name not in self._figures:
            raise AttributeError(name)

        def noted(*arguments: Any, **named: Any) -> Markup | None:
            plot = self._figures[name](*arguments, **named)
            return None if plot is None else self._note(plot)

        return noted

    def _note(self, plot: Plot) -> Markup:
        self._noted[plot.name] = plot
        return Markup(_mark(plot.name))  # of our own making

    def filled(self, *texts: str, processes: int = 1) -> list[str]:
        """Texts with each figure that they asked for in its place; so many processes draw them."""
        drawn = all_of([partial(drawing, plot) for plot in self._noted.values()], processes)
        for plot, found in zip(self._noted.values(), drawn, strict=True):
            self.files[f"{plot.name}.svg"] = found.svg.encode()
            self.files[f"{plot.name}.pdf"] = found.pdf
            if plot.rows:
                self.files[f"{plot.name}.csv"] = as_csv(plot.rows)
            texts = tuple(text.replace(_mark(plot.name), found.element) for text in texts)
        return list(texts)


def _mark(name: str) -> str:
    """Stands where a figure will be; names of figures are our own."""
    return f"<!-- figure {name} -->"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV under the names of all their keys; an empty cell where a row has no number."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
