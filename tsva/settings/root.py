"""All settings together, as config/config.yaml holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from tsva.errors import UserError
from tsva.settings.acquisition import AcquisitionSettings, OpticsSettings, PairsSettings, PatchSettings
from tsva.settings.base import Section, with_moved
from tsva.settings.evaluation import AdviseSettings, CountSettings, ExportSettings, ReportSettings
from tsva.settings.fetch import FetchSettings
from tsva.settings.ingest import FocusSettings, IngestSettings
from tsva.settings.methods import METHODS, MethodsSettings, NetworkName
from tsva.settings.restoration import BaselineSettings, RefocusSettings
from tsva.settings.simulate import SimulateSettings
from tsva.settings.train import TrainSettings


class Settings(Section):
    """An experiment. Threads, memory and queues are no part of it: they belong to profiles."""

    slides: str = "config/slides.tsv"
    """The slide sheet; relative to the working directory."""
    seed: int = Field(1, ge=0, lt=2**32)
    """Where every draw begins."""
    checkpoint: str | None = None
    """A trained network (model.ckpt) for slides of role refocus; none: the first network trained here."""
    compare: tuple[str, ...] = ()
    """Working folders of earlier runs: `snakemake compared` sets this run beside them. The first is what all others are
    compared with."""
    fetch: FetchSettings = FetchSettings()
    optics: OpticsSettings = OpticsSettings()
    acquisition: AcquisitionSettings = AcquisitionSettings()
    simulate: SimulateSettings = SimulateSettings()
    ingest: IngestSettings = IngestSettings()
    focus: FocusSettings = FocusSettings()
    pairs: PatchSettings = PatchSettings()
    train: TrainSettings = TrainSettings()
    methods: MethodsSettings = MethodsSettings()
    baselines: BaselineSettings = BaselineSettings()
    advise: AdviseSettings = AdviseSettings()
    refocus: RefocusSettings = RefocusSettings()
    count: CountSettings = CountSettings()
    report: ReportSettings = ReportSettings()
    export: ExportSettings = ExportSettings()

    @property
    def protocol(self) -> PairsSettings:
        """Sections acquisition and pairs together."""
        return PairsSettings(**self.acquisition.model_dump(), **self.pairs.model_dump())

    @model_validator(mode="after")
    def _patches_fit_fields(self) -> Self:
        if min(self.simulate.field_px) < self.pairs.patch_px:
            raise ValueError(
                f"simulate.field_px is {list(self.simulate.field_px)}; wanted at least pairs.patch_px"
                f" ({self.pairs.patch_px}) both ways"
            )
        return self

    def check_training(self, network: NetworkName) -> None:
        """Whether a network can be trained with these settings.

        Raises
        ------
        UserError
            Names the key.
        """
        section = "train.fusion" if METHODS[network].own_recipe else "train"
        used, patch_px = self.train.for_network(network), self.pairs.patch_px
        if used.crop_px is not None and used.crop_px > patch_px:
            raise UserError(
                f"settings, key {section}.crop_px",
                got=str(used.crop_px),
                wanted=f"at most pairs.patch_px ({patch_px})",
                do=f"Correct either key, or leave {network} out.",
            )
        coarsest_px = (used.crop_px or patch_px) / 2 ** (used.levels - 1)
        if not METHODS[network].own_recipe and used.batch == 1 and coarsest_px <= 1:
            raise UserError(
                f"settings, key {section}.batch",
                got="1",
                wanted=f"at least 2, as the coarsest of {used.levels} levels is a single pixel (batch normalisation)",
                do="Correct it, or lower train.levels.",
            )


def parse_settings(config: Mapping[str, Any], name: str) -> Settings:
    """Check settings.

    Parameters
    ----------
    config : mapping
        As read from YAML.
    name : str
        Where they come from, for messages.

    Raises
    ------
    UserError
        Names the key.
    """
    try:
        return Settings.model_validate(with_moved(config, name))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(across keys)"
        if first["type"] == "extra_forbidden":
            raise UserError(
                f"{name}, key {key}",
                got="an unknown key",
                wanted="one that docs/settings.md lists",
                do="Check its spelling.",
            ) from None
        got = repr(first["input"]) if first["loc"] and not isinstance(first["input"], dict) else "values that don't fit"
        raise UserError(
            f"{name}, key {key}", got=got, wanted=first["msg"].removeprefix("Value error, "), do="Correct this key."
        ) from None
