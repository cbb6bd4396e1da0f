from __future__ import annotations

import errno
import io
import json
import os
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan import files
from minigan.files import (
    FileError,
    load_arrays,
    read_header,
    save_arrays,
    write_atomically,
    write_text,
)

HEADER = {"format": "test/1", "step": 3, "layers": [{"name": "dense", "rate": 0.1}]}
ARRAYS = {
    "dense.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "dense.bias": np.zeros(4, np.float16),
    "steps": np.array(7),
    "mask": np.array([True, False]),
    "größe": np.empty((0, 3)),
}
DTYPES = st.sampled_from(["?", "i1", "u2", ">i4", "<u8", "<f2", ">f4", "f8", "c8", ">c16"])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "state.npz"
    save_arrays(path, ARRAYS, HEADER)
    return path


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].shape == b[k].shape and a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes()
        for k in a
    )


# -- atomic writes


def test_text_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    write_text(path, "zwei — 2")
    assert path.read_bytes() == "zwei — 2".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_settings_in_words_are_the_same_in_every_process() -> None:
    class Plain:
        pass

    def own(step: int) -> float:
        return 0.1

    class Held(NamedTuple):
        function: Any

    path = "test_settings_in_words_are_the_same_in_every_process.<locals>."
    assert files.in_words(0.5) == "0.5" and files.in_words(None) == "None"
    assert files.in_words(Plain()) == "Plain"
    assert files.in_words(own) == f"<function {path}own>"
    assert files.in_words(Held(own)) == f"Held(function=<function {path}own>)"


def test_a_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def write(file: Any) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, OSError, "no space left"),
        (errno.EROFS, OSError, "read-only"),
        (errno.EACCES, PermissionError, "permission denied"),
        (errno.EIO, OSError, os.strerror(errno.EIO)),
    ],
)
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_disk_error_names_path_and_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[OSError],
    words: str,
    step: str,
) -> None:
    path = tmp_path / "state.npz"
    path.write_text("old")

    def fail(*args: Any) -> None:
        raise OSError(number, os.strerror(number))

    if step == "open":
        monkeypatch.setattr(files, "open", fail, raising=False)
    else:
        monkeypatch.setattr(f"minigan.files.os.{step}", fail)
    with pytest.raises(kind, match=words) as caught:
        save_arrays(path, ARRAYS, HEADER)
    monkeypatch.undo()
    assert caught.value.errno == number
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["state.npz"]


def test_a_disk_that_fills_up_while_arrays_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() + len(data) > 5000:
                raise OSError(errno.ENOSPC, "full")
            return super().write(data) or 0

    monkeypatch.setattr(files, "open", lambda path, mode: Full(path, "xb"), raising=False)
    with pytest.raises(OSError, match="no space left"):
        save_arrays(tmp_path / "a.npz", {"x": np.zeros(100_000)}, HEADER)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_missing_or_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        write_text(tmp_path / "no" / "a.txt", "")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_text(tmp_path, "")
    assert os.listdir(tmp_path) == []


# -- saving


@given(
    arrays=st.dictionaries(
        st.text("abc.é0", min_size=1, max_size=6),
        DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))),
        max_size=3,
    )
)
def test_arrays_come_back(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.npz"
    save_arrays(path, arrays, HEADER)
    loaded, header = load_arrays(path, format="test/1")
    assert header == HEADER
    native = {k: v.astype(v.dtype.newbyteorder("=")) for k, v in arrays.items()}
    assert same(loaded, native)
    assert list(loaded) == sorted(arrays)
    for array in loaded.values():
        assert array.flags.writeable and array.flags.c_contiguous and array.dtype.isnative
    assert read_header(path) == (HEADER, {k: (v.shape, v.dtype) for k, v in native.items()})


def test_equal_input_gives_equal_bytes(tmp_path: Path, saved: Path) -> None:
    turned = {k: np.asfortranarray(v) if v.ndim else v for k, v in reversed(ARRAYS.items())}
    save_arrays(tmp_path / "other", turned, dict(reversed(HEADER.items())))
    assert (tmp_path / "other").read_bytes() == saved.read_bytes()


def test_numpy_reads_it_too(saved: Path) -> None:
    with np.load(saved, allow_pickle=False) as stored:
        assert same({k: stored[k] for k in ARRAYS}, ARRAYS)
        assert json.loads(str(stored["header"])) == {**HEADER, "arrays": sorted(ARRAYS)}


@pytest.mark.parametrize(
    ("arrays", "header", "words"),
    [
        ({"header": np.zeros(1)}, HEADER, "'header' is taken"),
        ({"": np.zeros(1)}, HEADER, "non-empty printable"),
        ({"a\0": np.zeros(1)}, HEADER, "non-empty printable"),
        ({3: np.zeros(1)}, HEADER, "non-empty printable"),
        ({"x": np.array([{}])}, HEADER, r"arrays\['x'\] .* dtype object"),
        ({"x": np.array(["a"])}, HEADER, "booleans or numbers"),
        ({}, {"format": "a/1", "arrays": 1}, "'arrays' is taken"),
        ({}, {"step": 1}, r'header\["format"\] must be a string'),
        ({}, {"format": "a/1", "x": np.zeros(1)}, "only what JSON can"),
        ({}, {"format": "a/1", "x": float("nan")}, "only what JSON can"),
    ],
)
def test_what_cannot_be_saved(tmp_path: Path, arrays: Any, header: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        save_arrays(tmp_path / "a.npz", arrays, header)
    assert os.listdir(tmp_path) == []


# -- checking


def test_expected_arrays_come_in_the_order_asked(saved: Path) -> None:
    expected = {k: (v.shape, v.dtype) for k, v in ARRAYS.items()}
    loaded, _ = load_arrays(saved, expected=expected)
    assert list(loaded) == list(ARRAYS)
    assert same(loaded, ARRAYS)


def test_what_differs_is_listed_before_data_is_read(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: dict[str, Any] = {k: (v.shape, v.dtype) for k, v in ARRAYS.items()}
    expected["dense.weights"] = expected.pop("dense.weight")
    expected["dense.bias"] = ((5,), "float16")
    expected["steps"] = ((), "int16")
    read: list[str] = []
    original = files._read_array
    monkeypatch.setattr(
        files, "_read_array", lambda a, name, *rest: read.append(name) or original(a, name, *rest)
    )
    with pytest.raises(FileError) as caught:
        load_arrays(saved, expected=expected)
    message = str(caught.value)
    assert str(saved) in message
    assert "missing 'dense.weights' (did you mean 'dense.weight'?)" in message
    assert "unexpected 'dense.weight' (did you mean 'dense.weights'?)" in message
    assert "'dense.bias' is (4,) float16, wanted (5,) float16" in message
    assert "'steps' is () int64, wanted () int16" in message
    assert read == ["header"]


def test_many_differences_are_cut_short(saved: Path) -> None:
    with pytest.raises(FileError, match="and 17 more"):
        load_arrays(saved, expected={f"{i}": ((), "f4") for i in range(20)})


def test_another_format(saved: Path) -> None:
    with pytest.raises(FileError, match="'test/1', wanted 'test/2'"):
        load_arrays(saved, format="test/2")


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "none.npz")


@pytest.mark.parametrize("read", [load_arrays, read_header])
def test_files_that_are_something_else(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"")
    with pytest.raises(FileError, match=r"a\.npz.*not an \.npz"):
        read(path)
    path.write_text("x" * 1000)
    with pytest.raises(FileError, match="not an"):
        read(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(FileError, match="no header"):
        read(path)
    np.savez_compressed(path, x=np.zeros(30_000_000, np.uint8))  # a bomb: 30 MB in 30 KB
    with pytest.raises(FileError, match="more bytes than the file has"):
        read(path)
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(FileError, match="unreadable description or holds no plain numbers"):
        read(path)
    np.savez(path, header=np.array("[1]"))
    with pytest.raises(FileError, match='no JSON object with a "format"'):
        read(path)
    np.savez(path, header=np.array("{"))
    with pytest.raises(FileError, match="damaged"):
        read(path)
    np.savez(
        path, header=np.array('{"format": "a/1", "arrays": ["x"]}'), x=np.ones((2, 3), order="F")
    )
    with pytest.raises(FileError, match="Fortran"):
        read(path)
    np.savez(path, header=np.array('{"format": "a/1", "arrays": ["x"]}'), x=np.ones(3, ">f4"))
    with pytest.raises(FileError, match="big-endian"):
        read(path)


def crafted(path: Path, npy_header: str, data: bytes) -> None:
    """An .npz with a good header and one array, as a stranger might write it."""
    text = npy_header.encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    header = io.BytesIO()
    np.save(header, np.array('{"format": "a/1"}'))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", header.getvalue())
        archive.writestr("x.npy", member)


@pytest.mark.parametrize(
    ("descr", "order", "shape", "words"),
    [
        ("'<f4'", "False", "(3,)", "8 bytes of data, wanted 12"),
        ("'<f4'", "False", f"({10**30}, 0)", "8 bytes of data, wanted 0"),
        ("'<f4'", "False", f"({10**9}, {10**9})", "8 bytes of data, wanted 4"),
        ("'<f3'", "False", "(2,)", "none of NumPy's"),
        ("'<U2'", "False", "()", "wanted booleans or numbers"),
        ("'|O'", "False", "(1,)", "no plain numbers"),
        ("__import__('os')", "False", "(2,)", "unreadable description"),
        ("'<f4'", "False", "(-2,)", "unreadable description"),
    ],
)
def test_crafted_descriptions(
    tmp_path: Path, descr: str, order: str, shape: str, words: str
) -> None:
    path = tmp_path / "a.npz"
    crafted(path, f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", b"\0" * 8)
    with pytest.raises(FileError, match=words):
        load_arrays(path)


def test_a_shape_beyond_memory_with_no_data(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    crafted(path, f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30}, 0), }}", b"")
    with pytest.raises(FileError):
        load_arrays(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_do_not_belong(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(FileError, match=r"'notes\.txt', which is no array"):
        read_header(saved)
    save_arrays(saved, ARRAYS, HEADER)
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("steps.npy", archive.read("steps.npy"))
    with pytest.raises(FileError, match="there twice"):
        load_arrays(saved)


def test_every_cut_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        with pytest.raises(FileError):
            load_arrays(saved)


@given(at=st.integers(0), flip=st.integers(1, 255))
def test_a_wrong_byte_never_gives_wrong_arrays(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    save_arrays(path, ARRAYS, HEADER)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= flip
    path.write_bytes(data)
    try:
        loaded, header = load_arrays(path)
    except FileError:
        return
    assert same(loaded, ARRAYS)
    assert header == HEADER


def test_a_directory_that_lost_an_entry(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name in sorted(members.keys() - {"steps.npy"}):
            archive.writestr(name, members[name])
    for read in (load_arrays, read_header):
        with pytest.raises(FileError, match="does not list the arrays its header names"):
            read(saved)


def test_no_single_bit_of_data_can_change(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    at = data.index(ARRAYS["dense.weight"].tobytes())
    data[at + 5] ^= 1
    saved.write_bytes(data)
    with pytest.raises(FileError, match="CRC"):
        load_arrays(saved)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_written_again_keeps_its_permissions(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    path.chmod(0o600)
    write_text(path, "new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write_text(path, "through it")
    reader.join(20)
    assert got == [b"through it"] and path.is_fifo() and os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there is no /dev/null")
def test_arrays_may_go_to_a_device(tmp_path):
    save_arrays("/dev/null", {"a": np.ones(3)}, {"format": "test/1"})
    assert not os.path.isfile("/dev/null")
