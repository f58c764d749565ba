"""The options that name the two focal planes of a slide, for all commands that take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
OPTIONS = (
    click.option("--low", type=FILE, help="The lower plane: an OpenSlide format, TIFF, or a TileConfiguration.txt."),
    click.option("--high", type=FILE, help="The upper plane, likewise."),
    click.option("--stack", type=FILE, help="Both planes in one file: OME-TIFF, TIFF, OME-Zarr, NDPI, DICOM, CZI."),
    click.option("--planes", type=(int, int), help="Which planes of the stack are the shots, counted from 1."),
    click.option("--z-um", type=(float, float), help="Their positions, in place of --planes."),
    click.option("--field", help="Which field of a stack file of several; by default all, joined by their positions."),
    click.option(
        "--delta-um", type=float, help="Half of the distance between the planes; a stack's positions tell it."
    ),
    click.option("--pixel-um", type=float, help="Size of a pixel in the specimen, where the file is wrong or silent."),
    click.option("--bits", type=click.IntRange(9, 16), help="Of 16-bit files: how many bits the camera fills."),
)


def two_planes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets them as one argument, ``told``, a `SlideInput`."""

    @wraps(command)
    def told_once(**given: Any) -> None:
        from tsva.slides.opening import SlideInput

        own = given.keys() & {field.name for field in fields(SlideInput)}
        told = SlideInput(**{name: given.pop(name) for name in own})
        command(told=told, **given)

    for option in reversed(OPTIONS):
        told_once = option(told_once)
    return told_once
