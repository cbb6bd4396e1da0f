"""From any Pillow picture to 8-bit grey or colour of one size. Pillow is imported when used."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import of_extra
from .images import Images

if TYPE_CHECKING:
    from PIL.Image import Image

Fit = Literal["resize", "crop"]
Size = tuple[int, int] | int

_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as in Pillow's own "L"


def require_pillow() -> None:
    """Raise an ImportError that says how to install Pillow, if it is missing."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise ImportError(f"reading and resizing pictures needs Pillow{of_extra('cli')}") from error


def as_size(size: Size) -> tuple[int, int]:
    """``size`` as (height, width), both positive; one integer means a square."""
    try:
        height, width = size if isinstance(size, (tuple, list)) else (size, size)
        height, width = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ValueError(f"size must be (height, width) in whole pixels, at least 1, got {size!r}")
    return height, width


def check_options(channels: int | None, fit: str) -> None:
    """Raise a ValueError unless ``channels`` is 1, 3 or None and ``fit`` a known way to fit."""
    if channels not in (None, 1, 3):
        raise ValueError(f"channels: got {channels!r}, wanted 1 (grey) or 3 (colour)")
    if fit not in ("resize", "crop"):
        raise ValueError(f"fit: got {fit!r}, wanted 'resize' or 'crop'")


def flattened(image: Image, channels: int, background: int = 255) -> Image:
    """A picture of any mode in 8 bits, "L" for 1 channel and "RGB" for 3, without transparency.

    Transparent parts show ``background``, a grey level 0 to 255. Raises ValueError for modes of
    unknown brightness.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floats of unknown range; convert it to 8 bits")
    if image.mode.startswith("I"):
        image = _from_16_bits(image, background)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = _composited(image, background)
    return image.convert("RGB" if channels == 3 else "L")


def fitted(image: Image, size: tuple[int, int], fit: Fit) -> Image:
    """``image`` at ``size`` (height, width): stretched, or its largest centred part that fits."""
    from PIL.Image import Resampling

    height, width = size
    if image.size == (width, height):
        return image
    if fit == "resize":
        return image.resize((width, height), Resampling.BICUBIC)
    # Cropping first is scaling the shorter side and cropping then, without the wasted pixels.
    scale = min(image.width / width, image.height / height)
    # Rounding may make the side that is kept whole a little too long, which Pillow refuses.
    left = max(0.0, (image.width - width * scale) / 2)
    top = max(0.0, (image.height - height * scale) / 2)
    right, bottom = image.width - left, image.height - top
    return image.resize((width, height), Resampling.BICUBIC, box=(left, top, right, bottom))


def resized(
    images: Images,
    size: Size | None = None,
    channels: int | None = None,
    fit: Fit = "resize",
) -> Images:
    """``images`` at another size (height, width) or number of channels, in the same range.

    None leaves either as it is. Grey is repeated to colour; colour becomes grey by luma.

    Raises:
        ValueError: an option that doesn't fit, or pictures of neither 1 nor 3 channels to convert.
        ImportError: pixels must change in size and Pillow is missing.
    """
    check_options(channels, fit)
    pixels = _recoloured(images.pixels, channels or images.shape[2])
    if size is not None and as_size(size) != images.shape[:2]:
        pixels = _rescaled(pixels, as_size(size), fit)
        pixels = pixels.clip(*images.range).astype(images.pixels.dtype)
    if pixels is images.pixels:
        return images
    return Images(pixels, images.labels, images.classes, images.source, images.value_range)


def _from_16_bits(image: Image, background: int) -> Image:
    """Grey of 16 bits in 8, where Pillow's own conversion would clip."""
    from PIL import Image as Pillow

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are beyond 16 bits; convert it to 8 bits")
    levels = np.rint(values / 257).astype(np.uint8)
    if "transparency" in image.info:  # here, the one value that is transparent
        levels[values == image.info["transparency"]] = background
    return Pillow.fromarray(levels)


def _composited(image: Image, background: int) -> Image:
    from PIL import Image as Pillow

    if image.mode == "La":
        image = image.convert("LA")  # the only way from premultiplied grey
    canvas = Pillow.new("RGBA", image.size, (background, background, background, 255))
    return Pillow.alpha_composite(canvas, image.convert("RGBA")).convert("RGB")


def _recoloured(pixels: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
    got = pixels.shape[3]
    if got == channels:
        return pixels
    if (got, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=3)
    if (got, channels) == (3, 1):
        grey = (pixels @ _LUMA)[..., None]
        return (np.rint(grey) if pixels.dtype == np.uint8 else grey).astype(pixels.dtype)
    hint = "; leave the fourth out, pixels[..., :3]" if got == 4 else ""
    raise ValueError(f"channels: the pictures have {got}, which can't become {channels}{hint}")


def _rescaled(pixels: npt.NDArray[Any], size: tuple[int, int], fit: Fit) -> npt.NDArray[Any]:
    require_pillow()
    from PIL import Image as Pillow

    scaled = np.empty((len(pixels), *size, pixels.shape[3]), pixels.dtype)
    for picture, target in zip(pixels, scaled, strict=True):
        for channel in range(pixels.shape[3]):  # one at a time: Pillow has no float colour
            plane = Pillow.fromarray(np.ascontiguousarray(picture[..., channel]))
            target[..., channel] = np.asarray(fitted(plane, size, fit))
    return scaled
