"""What the Snakefile asks: settings, slides and fingerprints, checked before anything runs."""

from __future__ import annotations

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tsva.errors import UserError
from tsva.pipeline.fingerprint import code_digest, freeze, text_digest
from tsva.pipeline.leaks import Contents, check_leaks
from tsva.readers.registry import files_at, modules_behind
from tsva.settings.base import Section
from tsva.settings.methods import BASELINES, METHODS, NETWORK_NAMES, NOTHING, NetworkName
from tsva.settings.root import Settings, parse_settings
from tsva.settings.sheet import Role, SlideRow, parse_sheet

BRACES = {"{", "}"}
MADE_HERE = ("simulated", "image")
"""Sources whose stacks the simulate stage makes."""
READING = {("ingest", "stack"), ("simulate", "image")}
"""Stages that open a slide's files by the readers of their formats, and the source of such slides."""
TABLE1_NETWORKS = ("burst", "tsva")
"""Networks of the paper's Table I."""
STAGES = (
    "simulate",
    "ingest",
    "focus",
    "pairs",
    "split",
    "spectrum",
    "train",
    "refocus",
    "gather",
    "count",
    "advise",
    "evaluate",
)
"""Those whose code the summary names: all that numbers depend on."""
NAMING = ("evaluate", "report", "compare", "slides_page")
"""Stages that name methods by their titles: rows of all methods are behind them."""


class Plan:
    """Settings and slide sheet of a run.

    Parameters
    ----------
    config : mapping
        Settings as Snakemake merged them.
    shipped_sheet : Path or None
        What stands for the default slide sheet where the working directory has none.
    state : Path
        Folder for digests of the user's files, and for the settings files of jobs.

    Raises
    ------
    UserError
        At the first setting, cell, file or combination that is wrong.
    """

    PATCH_BYTES, FIELD_BYTES = 224 * 224 * 3, 1024 * 1224 * 3
    """What a plane of Jiang et al. 2018 takes as pixels: of a patch, and of a field at half size."""

    def __init__(self, config: Mapping[str, Any], state: Path, shipped_sheet: Path | None = None) -> None:
        self.settings: Settings = parse_settings(config, "settings")
        self.sheet = Path(self.settings.slides)
        if shipped_sheet is not None and not self.sheet.is_file() and self.settings.slides == Settings().slides:
            self.sheet = shipped_sheet
        self.awaits_fetch = self.sheet == Path(self.settings.fetch.sheet) and not self.sheet.is_file()
        """Whether the sheet is the one that the fetch stage has yet to write; until then there are no slides."""
        if not self.sheet.is_file() and not self.awaits_fetch:
            raise UserError(
                "settings, key slides",
                got=f"{self.sheet}, which is no file",
                wanted="a slide sheet (docs/formats.md)",
                do="Correct the path; it is relative to the working directory.",
            )
        rows = {} if self.awaits_fetch else parse_sheet(sheet_text(self.sheet), str(self.sheet))
        for number, row in rows.items():
            self._check_row(number, row)
        self.slides: dict[str, SlideRow] = {row.slide: row for row in rows.values()}
        self._contents = Contents(state / "contents.json")
        self._frozen = state / "settings"
        self._digests: dict[str, str] = {}
        self._check_roles()
        check_leaks(rows, {slide: self.files(slide) for slide in self.slides}, self.sheet, self._contents)

    # slides

    def with_role(self, *roles: Role) -> list[str]:
        """Names of the slides of these roles, in the sheet's order."""
        return [name for name, row in self.slides.items() if row.role in roles]

    @property
    def paired(self) -> list[str]:
        """Slides that patch pairs are cut from."""
        return self.with_role("train", "dataset1", "dataset2")

    @property
    def datasets(self) -> list[Role]:
        """Test data sets that have slides."""
        roles: tuple[Role, ...] = ("dataset1", "dataset2")
        return [role for role in roles if self.with_role(role)]

    @property
    def networks(self) -> list[NetworkName]:
        """Networks to train: none without training slides."""
        return list(self.settings.train.networks) if self.with_role("train") else []

    @property
    def trainable(self) -> list[str]:
        """Networks that a target can ask for: all there are, once there are training slides."""
        return list(NETWORK_NAMES) if self.with_role("train") else []

    @property
    def baselines(self) -> list[str]:
        """Methods without training that a target can ask for; their signal spectrum comes from training slides."""
        if not self.with_role("train"):
            return []
        return [name for name in BASELINES if self.has_noise_free_shots or not METHODS[name].noise_free]

    @property
    def has_noise_free_shots(self) -> bool:
        """Whether all test slides are simulated, with shots at offsets drawn for them."""
        draws = self.settings.simulate.draws
        return all(
            self.is_made_here(slide) and draws[dataset] > 0
            for dataset in self.datasets
            for slide in self.with_role(dataset)
        )

    @property
    def reports(self) -> dict[str, list[str]]:
        """Rows of the tables by report: the default one, Table I beside the first network, and everything."""
        trained = [name for name in self.trainable if name in self.networks]
        chosen = [name for name in self.baselines if name in self.settings.methods.baselines]
        paper = [name for name in self.trainable if name in {*self.networks[:1], *TABLE1_NETWORKS}]
        return {
            "report": [NOTHING, *chosen, *trained],
            "table1": [NOTHING, *self.baselines, *paper],
            "all_methods": [NOTHING, *self.baselines, *self.trainable],
        }

    @property
    def first_look_slide(self) -> str:
        """The slide whose pictures are shown early; empty where none are."""
        slides = self.with_role("dataset1")
        return slides[0] if slides and self.settings.report.first_look else ""

    @property
    def whole(self) -> list[str]:
        """Methods that a target can ask for and that restore a data set in one job."""
        return [name for name in [NOTHING, *self.baselines, *self.trainable] if self.batches(name) == 1]

    @property
    def batched(self) -> list[str]:
        """Those whose pairs are shared among jobs."""
        return [name for name in self.baselines if self.batches(name) > 1]

    def batches(self, method: str) -> int:
        """Jobs that a method's pairs are shared among."""
        methods = self.settings.methods
        return methods.batches if method in methods.slow else 1

    def true_optics(self, dataset: Role) -> dict[str, Any]:
        """The optics that slides were simulated with, where these are others than the nominal ones."""
        microscopes = self.settings.simulate.microscopes
        named = {name: self.slides[name].microscope or next(iter(microscopes)) for name in self.with_role(dataset)}
        return {
            slide: optics.model_dump(mode="json")
            for slide, microscope in named.items()
            if self.is_made_here(slide) and (optics := microscopes[microscope].optics) is not None
        }

    def first_microscope(self) -> dict[str, Any]:
        """The microscope that simulated slides have unless they name another."""
        return next(iter(self.settings.simulate.microscopes.values())).model_dump(mode="json")

    def is_made_here(self, slide: str) -> bool:
        """Whether the simulate stage makes this slide's stacks."""
        return self.slides[slide].source in MADE_HERE

    @property
    def whole_slides(self) -> list[str]:
        """Slides of role refocus that are the user's files, which are read plane by plane and region by region."""
        return [name for name in self.with_role("refocus") if not self.is_made_here(name)]

    def row(self, slide: str) -> dict[str, Any]:
        """The slide's row, without empty cells."""
        return self.slides[slide].model_dump(mode="json", exclude_defaults=True)

    def files(self, slide: str) -> list[Path]:
        """The user's files behind a slide, sorted; none for digital tissue."""
        row = self.slides[slide]
        return _files(self.sheet.parent / row.path) if row.path else []

    def inputs(self, slide: str) -> list[Path]:
        """What Snakemake is given of them: the files, or folders where there are thousands; `data` sees changes.

        Snakemake takes braces in paths for wildcards: such files are left to `data`, and to the checks of the sheet.
        """
        files = self.files(slide)
        named = {path.parent for path in files} if self.slides[slide].source == "jiang2018" else set(files)
        return sorted(path for path in named if not BRACES & set(str(path)))

    def data(self, slide: str) -> str:
        """Digest of names and contents of the user's files behind a slide."""
        if slide not in self._digests:
            self._digests[slide] = self._contents.digest(self.files(slide), self.sheet.parent)
        return self._digests[slide]

    # settings and code

    def settings_file(self, stage: str, *uses: str, **facts: Any) -> str:
        """Write the settings file of a job.

        Parameters
        ----------
        stage : str
            Beginning of the file's name.
        *uses : str
            Sections that the stage uses, or single keys of one, as ``pairs.patch_px``.
        **facts
            Further entries.

        Returns
        -------
        str
            Its path, which changes with what is in it.
        """
        values: dict[str, Any] = {}
        for use in uses:
            name, _, key = use.partition(".")
            section: Section = getattr(self.settings, name)
            if key and key not in type(section).model_fields:
                raise KeyError(use)
            values.setdefault(name, {}).update(section.model_dump(mode="json", include={key} if key else None))
        return str(freeze({**values, **facts}, self._frozen, stage))

    def training(self, network: NetworkName) -> dict[str, Any]:
        """The training settings that a network uses: what concerns others alone does not train it anew.

        Raises
        ------
        UserError
            If the network can't be trained with them, though none of `train.networks` is wrong.
        """
        self.settings.check_training(network)
        return self.settings.train.used_by(network)

    def roles(self) -> str:
        """Which slide has which role, as JSON."""
        return json.dumps({name: row.role for name, row in self.slides.items()})

    def code(self, stage: str, slide: str | None = None) -> str:
        """Fingerprint of the code behind a stage; of a slide also of the readers that its files need."""
        row = self.slides.get(slide) if slide is not None else None
        modules = [f"tsva.cli.{stage}"]
        if row is not None and (stage, row.source) in READING:
            modules += modules_behind(self.sheet.parent / row.path)
        elif row is not None and (stage, row.source) == ("ingest", "planes"):
            modules.append("tsva.readers.tiff_stacks")  # thousands of files, each of which would have to be opened
        titles = [str(METHODS)] if stage in NAMING else []
        return "-".join([*map(code_digest, modules), *map(text_digest, titles)])

    def method_code(self, method: str) -> str:
        """Fingerprint of the code of a method, which stages import by its place, and of its row but for the title."""
        entry = METHODS[method]
        return f"{code_digest(entry.place.partition(':')[0])}-{text_digest(str(replace(entry, title='')))}"

    def networks_code(self) -> str:
        """Fingerprints of the code of all networks: a given checkpoint may be of any."""
        return " ".join(self.method_code(name) for name in NETWORK_NAMES)

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint that slides of role refocus are given to."""
        if self.settings.checkpoint is not None:
            return self.settings.checkpoint
        return f"results/train/{self.networks[0]}/model.ckpt" if self.networks else None

    def checkpoint_digest(self) -> str:
        """Digest of a given checkpoint's content; of one trained here Snakemake itself keeps track."""
        given = self.settings.checkpoint
        return self._contents.digest([Path(given)], Path()) if given else ""

    def sheet_digest(self) -> str:
        """Digest of the slide sheet's content."""
        return "" if self.awaits_fetch else self._contents.digest([self.sheet], self.sheet.parent)

    def facts(self) -> dict[str, Any]:
        """What the summary says of the run itself."""
        return {
            "slides": str(self.sheet),
            "seed": self.settings.seed,
            "recipe": self.settings.train.recipe,
            "tsva_version": version("tsva"),
            "snakemake_version": version("snakemake"),
            "code": {stage: self.code(stage) for stage in STAGES},
        }

    def disk_bytes(self) -> int:
        """About how much the stacks, patches and restored images take, for a dry run."""
        return sum(self._stack_bytes(slide) for slide in self.slides) * 2

    def _stack_bytes(self, slide: str) -> int:
        row = self.slides[slide]
        if row.source == "jiang2018":
            # JPEG unpacks to several times its size
            patches = [path.name.startswith("Seg") for path in self.files(slide)]
            return sum(self.PATCH_BYTES if patch else self.FIELD_BYTES for patch in patches)
        if row.source not in MADE_HERE:
            # what the sheet calls coarse is enlarged; without its word no file is enlarged by more than that
            enlarged = max(1.0, ((row.pixel_um or 0) / self.settings.optics.pixel_um) ** 2)
            return round(sum(path.stat().st_size for path in self.files(slide)) * enlarged)
        simulate = self.settings.simulate
        planes = round((simulate.z_last_um - simulate.z_first_um) / self.settings.acquisition.z_step_um) + 1
        height, width = simulate.field_px
        return (row.fields or simulate.fields[row.role]) * planes * height * width * 3

    # checks

    def _check_row(self, number: int, row: SlideRow) -> None:
        if row.path and not _files(self.sheet.parent / row.path):
            raise UserError(
                f"{self.sheet}, row {number}, column path",
                got=f"{row.path!r}, where nothing is",
                wanted="a file, a folder with files, or a pattern that matches some (relative to the sheet)",
                do="Correct the path or put the files there.",
            )
        microscopes = self.settings.simulate.microscopes
        if row.microscope and row.microscope not in microscopes:
            raise UserError(
                f"{self.sheet}, row {number}, column microscope",
                got=repr(row.microscope),
                wanted=f"one of settings' simulate.microscopes: {', '.join(microscopes)}",
                do="Correct this cell.",
            )

    def _check_roles(self) -> None:
        if self.datasets and not self.with_role("train"):
            raise UserError(
                f"{self.sheet}, column role",
                got="test slides alone",
                wanted="at least one slide of role train beside them",
                do="Add training slides, or give these slides the role refocus.",
            )
        for network in self.networks:
            self.settings.check_training(network)
        if self.with_role("refocus") and self.checkpoint is None:
            raise UserError(
                "settings, key checkpoint",
                got="nothing",
                wanted="a trained network, as no slide here trains one",
                do="Give --config checkpoint=path/to/model.ckpt.",
            )
        given = self.settings.checkpoint
        if given is not None and not Path(given).is_file():
            raise UserError(
                "settings, key checkpoint",
                got=f"{given}, which is no file",
                wanted="a model.ckpt of the train stage",
                do="Correct the path; it is relative to the working directory.",
            )


def sheet_text(path: Path) -> str:
    """The text of a slide sheet, in UTF-8, or in UTF-16 with a byte order mark, as spreadsheets write "Unicode text".

    Raises
    ------
    UserError
        If it can't be read.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(str(path), got=str(error), wanted="readable UTF-8 text", do="Save it as UTF-8.") from None
    if "\0" in text:
        raise UserError(str(path), got="null characters", wanted="readable UTF-8 text", do="Save it as UTF-8.")
    return text


@cache
def _files(place: Path) -> list[Path]:
    """Files that a path of the sheet stands for."""
    return files_at(place)
