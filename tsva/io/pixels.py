"""Which pixels are taken: 8-bit grey or RGB; the rest is refused by name."""

from __future__ import annotations

import numpy as np

from tsva.errors import UserError

WANTED = "8 bits per channel, grey or RGB"
OPAQUE = 255


def as_grey_or_rgb(pixels: np.ndarray, where: str) -> np.ndarray:
    """Check an image, and drop an alpha channel that says nothing.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) array
        As the file holds it.
    where : str
        The file, for messages.

    Returns
    -------
    (Y, X, C) uint8 array
        C is 1 or 3.

    Raises
    ------
    UserError
        For any other bit depth or number of channels, and for pixels that are partly transparent.
    """
    if pixels.dtype != np.uint8:
        raise wrong_depth(where, f"{pixels.dtype.itemsize * 8} bits per channel ({pixels.dtype})")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    channels = pixels.shape[2]
    if channels in (1, 3):
        return pixels
    if channels not in (2, 4):
        raise UserError(
            where, got=f"{channels} channels", wanted=WANTED, do="Save the red, green and blue channels alone."
        )
    if np.any(pixels[..., -1] != OPAQUE):
        raise UserError(
            where, got=f"{channels} channels, the last of which is not opacity throughout",
            wanted=WANTED, do="Flatten the image onto its background and save it without transparency.",
        )  # fmt: skip
    return pixels[..., :-1]


def wrong_depth(where: str, got: str) -> UserError:
    """The message for a bit depth that isn't 8."""
    return UserError(where, got=got, wanted=WANTED, do="Save it with 8 bits per channel (Fiji: Image > Type).")


def wrong_colours(where: str, got: str) -> UserError:
    """The message for a colour space that is neither grey nor RGB."""
    return UserError(where, got=f"colours stored as {got}", wanted=WANTED, do="Save it as RGB or grey.")


def unreadable(where: str, error: object) -> UserError:
    """The message for a file that is cut off, damaged or of another kind."""
    detail = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        where, got=f"a file that can't be read to its end ({detail})", wanted="a whole image",
        do="Copy or export it again.",
    )  # fmt: skip
