"""An OME-TIFF set: images in several files, whose header may be in a file of its own."""

from __future__ import annotations

from pathlib import Path

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.ome import companion_of, files_beside, read_ome, text_of_companion
from tsva.readers.tiff import ome_images, open_tiff, reading


def files_of_set(path: Path) -> set[str]:
    """Names of all files of a set, as its header tells them; nothing for files that hold all of their image.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    where = str(path)
    if head_of(path).is_companion:
        return {path.name, *_images_of(path)}
    if not head_of(path).is_tiff:
        return set()
    with open_tiff(path) as tif, reading(where):
        names = files_beside(ome_images(tif, where))
        if not names:
            return set()
        companion = companion_of(path, tif.pages.first.description)
    return {companion.name, *names} if companion else names if len(names) > 1 else set()


def first_of_set(companion: Path) -> Path:
    """An image of the set whose header this file is; it leads to the others.

    Raises
    ------
    UserError
        If there is none, or it has another header.
    """
    where, names = str(companion), _images_of(companion)
    images = [companion.parent / name for name in names]
    missing = [path.name for path in images if not head_of(path).is_tiff]
    if missing or not images:
        raise UserError(
            where,
            got=f"an OME header whose image {missing[0]!r} is no TIFF file next to it"
            if missing
            else "an OME header that names no image",
            wanted="the images of the set in the same folder",
            do="Copy them there.",
        )
    if companion.name not in files_of_set(images[0]):
        raise UserError(
            where,
            got=f"an OME header of images that have one of their own ({images[0].name})",
            wanted="images that refer to it",
            do="Name the images instead.",
        )
    return images[0]


def _images_of(companion: Path) -> list[str]:
    """Names of the images that a header in a file of its own tells of, sorted; of its own folder alone."""
    with reading(str(companion)):
        return sorted(files_beside(read_ome(text_of_companion(companion), str(companion))))
