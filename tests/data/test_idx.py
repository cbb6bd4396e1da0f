from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan.data import find_mnist, mnist, read_idx
from minigan.files import FileError

CODES = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return head + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder: Path, count: int = 5, labels: int | None = None) -> None:
    pixels = np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
    ids = np.arange(count if labels is None else labels, dtype=np.uint8) % 10
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pixels)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(ids))
    (folder / "t10k-images.idx3-ubyte").write_bytes(idx_bytes(pixels[:2]))
    (folder / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(ids[:2])))


@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda code: hnp.arrays(code, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0))
    ),
    zipped=st.booleans(),
)
def test_any_dtype_and_rank_comes_back(
    tmp_path_factory: pytest.TempPathFactory, array: Any, zipped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.idx"
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data, 1) if zipped else data)
    got = read_idx(path)
    assert got.shape == array.shape
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    assert got.flags.writeable
    assert got.tobytes() == array.tobytes()


GOOD = idx_bytes(np.arange(6, dtype=np.int16).reshape(2, 3))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "starts with nothing"),
        (b"\0\0", "not an IDX file"),
        (b"PNG!" + GOOD, "starts with 50 4e 47 21"),
        (b"\0\0\x07\x01" + GOOD, "not an IDX file"),
        (b"\0\0\x08\xff" + b"\0" * 2000, "rank 255"),
        (GOOD[:7], "cut short within its header"),
        (GOOD[:-1], "shape .2, 3., 12 bytes, more than the file can hold|cut short"),
        (GOOD + b"\0", "goes on after the 12 bytes"),
        (b"\0\0\x0e\x02" + b"\xff" * 8, "more than the file can hold"),
        (b"\0\0\x08\x04" + b"\0" * 4 + b"\xff" * 12, "more than NumPy can hold"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_are_not_right(tmp_path: Path, data: bytes, words: str, zipped: bool) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(gzip.compress(data) if zipped else data)
    with pytest.raises(FileError, match=words) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_corrupted_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(idx_bytes(np.arange(3000, dtype=np.int16)))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for data in (whole[:-20], whole[:5], bytes(flipped), whole + b"rubbish"):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(FileError, match=r"a\.gz"):
            read_idx(tmp_path / "a.gz")


def test_a_missing_file_stays_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


def test_mnist_under_any_of_its_names(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    train, test = mnist(tmp_path), mnist(tmp_path, "test")
    assert (len(train), len(test)) == (5, 2)
    assert train.shape == (28, 28, 1)
    assert train.labels is not None
    assert train.labels.tolist() == [0, 1, 2, 3, 4]
    assert train.classes == tuple("0123456789")
    assert train.source == f"{tmp_path.name}, train set"
    assert np.array_equal(train.pixels[:2], test.pixels)


def test_mnist_with_files_missing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError) as caught:
            mnist(folder)
        for words in (
            str(folder),
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
            "yann.lecun.com/exdb/mnist",
            "github.com/zalandoresearch/fashion-mnist",
        ):
            assert words in str(caught.value)
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
        mnist(tmp_path, "val")  # type: ignore[arg-type]


def test_mnist_whose_files_do_not_match(tmp_path: Path) -> None:
    write_mnist(tmp_path, labels=4)
    with pytest.raises(FileError, match="5 pictures .* 4 labels"):
        mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(5, 10, np.uint8)))
    with pytest.raises(FileError, match="label 10, wanted 0 to 9"):
        mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(5, np.int16)))
    with pytest.raises(FileError, match="rank 1 and dtype int16, wanted rank 1 and dtype uint8"):
        mnist(tmp_path)


def test_find_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="MINIGAN_DATA"):
        find_mnist()
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find_mnist()
    (tmp_path / "mnist").mkdir()
    assert find_mnist() == tmp_path / "mnist"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files(data_folder: Path, name: str) -> None:
    if not (data_folder / name).is_dir():
        pytest.skip(f"{name} is not in the folder that MINIGAN_DATA names")
    train, test = mnist(data_folder / name), mnist(data_folder / name, "test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.shape == (28, 28, 1)
    assert train.labels is not None
    assert np.bincount(train.labels).shape == (10,)
    first = train.labels[:3].tolist()
    assert first == ([5, 0, 4] if name == "mnist" else [9, 0, 0])
