"""All figures of a report: drawn when the page asks for them, and kept as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

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
        self.files: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Markup | None]:
        if name.startswith("_") or name not in self._figures:
            raise AttributeError(name)

        def drawn(*arguments: Any, **named: Any) -> Markup | None:
            plot = self._figures[name](*arguments, **named)
            return None if plot is None else self._drawn(plot)

        return drawn

    def _drawn(self, plot: Plot) -> Markup:
        found = drawing(plot)
        self.files[f"{plot.name}.svg"] = found.svg.encode()
        self.files[f"{plot.name}.pdf"] = found.pdf
        if plot.rows:
            self.files[f"{plot.name}.csv"] = as_csv(plot.rows)
        return Markup(found.element)  # of our own making


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV under the names of all their keys; an empty cell where a row has no number."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
