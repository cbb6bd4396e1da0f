"""IDX files, the format of MNIST and Fashion-MNIST: a tiny header, then big-endian numbers."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from ..files import FileError
from .images import Images

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_RANK = 32  # what NumPy 1.26 can hold
_GZIP_RATIO = 1032  # deflate can't shrink by more
_CHUNK = 1 << 20
_PARTS = {"train": "train", "test": "t10k"}


def is_idx(path: str | os.PathLike[str]) -> bool:
    """Whether a file starts like an IDX file, plain or gzipped."""
    with open(path, "rb") as file:
        lead = file.read(4)
    return lead[:2] == b"\x1f\x8b" or (lead[:2] == b"\0\0" and len(lead) > 2 and lead[2] in _DTYPES)


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read an IDX file, plain or gzipped, of any of its dtypes and any rank up to 32.

    Returns:
        A new array in native byte order.

    Raises:
        FileError: not an IDX file, or cut short, too long, corrupted or of absurd size.
        OSError: the file can't be opened.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        room = os.fstat(file.fileno()).st_size * (_GZIP_RATIO if zipped else 1)
        file.seek(0)
        try:
            if not zipped:
                return _parse(file, room, name)
            with gzip.open(file, "rb") as unzipped:
                return _parse(cast("IO[bytes]", unzipped), room, name)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileError(
                f"{name!r}: its gzip data are corrupted ({error}); get it again"
            ) from error


def _parse(file: IO[bytes], room: int, name: str) -> npt.NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise FileError(
            f"{name!r} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}, wanted "
            f"00 00, a type of {', '.join(f'{code:02x}' for code in _DTYPES)}, and a rank"
        )
    dtype, rank = np.dtype(_DTYPES[magic[2]]), magic[3]
    if rank > _MAX_RANK:
        raise FileError(f"{name!r} claims rank {rank}, wanted at most {_MAX_RANK}")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise FileError(f"{name!r} is cut short within its header; get it again")
    shape = struct.unpack(f">{rank}I", sizes)
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > room:
        raise FileError(
            f"{name!r} claims shape {shape}, {wanted} bytes, more than the file can hold: "
            f"it is cut short or its header is wrong"
        )
    data = _read_up_to(file, wanted)
    if len(data) < wanted:
        raise FileError(
            f"{name!r} is cut short: {len(data)} bytes of data, wanted {wanted} for shape {shape}"
        )
    if file.read(1):
        raise FileError(f"{name!r} goes on after the {wanted} bytes of data of shape {shape}")
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError:  # a size of 0 beside sizes whose product NumPy can't hold
        raise FileError(f"{name!r} claims shape {shape}, more than NumPy can hold") from None
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_up_to(file: IO[bytes], count: int) -> bytearray:
    """At most ``count`` bytes; memory grows with what is there, not with what is claimed."""
    data = bytearray()
    while len(data) < count and (part := file.read(min(_CHUNK, count - len(data)))):
        data += part
    return data


def mnist(folder: str | os.PathLike[str], split: Literal["train", "test"] = "train") -> Images:
    """Read MNIST, or a set published in its form such as Fashion-MNIST, from a folder.

    The folder holds the four files under their published names, gzipped or not.

    Returns:
        Pictures (N, 28, 28, 1), uint8, with labels 0 to 9.

    Raises:
        FileNotFoundError: the folder or a file is missing; says where to get them.
        FileError: a file is damaged or doesn't match the other.
    """
    if split not in _PARTS:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    images_path, labels_path = _files(folder, _PARTS[split])
    if images_path is None or labels_path is None:
        raise FileNotFoundError(_missing(f"{os.fspath(folder)!r} lacks MNIST's {split} files"))
    pixels = _read_bytes(images_path, 3)
    labels = _read_bytes(labels_path, 1)
    if len(pixels) != len(labels) or not pixels.size:
        raise FileError(
            f"{str(images_path)!r} has {len(pixels)} pictures and {str(labels_path)!r} "
            f"{len(labels)} labels, wanted as many of each, and at least one"
        )
    if labels.max() > 9:
        raise FileError(f"{str(labels_path)!r} holds the label {labels.max()}, wanted 0 to 9")
    source = f"{Path(folder).resolve().name}, {split} set"
    return Images(pixels[..., None], labels.astype(np.int64), tuple("0123456789"), source)


def is_mnist(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds any of MNIST's four files."""
    return any(any(_files(folder, part)) for part in _PARTS.values())


def mnist_test_set(folder: str | os.PathLike[str]) -> Images | None:
    """``mnist(folder, "test")``, or None unless both files of it are in the folder."""
    return mnist(folder, "test") if all(_files(folder, _PARTS["test"])) else None


def _files(folder: str | os.PathLike[str], part: str) -> tuple[Path | None, Path | None]:
    """The images and the labels of one part, each None if it is not there."""
    return _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)


def find_mnist() -> Path:
    """The folder ``mnist`` in the folder that the environment variable MINIGAN_DATA names.

    Raises:
        FileNotFoundError: the variable is unset or the folder is missing; says what to do.
    """
    root = os.environ.get("MINIGAN_DATA")
    if not root:
        raise FileNotFoundError(
            _missing(
                "the environment variable MINIGAN_DATA, the folder that has mnist/, is not set"
            )
        )
    folder = Path(root) / "mnist"
    if not folder.is_dir():
        raise FileNotFoundError(_missing(f"there is no folder {str(folder)!r}"))
    return folder


def _find(folder: str | os.PathLike[str], stem: str, rank: int) -> Path | None:
    for separator in "-.":
        for suffix in (".gz", ""):
            path = Path(folder) / f"{stem}{separator}idx{rank}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def _read_bytes(path: Path, rank: int) -> npt.NDArray[Any]:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != rank:
        raise FileError(
            f"{str(path)!r} has rank {array.ndim} and dtype {array.dtype}, "
            f"wanted rank {rank} and dtype uint8"
        )
    return array


def _missing(problem: str) -> str:
    names = [
        f"{part}-{kind}-ubyte.gz"
        for part in _PARTS.values()
        for kind in ("images-idx3", "labels-idx1")
    ]
    return (
        f"{problem}; put {', '.join(names)} (gzipped or not) into one folder and name it "
        "(--data FOLDER). They are published at yann.lecun.com/exdb/mnist (MNIST) and "
        "github.com/zalandoresearch/fashion-mnist (Fashion-MNIST)"
    )
