from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.data import Images, batches, from_arrays, load, resized
from minigan.files import FileError
from minigan.recipes import upsampling

BYTES = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 6)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


# -- arrays


@pytest.mark.parametrize(
    ("array", "dtype", "most"),
    [
        (BYTES, np.uint8, 47),
        (BYTES[..., None], np.uint8, 47),
        (BYTES.astype(np.int64) * 5, np.uint8, 235),
        (BYTES > 3, np.uint8, 255),
        (BYTES / 47, np.float32, 1),
        ((BYTES / 47).astype(np.float16), np.float32, 1),
    ],
)
def test_from_arrays(array: Any, dtype: Any, most: float) -> None:
    images = from_arrays(array, [1, 0])
    assert images.shape == (4, 6, 1)
    assert images.pixels.dtype == dtype
    assert images.pixels.max() == most
    assert images.labels is not None
    assert images.labels.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float64])
def test_any_numbers_have_the_range_declared(dtype: Any) -> None:
    images = from_arrays(BYTES.astype(dtype), value_range=(0, 47))
    assert images.range == (0, 47)
    assert images.batch(slice(None)).max() == 1
    with pytest.raises(ValueError, match=r"value_range is \(0, 16\), but pixels lie in \[0, 47\]"):
        from_arrays(BYTES.astype(dtype), value_range=(0, 16))
    (batch,) = batches([BYTES.astype(dtype)[..., None]], value_range=(0, 47))
    assert batch.range == (0, 47)


def test_integers_beyond_bytes_with_a_range() -> None:
    deep = BYTES.astype(np.uint16) * 1000
    assert from_arrays(deep, value_range=(0, 65535)).pixels.max() == 47_000


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32, np.float64])
def test_numbers_dark_by_a_range_inferred_are_told_of(dtype: Any) -> None:
    dark = BYTES.astype(dtype)
    with pytest.warns(UserWarning, match=r"only 47 of 255: pass value_range=\(0, 47\)"):
        assert from_arrays(dark).range == (0, 255)
    from_arrays(dark, value_range=(0, 255))
    from_arrays(dark * 0)
    from_arrays(BYTES)  # bytes are from 0 to 255 by custom, and may be dark
    with pytest.warns(UserWarning) as caught:
        list(batches([dark[..., None]] * 2))
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("array", "kind", "words"),
    [
        (BYTES[0], ValueError, r"\(N, H, W\) or \(N, H, W, C\), got \(4, 6\)"),
        (BYTES.astype(np.int32) * 6, ValueError, r"integers in \[0, 282\], wanted 0 to 255"),
        (BYTES.astype(np.int32) - 1, ValueError, r"\[-1, 46\]"),
        (BYTES.astype(complex), TypeError, "complex128"),
        (BYTES.astype(str), TypeError, "integers or floats"),
        (np.full((1, 2, 2), np.nan), ValueError, "nan at index"),
        (np.full((1, 2, 2), 1e300), ValueError, "inf at index"),
        (np.zeros((0, 2, 2)), ValueError, "empty"),
        (np.zeros((5, 3, 8, 8)), ValueError, r"channels first; use np\.moveaxis\(images, 1, -1\)"),
    ],
)
def test_arrays_that_do_not_fit(array: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        from_arrays(array)


@pytest.mark.parametrize("labels", [[0.5, 1], [[0], [1]], [[1, 0], [0, 1]], ["a", "b"]])
def test_labels_that_do_not_fit(labels: Any) -> None:
    with pytest.raises(ValueError, match=r"labels must have shape \(N,\)"):
        from_arrays(BYTES, labels)


# -- other sizes and channels


def test_resized_between_grey_and_colour() -> None:
    grey = from_arrays(BYTES)
    colour = resized(grey, channels=3)
    assert colour.shape == (4, 6, 3)
    assert np.array_equal(resized(colour, channels=1).pixels, grey.pixels)
    floats = from_arrays(BYTES / 47)
    assert np.allclose(resized(resized(floats, channels=3), channels=1).pixels, floats.pixels)
    assert resized(grey, (4, 6), 1) is grey
    with pytest.raises(ValueError, match="have 2, which can't become 3"):
        resized(from_arrays(np.zeros((1, 2, 2, 2))), channels=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resized_keeps_dtype_range_and_labels(dtype: Any) -> None:
    pytest.importorskip("PIL", reason="resizing needs Pillow")
    steps = np.zeros((2, 4, 4, 3), dtype)
    steps[:, :, 2:] = 255
    images = Images(steps, np.array([1, 0]), None, "here", (0, 255))
    small, large = resized(images, 2), resized(images, (8, 16), fit="crop")
    assert small.shape == (2, 2, 3)
    assert large.shape == (8, 16, 3)
    assert large.pixels.dtype == dtype
    assert large.range == (0, 255)
    assert large.pixels.min() >= 0
    assert large.pixels.max() <= 255  # bicubic overshoots at edges
    assert large.labels is images.labels
    assert small.pixels[0, 0, 0, 0] < 30
    assert small.pixels[0, 0, 1, 0] > 225


# -- paths


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", BYTES)
    images = load(tmp_path / "a.npy", channels=3)
    assert images.shape == (4, 6, 3)
    assert images.source == "a.npy"
    assert images.labels is None


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("X", "Y"), ("x_train", "y_train"), ("pixels", None)]
)
def test_npz(tmp_path: Path, names: tuple[str, str | None]) -> None:
    arrays = {names[0]: BYTES, "x_test": np.zeros(3)}
    if names[1]:
        arrays[names[1]] = np.array([3, 4])
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    images = load(tmp_path / "a.npz")
    assert np.array_equal(images.pixels[..., 0], BYTES)
    assert (images.labels is None) == (names[1] is None)


def test_npz_with_one_array_of_any_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", BYTES)
    assert len(load(tmp_path / "a.npz")) == 2
    np.savez(tmp_path / "a.npz", foo=BYTES, bar=BYTES)
    with pytest.raises(FileError, match=r"holds the arrays \['bar', 'foo'\]"):
        load(tmp_path / "a.npz")


def test_numpy_files_that_are_not_right(tmp_path: Path) -> None:
    for name in ("a.npy", "a.npz"):
        path = tmp_path / name
        for data in (b"PK\x03\x04rubbish", b"\x93NUMPY\x01\x00rubbish"):
            path.write_bytes(data)
            with pytest.raises(FileError, match=rf"{name}.*damaged, or holds no plain arrays"):
                load(path)
        for data, start in ((b"", "nothing"), (b"1 2 3\n", "31 20 32"), (b"1,2,3,4", "31 2c 32")):
            path.write_bytes(data)
            with pytest.raises(FileError, match=rf"{name}' is not a NumPy file: .*{start}") as got:
                load(path)
            assert "pickle" not in str(got.value)
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(FileError, match=r"no plain arrays \(it holds Python objects\)"):
        load(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", BYTES)
    with open(tmp_path / "a.npy", "ab") as file:
        file.write(b"\0")
    with pytest.raises(FileError, match=r"goes on after its array of shape \(2, 4, 6\)"):
        load(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(FileError, match=r"a\.npy' can't be used: images must have shape"):
        load(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", images=BYTES, labels=np.zeros(3, int))
    with pytest.raises(FileError, match=r"labels must have shape \(2,\)"):
        load(tmp_path / "a.npz")


def test_idx_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(BYTES)))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(BYTES))
    for path in (tmp_path / "a.gz", tmp_path / "train-images-idx3-ubyte"):
        assert np.array_equal(load(path).pixels[..., 0], BYTES)
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte"):
        load(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([2, 1], np.uint8)))
    images = load(tmp_path)
    assert images.labels is not None
    assert images.labels.tolist() == [2, 1]
    with pytest.raises(FileError, match="images must have shape"):
        load(tmp_path / "train-labels-idx1-ubyte")


def test_picture_folders(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pictures need Pillow")
    image.fromarray(BYTES[0]).save(tmp_path / "a.png")
    assert load(tmp_path).shape == (4, 6, 3)
    assert load(tmp_path, size=(5, 5), channels=1, fit="crop").shape == (5, 5, 1)
    image.new("L", (3, 3)).save(tmp_path / "b.png")
    with pytest.raises(FileError, match="size is needed"):
        load(tmp_path)


def test_upsampling_checks_the_size_before_it_reads() -> None:
    with pytest.raises(ValueError, match="size: 100 is not 4 to 8 pixels doubled"):
        upsampling.load_data({"size": 100, "fit": "crop"}, "no such folder")


def test_things_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        load(tmp_path / "none")
    for name, words in (("a.zip", "unpack it"), ("a.png", "wanted a folder of pictures")):
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(FileError, match=words):
            load(tmp_path / name)
    with pytest.raises(ValueError, match="channels: got"):
        load(tmp_path / "a.png", channels=2)


def test_the_real_mnist(data_folder: Path) -> None:
    if not (data_folder / "mnist").is_dir():
        pytest.skip("mnist is not in the folder that MINIGAN_DATA names")
    assert len(load(data_folder / "mnist")) == 60_000


# -- streams


def test_batches_of_both_kinds() -> None:
    pixels = BYTES[..., None]
    got = list(batches([pixels, pixels[:1]]))
    assert [len(batch) for batch in got] == [2, 1]
    (labelled,) = batches([(pixels, [0, 1])])
    assert labelled.labels is not None
    assert labelled.source == "batch 0"


def test_batches_are_read_as_they_are_asked_for() -> None:
    def endless() -> Any:
        while True:
            yield BYTES[..., None]

    stream = batches(endless())
    assert len(next(stream)) == len(next(stream)) == 2


def test_batches_share_a_range() -> None:
    low, high = np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), -0.5)
    with pytest.raises(ValueError, match=r"batch 1: value_range is \(0\.0, 1\.0\), but pixels"):
        list(batches([low, high]))
    got = list(batches([low, high], value_range=(-1, 1)))
    assert [batch.range for batch in got] == [(-1, 1), (-1, 1)]


@pytest.mark.parametrize(
    ("second", "kind", "words"),
    [
        (BYTES, ValueError, r"batch 1: images must have shape \(N, H, W, C\), got \(2, 4, 6\)"),
        (BYTES[:, :2, :, None], ValueError, r"batch 1: its shape .* \(2, 6, 1\), .* \(4, 6, 1\)"),
        (BYTES[..., None] / 50, ValueError, "batch 1: .*"),
        ((BYTES[..., None], [0, 1]), ValueError, "batch 1: its labels"),
        ((BYTES[..., None], [0]), ValueError, r"batch 1: labels must have shape \(2,\)"),
        (BYTES[..., None].astype(str), TypeError, "batch 1: images must hold"),
        ("rubbish", ValueError, r"batch 1: images must have shape"),
    ],
)
def test_a_batch_that_does_not_fit(second: Any, kind: type[Exception], words: str) -> None:
    stream = batches([BYTES[..., None], second])
    next(stream)
    with pytest.raises(kind, match=words):
        next(stream)


def test_no_batches() -> None:
    with pytest.raises(ValueError, match="iterable gave no batches"):
        list(batches([]))


def test_importing_needs_numpy_only() -> None:
    code = (
        "import sys, minigan.data; "
        "print(sorted({'PIL', 'scipy', 'sklearn', 'tqdm', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bytes_of_0_and_1_alone_are_told_as_they_are_nearly_black():
    mask = BYTES % 2
    with pytest.warns(UserWarning, match="only 1 of 255: pass .* or give booleans"):
        from_arrays(mask)
    assert from_arrays(mask.astype(bool)).pixels.max() == 255
    assert from_arrays(mask, value_range=(0, 255)).pixels.max() == 1
    assert from_arrays(np.zeros_like(mask)).pixels.max() == 0
