"""The plan of a slide: all that decides its pixels, fixed before the first one is restored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.slides.stored_tiles import TileCodec
from tsva.slides.workplace import digest_of_values

FORMAT = 2
"""Rises when journals of unfinished work of earlier versions can no longer be continued."""


@dataclass(frozen=True)
class SlidePlan:
    """What a run is and what was decided for it; `digest` names its journal.

    Attributes
    ----------
    source, model : str
        Digests of the input and of the model's file.
    network : str
        The model's.
    shape : (int, int)
        Of the slide.
    channels : int
    pixel_um, delta_um : float
    quality : int or None
        Of JPEG; None: without loss.
    optics : dict
        Of the microscope, as JSON has them; empty: those of the model.
    core_px : int
        Edge of the cores that go through the network.
    runtime : str
        What runs the network.
    constants : dict of str to list of float
        Of `tsva.slides.tile_restorers.constants_of`.
    survey : str
        Digest of the survey's file.
    tsva : str
        Version.
    """

    source: str
    model: str
    network: str
    shape: tuple[int, int]
    channels: int
    pixel_um: float
    delta_um: float
    quality: int | None
    core_px: int
    runtime: str
    constants: dict[str, list[float]] = field(default_factory=dict)
    survey: str = ""
    optics: dict[str, Any] = field(default_factory=dict)
    tsva: str = field(default_factory=lambda: version("tsva"))

    @property
    def digest(self) -> str:
        """Of all of it."""
        return digest_of_values(asdict(self))

    @property
    def codec(self) -> TileCodec:
        """What stored tiles are encoded by."""
        return TileCodec(self.channels, self.quality)

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        with fresh_file(path) as part:
            part.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> SlidePlan:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If it is damaged or of another format.
        """
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            if held.pop("format") != FORMAT:
                raise ValueError("another format")
            held["shape"] = tuple(held["shape"])
            return cls(**held)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                str(path), got=" ".join(str(error).split()), wanted="a slide's plan", do=f"Delete {path.parent}."
            ) from None

    def check_same(self, folder: Path, **wanted: object) -> None:
        """Refuse to resume what was begun with other inputs.

        Raises
        ------
        UserError
            Names what differs.
        """
        differing = [name for name, value in wanted.items() if getattr(self, name) != value]
        if differing:
            names = {"source": "slide", "model": "model", "tsva": "version of tsva"}
            shown = ", ".join(names.get(name, name) for name in differing)
            raise UserError(
                str(folder),
                got=f"unfinished work that was begun with another {shown}",
                wanted="the inputs and settings of the first start",
                do="Give those again, or delete this folder to begin anew.",
            )
