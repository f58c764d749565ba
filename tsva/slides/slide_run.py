"""A slide from its two planes to its files: survey, plan, tiles, pyramid, resumed where it broke off."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint, colours_phrase, load
from tsva.restoration.pair_network import PairNetwork
from tsva.settings.acquisition import OpticsSettings
from tsva.slides.depth_of_field import ChosenPlanes, StackEngine, one_pair
from tsva.slides.engine import Engine, SlideEngine, assemble, before_picture, judged_cells, restore_tiles
from tsva.slides.plane_alignment import align, margin_px
from tsva.slides.pyramid import SlideFacts, is_zarr
from tsva.slides.slide_plan import SlidePlan
from tsva.slides.survey import Survey
from tsva.slides.surveyor import survey
from tsva.slides.tile_restorers import Constants, TileRestorer, constants_of, restorer_of
from tsva.slides.trust import Judge
from tsva.slides.two_planes import TwoPlanes, at_pixel_size
from tsva.slides.workplace import digest_of_file, digest_of_values, open_journal, workplace

log = logging.getLogger(__name__)
PLAN, SURVEY = "plan.json", "survey.npz"
ENDINGS = (".ome.tif", ".ome.tiff", ".ome.zarr", ".dicom")


@dataclass(frozen=True)
class SlideOptions:
    """How a slide is written and computed.

    Attributes
    ----------
    quality : int or None
        Of JPEG, 4:4:4; None: Deflate, without loss.
    threads : int
        Of the CPU.
    core_px : int or None
        Edge of the tiles that go through the network, a multiple of 512; None: what its runtime is fastest with.
    optics : OpticsSettings or None
        Of the microscope that took the planes; None: taken to be those that the model was trained on.
    """

    quality: int | None = None
    threads: int = 1
    core_px: int | None = None
    optics: OpticsSettings | None = None


@dataclass(frozen=True)
class RestoredSlide:
    """What became of a slide.

    Attributes
    ----------
    out : Path
        The pyramid.
    survey : Survey
    cells : dict of str to (R, K, …) array
        What was judged of each cell; ``verdict`` among them.
    before : (Y, X, C) uint8 array
        The nearer shot as captured, as small as a page wants it.
    network : str
    colour_distance : float
        From the colours of the network's training, in standard deviations; NaN where these are not known.
    """

    out: Path
    survey: Survey
    cells: dict[str, np.ndarray]
    before: np.ndarray
    network: str
    colour_distance: float


class _Aligner:
    """`tsva.slides.plane_alignment.align` with a survey."""

    def __init__(self, measured: Survey) -> None:
        self._survey, self.margin_px = measured, margin_px(measured)

    def __call__(self, low: np.ndarray, high: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        return align(low, high, self._survey, y, x)


def without_ending(out: Path) -> Path:
    """Where a pyramid's other results lie, unless a user says so: its name without what tells the format."""
    ending = next((ending for ending in ENDINGS if out.name.endswith(ending)), "")
    return out.with_name(out.name.removesuffix(ending))


def refocus_planes(planes: TwoPlanes, model: Path, out: Path, options: SlideOptions) -> RestoredSlide:
    """Restore a slide from its two planes and write it as a pyramid.

    What is finished lies in ``OUT.unfinished`` until all is done; the same call goes on where it broke off and gives
    the same file.

    Parameters
    ----------
    planes : TwoPlanes
        Resampled to the model's pixel size where theirs is another one.
    model : Path
        A checkpoint of the train stage.
    out : Path
        Ends in ``.ome.tif``; in ``.ome.zarr`` for OME-Zarr, which is lossless; in ``.dicom`` for a folder of DICOM.
    options : SlideOptions

    Raises
    ------
    UserError
        If the model does not fit, the unfinished work is of other inputs, another process restores the slide, or the
        source breaks off.
    """
    if not out.name.endswith(ENDINGS):
        raise UserError(str(out), got="this name", wanted=f"one that ends in {', '.join(ENDINGS)}", do="Correct --out.")
    if is_zarr(out) and options.quality is not None:
        raise UserError(str(out), got="a quality of JPEG", wanted="none: OME-Zarr is lossless", do="Leave it out.")
    torch.set_num_threads(options.threads)
    held = load(model)
    planes = at_pixel_size(planes, held.pixel_um)
    held.check_fits(model, planes.where, planes.pixel_um, planes.channels, planes.delta_um)
    network = _on_its_device(held.restored_network())
    optics = _optics_of(planes, held, options)
    with workplace(out) as folder:
        fixed = _fixed(planes, digest_of_file(model), options)
        begun, measured = _begun(folder, fixed, options) or (None, _surveyed(planes, optics, folder))
        constants = begun.constants if begun else constants_of(network, one_pair(planes), measured)
        restorer = restorer_of(network, planes.channels, measured, constants, options.threads)
        plan = begun or _planned(planes, held, fixed, constants, restorer, options, folder)
        if restorer.runtime != plan.runtime:
            log.warning("%s was begun with %s, and goes on with %s", out, plan.runtime, restorer.runtime)
        judge = Judge(measured, held.offset_max_um, held.known_colours() if planes.channels == 3 else None)
        _tell_colours(planes.where, held, judge.colour_distance)

        def engine_of(two: TwoPlanes, survey: Survey) -> SlideEngine:
            own = restorer_of(network, two.channels, survey, constants, options.threads)
            judging = Judge(survey, held.offset_max_um, judge.colours)
            return SlideEngine(two, survey, own, _Aligner(survey), judging, plan.core_px, in_order=False)

        engine: Engine
        if isinstance(planes, ChosenPlanes):
            pairs = {low: engine_of(planes.pair(low), planes.survey_of(low, measured)) for low in planes.lows}
            engine = StackEngine(planes, pairs)
        else:
            engine = SlideEngine(planes, measured, restorer, _Aligner(measured), judge, plan.core_px)
        with open_journal(folder / "tiles.journal", plan.digest) as journal:
            pixels = planes.shape[0] * planes.shape[1]
            with tqdm(total=pixels, desc=f"restore {out.name}", unit="px", unit_scale=True, disable=None) as bar:
                restore_tiles(engine, plan, journal, bar.update)
            cells = judged_cells(journal, measured)
            before = before_picture(journal, planes.shape, planes.channels)
            facts = SlideFacts(planes.pixel_um, planes.magnification, planes.icc_profile, _provenance(plan))
            assemble(plan, journal, facts, out)
    return RestoredSlide(out, measured, cells, before, held.network, judge.colour_distance)


def _on_its_device(network: PairNetwork[Any]) -> PairNetwork[Any]:
    return network.to("cuda") if torch.cuda.is_available() else network


def _fixed(planes: TwoPlanes, model: str, options: SlideOptions) -> dict[str, Any]:
    """What a run that goes on must share with its first start."""
    return {
        "source": planes.digest,
        "model": model,
        "quality": options.quality,
        "optics": options.optics.model_dump(mode="json") if options.optics else {},
        "tsva": version("tsva"),
    }


def _begun(folder: Path, fixed: Mapping[str, Any], options: SlideOptions) -> tuple[SlidePlan, Survey] | None:
    """Plan and survey of the first start, where there was one."""
    file = folder / PLAN
    if not file.exists():
        return None
    plan = SlidePlan.load(file)
    plan.check_same(folder, **fixed, **({"core_px": options.core_px} if options.core_px else {}))
    log.info("%s: going on where it broke off", folder)
    return plan, Survey.load(folder / SURVEY)


def _optics_of(planes: TwoPlanes, held: Checkpoint, options: SlideOptions) -> OpticsSettings:
    """The microscope's optics, with a warning of each key in which the model was trained on others."""
    if options.optics is None:
        return OpticsSettings.model_validate(held.optics)
    for difference in held.outside_training(options.optics):
        log.warning("%s: %s; expect less of the result", planes.where, difference)
    return options.optics


def _tell_colours(where: str, held: Checkpoint, distance: float) -> None:
    if held.channels == 3 and held.known_colours() is None:
        log.info(
            "%s: the model does not state the colours of its training; the slide's are not compared with them", where
        )
    if strange := colours_phrase(distance):
        log.warning("%s: %s; no cell is restored. Train or fine-tune a model on this stain.", where, strange)


def _surveyed(planes: TwoPlanes, optics: OpticsSettings, folder: Path) -> Survey:
    given_um = planes.offset_given_um if isinstance(planes, ChosenPlanes) else None
    measured = survey(planes, optics=optics.model_copy(update={"pixel_um": planes.pixel_um}), offset_given_um=given_um)
    if isinstance(planes, ChosenPlanes):
        # near focus alone, where a stack's planes are chosen, spectra hardly show the planes' distance
        measured = replace(measured, delta_scale=float("nan"))
    measured.save(folder / SURVEY)
    return measured


def _planned(
    planes: TwoPlanes,
    held: Checkpoint,
    fixed: Mapping[str, Any],
    constants: Constants,
    restorer: TileRestorer,
    options: SlideOptions,
    folder: Path,
) -> SlidePlan:
    """A fresh plan, written."""
    plan = SlidePlan(
        **fixed,
        network=held.network,
        shape=planes.shape,
        channels=planes.channels,
        pixel_um=planes.pixel_um,
        delta_um=planes.delta_um,
        core_px=options.core_px or restorer.core_px,
        runtime=restorer.runtime,
        constants=dict(constants),
        survey=digest_of_file(folder / SURVEY),
    )
    plan.save(folder / PLAN)
    return plan


def _provenance(plan: SlidePlan) -> dict[str, str]:
    """How a pyramid was made: nothing that shows which slide it was made of."""
    settings = {name: value for name, value in asdict(plan).items() if name not in ("source", "survey", "constants")}
    return {
        "software": f"tsva {plan.tsva}",
        "network": plan.network,
        "model": plan.model,
        "runtime": plan.runtime,
        "delta_um": f"{plan.delta_um:g}",
        "compression": plan.codec.name,
        "settings": digest_of_values(settings),
    }
