"""The whole state of a training in a file, so that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from tsva.restoration.checkpoint import read_sound
from tsva.training.module import Fitting

log = logging.getLogger(__name__)
FORMAT = 1


@dataclass(frozen=True)
class Keeping:
    """Where a training's state is kept, and whose it is.

    Attributes
    ----------
    path : Path
        Beside the outputs, not among them: Snakemake deletes the outputs of a failed job.
    fits : str
        Fingerprint of everything that the weights follow from; a state of another one is not taken up.
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


class Keeper(Callback):
    """Takes up a state before the first step, and writes one now and then between two steps."""

    def __init__(self, keeping: Keeping, state: dict[str, Any] | None) -> None:
        self._keeping, self._state = keeping, state
        self._written = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Optimiser and schedule exist only now; the module itself was set before."""
        assert isinstance(pl_module, Fitting)
        if self._state is None:
            return
        trainer.optimizers[0].load_state_dict(self._state["optimiser"])
        for config, schedule in zip(trainer.lr_scheduler_configs, self._state["schedules"], strict=True):
            config.scheduler.load_state_dict(schedule)
        if trainer.is_global_zero:
            log.info("training goes on at step %d, from %s", pl_module.step, self._keeping.path)
        self._state = None

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Before a step, the one before is over with all that follows it: schedule, average, verification."""
        assert isinstance(pl_module, Fitting)
        if not trainer.is_global_zero or time.monotonic() - self._written < self._keeping.every_s or not pl_module.step:
            return
        self._keeping.write(
            {
                **pl_module.state(),
                "optimiser": trainer.optimizers[0].state_dict(),
                "schedules": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
            }
        )
        self._written = time.monotonic()
