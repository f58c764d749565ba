"""The whole state of a training in a file, so that a killed one resumes as if nothing had happened."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tsva.restoration.checkpoint import read_sound

log = logging.getLogger(__name__)
FORMAT = 2


@dataclass(frozen=True)
class Resume:
    """Where the state of a training is written, and of which training it is.

    Attributes
    ----------
    path : Path
        Beside the outputs, not among them: Snakemake deletes the outputs of a failed job.
    fits : str
        Fingerprint of everything that the weights follow from; a state of another one is not resumed.
    every_s : float
        Written at the next step after so many seconds.
    """

    path: Path
    fits: str
    every_s: float

    def read(self) -> dict[str, Any] | None:
        """The state, where there is one that fits; why not, in the log, where there is another."""
        if not self.path.is_file():
            return None
        try:
            state = read_sound(self.path)
        except Exception as error:  # whatever zip readers and the unpickler raise
            log.warning("%s can't be read (%s): training begins anew", self.path, type(error).__name__)
            return None
        if not isinstance(state, dict) or (state.get("format"), state.get("fits")) != (FORMAT, self.fits):
            log.warning("%s is of other settings, data or code: training begins anew", self.path)
            return None
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Under its name only when complete: a kill while writing leaves the state before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".part-{self.path.name}")
        torch.save({"format": FORMAT, "fits": self.fits, **state}, part)
        part.replace(self.path)

    def remove(self) -> None:
        """When the outputs are complete, nothing needs it."""
        self.path.unlink(missing_ok=True)
