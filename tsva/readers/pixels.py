"""Which pixels are taken: 8-bit grey or RGB; the rest is refused by name."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tsva.errors import UserError

WANTED = "8 bits per channel, grey or RGB"
BOTH_DEPTHS = (8, 16)
UNFILLED_BITS = 3
"""Of a camera's range that a whole stack may leave dark; 12-bit data declared as 16 bits leaves four."""


def as_grey_or_rgb(pixels: np.ndarray, where: str, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Check an image, and drop an alpha channel that says nothing.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) array
        As the file holds it.
    where : str
        The file, for messages.
    depths : tuple of int
        Bits per channel that are taken: 8, or `BOTH_DEPTHS`.

    Returns
    -------
    (Y, X, C) uint8 or uint16 array
        C is 1 or 3.

    Raises
    ------
    UserError
        For any other bit depth or number of channels, and for pixels that are partly transparent.
    """
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize * 8 not in depths:
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
    if np.any(pixels[..., -1] != np.iinfo(pixels.dtype).max):
        raise UserError(
            where,
            got=f"{channels} channels, the last of which is not opacity throughout",
            wanted=WANTED,
            do="Flatten the image onto its background and save it without transparency.",
        )
    return pixels[..., :-1]


def to_8_bits(pixels: np.ndarray, bits: int | None, where: str) -> np.ndarray:
    """Scale a camera's range to 8 bits, the same for all planes of a stack, so that sharpness can be compared.

    Parameters
    ----------
    pixels : uint8 or uint16 array
        8-bit pixels are given back as they are.
    bits : int or None
        How many bits the camera fills; None where nobody knows.
    where : str
        The file, for messages.

    Returns
    -------
    uint8 array
        ``round(255 v / (2**bits - 1))``.

    Raises
    ------
    UserError
        If 16-bit pixels come without `bits`, or go beyond them.
    """
    if pixels.dtype == np.uint8:
        return pixels
    brightest = int(pixels.max(initial=0))
    if bits is None:
        raise UserError(
            where,
            got=f"16 bits per channel (uint16) up to {brightest}, and no word on how many the camera fills",
            wanted=f"{WANTED}, or 16 bits with a known range",
            do=f"Write the camera's bit depth ({max(brightest.bit_length(), 8)} or more) into the slide sheet's column"
            " bits.",
        )
    white = (1 << bits) - 1
    if brightest > white:
        raise UserError(
            where,
            got=f"a pixel of {brightest}",
            wanted=f"at most {white}, as {bits} bits hold",
            do="Write the camera's bit depth into the slide sheet's column bits.",
        )
    return ((pixels.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def check_filled(brightest: int, bits: int, where: str) -> None:
    """Refuse a range that is much larger than what its pixels fill: few grey levels would be left.

    Raises
    ------
    UserError
        If the brightest 16-bit pixel of a stack lies below an eighth of the range.
    """
    if 0 < brightest < (1 << bits) >> UNFILLED_BITS:
        raise UserError(
            where,
            got=f"{bits} bits, of which pixels fill {brightest.bit_length()} (the brightest is {brightest}):"
            f" {brightest * 255 // ((1 << bits) - 1) + 1} grey levels would be left",
            wanted="the range that the camera fills",
            do=f"Write the camera's bit depth ({max(brightest.bit_length(), 8)} or more) into the slide sheet's column"
            " bits.",
        )


def from_ycbcr(pixels: np.ndarray, where: str) -> np.ndarray:
    """Colours of 8-bit YCbCr samples of full range (ITU-R BT.601, as JPEG has them)."""
    if pixels.dtype != np.uint8:
        raise wrong_colours(where, "YCbCr of 16 bits")
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels), "YCbCr").convert("RGB"))


def wrong_depth(where: str, got: str) -> UserError:
    """The message for a bit depth that can't be read; scaling each plane by its own range would make them differ."""
    return UserError(
        where,
        got=got,
        wanted=f"{WANTED}, or whole numbers of 16 bits",
        do="Save the camera's own numbers as 16-bit TIFF, and not each plane stretched to its own range.",
    )


def wrong_colours(where: str, got: str) -> UserError:
    """The message for a colour space that is neither grey nor RGB."""
    return UserError(where, got=f"colours stored as {got}", wanted=WANTED, do="Save it as RGB or grey.")


def unreadable(where: str, error: object) -> UserError:
    """The message for a file that is cut off, damaged or of another kind."""
    detail = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        where,
        got=f"a file that can't be read to its end ({detail})",
        wanted="a whole image",
        do="Copy or export it again.",
    )
