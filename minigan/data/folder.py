"""A folder of picture files as training data: a class a sub-folder, or no sub-folders."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..files import FileError
from .images import Images
from .pictures import (
    Fit,
    Size,
    as_size,
    check_options,
    fitted,
    flattened,
    require_pillow,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[Iterable[Path]], Iterable[Path]]

reading: ContextVar[Progress | None] = ContextVar("minigan_reading", default=None)
"""What wraps the list of files while a folder is read, where the call does not say."""

_LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")  # what systems leave behind unasked
_SHOWN = 5
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error,
    OverflowError,
)  # fmt: skip


def image_folder(
    path: str | os.PathLike[str],
    size: Size | None = None,
    *,
    channels: int = 3,
    fit: Fit = "resize",
    background: int = 255,
    progress: Progress | None = None,
) -> Images:
    """Read all pictures in a folder, in the order of their names.

    Pictures may be of any format, mode and size that Pillow reads. Hidden files are left out.

    Args:
        path: a folder of pictures, or of one folder of pictures for each class.
        size: (height, width) of the result in pixels, or one number for a square. None takes the
            pictures' own size, if they have the same.
        channels: 3 for colour, 1 for grey.
        fit: ``"resize"`` stretches a picture to ``size``; ``"crop"`` scales its shorter side and
            cuts the middle out.
        background: the grey level, 0 to 255, seen through transparent parts.
        progress: wraps the list of files while it is read, such as ``tqdm.tqdm``.

    Returns:
        Pictures (N, H, W, channels), uint8, with labels where there are class folders.

    Raises:
        FileError: no pictures, files that aren't pictures (the first 5 by name), mixed sizes.
        FileNotFoundError: no such folder.
        ImportError: Pillow is missing.
    """
    require_pillow()
    check_options(channels, fit)
    if not 0 <= background <= 255:
        raise ValueError(f"background must be a grey level from 0 to 255, got {background!r}")
    wanted = None if size is None else as_size(size)
    files, labels, classes = _listing(_folder(path))
    pixels: npt.NDArray[np.uint8] | None = None
    problems: list[str] = []
    look = progress or reading.get()
    for index, file in enumerate(files if look is None else look(files)):
        try:
            image = _decoded(file, channels, background)
        except _DECODER_ERRORS as error:
            problems.append(_reason(file, error))
            if len(problems) == _SHOWN:
                break
            continue
        if wanted is not None:
            image = fitted(image, wanted, fit)
        picture = np.asarray(image).reshape(image.height, image.width, channels)
        if pixels is None:
            pixels = np.empty((len(files), *picture.shape), np.uint8)
        if picture.shape != pixels.shape[1:]:
            raise FileError(_mixed(file, picture, pixels[0]))
        pixels[index] = picture
    if problems or pixels is None:
        raise FileError(
            f"{os.fspath(path)!r} holds files that are no pictures; mend or remove "
            + "; ".join(problems)
        )
    return Images(pixels, labels, classes, Path(path).resolve().name)


def _folder(path: str | os.PathLike[str]) -> Path:
    folder = Path(path)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {os.fspath(path)!r}")
    if not folder.is_dir():
        advice = "unpack it and give the folder" if folder.suffix == ".zip" else "give its folder"
        raise FileError(f"{os.fspath(path)!r} is a file, wanted a folder of pictures; {advice}")
    return folder


def _listing(
    folder: Path,
) -> tuple[list[Path], npt.NDArray[np.int64] | None, tuple[str, ...] | None]:
    """The picture files in order, with their class ids and the classes' names, if any."""
    entries = _visible(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    if not entries:
        raise FileError(f"{str(folder)!r} is empty, wanted pictures, or a folder for each class")
    if not folders:
        return entries, None, None
    if len(folders) < len(entries):
        stray = next(entry for entry in entries if entry not in folders)
        raise FileError(
            f"{str(folder)!r} has both folders and files such as {stray.name!r}; name one of the "
            f"folders, such as {str(folders[0])!r}, or remove the files if each folder is a class"
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, sub in enumerate(folders):
        inside = _visible(sub)
        nested = next((entry for entry in inside if entry.is_dir()), None)
        if nested is not None:
            raise FileError(f"{str(nested)!r} is a folder within a class folder; wanted pictures")
        if not inside:
            raise FileError(f"the class folder {str(sub)!r} is empty; remove it or fill it")
        files += inside
        labels += [label] * len(inside)
    return files, np.array(labels, np.int64), tuple(sub.name for sub in folders)


def _visible(folder: Path) -> list[Path]:
    names = sorted(os.listdir(folder))
    return [folder / name for name in names if name[0] != "." and name not in _LITTER]


def _decoded(file: Path, channels: int, background: int) -> Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            upright = ImageOps.exif_transpose(opened)  # photos say which side is up
            return flattened(upright, channels, background)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None


def _reason(file: Path, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    unknown = isinstance(error, UnidentifiedImageError)
    return f"{str(file)!r} ({'not a picture' if unknown else error})"


def _mixed(file: Path, got: npt.NDArray[Any], first: npt.NDArray[Any]) -> str:
    return (
        f"size is needed, as the pictures differ: the first is {first.shape[0]}x{first.shape[1]} "
        f"(height x width), {str(file)!r} is {got.shape[0]}x{got.shape[1]}; "
        f"give size=(height, width)"
    )
