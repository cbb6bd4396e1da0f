"""Files nobody loses: atomic writes, and arrays in ``.npz`` files checked before they are read.

A file is written under a temporary name in the same folder and then renamed, so that whenever the
process is killed the last good file is still there. An array file is an uncompressed zip of
``.npy`` members without pickles, one of which, ``header``, is a JSON string. Nothing in it depends
on the clock, the host or the path: equal input gives equal bytes.

zipfile and json are imported where they are used: most programs that import minigan, to train or
to sample, never touch a file, and these two take longer to load than the rest of the package.
"""

from __future__ import annotations

import errno
import io
import math
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .errors import nearest

if TYPE_CHECKING:
    import zipfile

Entry = tuple[tuple[int, ...], "np.dtype[Any]"]
"""What a file says about an array before its data is read: (shape, dtype)."""

_HEADER = "header"
_NAMES = "arrays"  # the header's list of names: a zip's own directory has no checksum
_KINDS = "biufc"  # booleans and numbers: what can be read back without pickles
_CHUNK = 1 << 20
_STORED = 0  # zipfile.ZIP_STORED: not compressed
_REASONS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "no space left (disk quota used up)",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "the folder does not exist; create it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "the path is a folder; give a file name",
}
# numpy.save writes exactly this; parsing it strictly evaluates nothing that a stranger wrote.
_NPY_HEADER = re.compile(
    r"\{'descr': '([<>|][biufcU]\d{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d+, ?)*\d*)\), \} *\n"
)


_ADDRESS = re.compile(" at 0x[0-9A-Fa-f]+")


class FileError(ValueError):
    """A file that can't be used; the message names the path and says what is wrong."""


def in_words(value: Any) -> str:
    """A setting, for a header: its ``repr`` without addresses, as they differ in every process.

    An object whose class says nothing of itself is the class's name. A function is its own name,
    so two of one name, as all lambdas are, can't be told apart.
    """
    words = repr(value)
    return type(value).__name__ if words == object.__repr__(value) else _ADDRESS.sub("", words)


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a temporary binary file beside ``path``, then rename it to ``path``.

    If anything fails, the temporary file is removed and a file already at ``path`` stays as it was.

    Raises:
        OSError: the disk is full or read-only, the folder is missing, ...; names ``path`` and why.
    """
    target = os.path.realpath(path)  # a link stays a link, to the new contents
    temporary = os.path.join(os.path.dirname(target), f".minigan-{os.urandom(8).hex()}.tmp")
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe
            contents = io.BytesIO()  # as these have no places to go back to
            write(contents)
            with open(path, "wb") as file:
                file.write(contents.getbuffer())
            return
        try:
            with open(temporary, "xb") as file:
                with suppress(OSError):  # who may read it stays as it was
                    os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.remove(temporary)
            raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        message = f"cannot write {os.fspath(path)!r}: {reason}"
        # With a number first, OSError picks the matching subclass, such as PermissionError.
        raise (OSError(error.errno, message) if error.errno else OSError(message)) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically (see :func:`write_atomically`)."""
    data = text.encode("utf-8")
    write_atomically(path, lambda file: file.write(data))


def save_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, npt.NDArray[Any]],
    header: Mapping[str, Any],
) -> None:
    """Write named arrays and a JSON header to an uncompressed ``.npz`` file, atomically.

    Args:
        path: the file to write or replace; no suffix is added.
        arrays: name to array of booleans, integers, floats or complex numbers, of any shape.
        header: what JSON can hold, with a string under ``"format"``, such as
            ``"minigan.module/1"``. The key ``"arrays"`` is for the arrays' names.

    Names and header keys are sorted, so equal input gives the same bytes in whatever order.

    Raises:
        ValueError: a name, dtype or header that can't be stored.
        OSError: see :func:`write_atomically`.
    """
    if not isinstance(header.get("format"), str):
        raise ValueError(
            f'header["format"] must be a string such as "minigan.module/1", '
            f"got {header.get('format')!r}"
        )
    if _NAMES in header:
        raise ValueError(f"header: the key {_NAMES!r} is taken by the arrays' names; rename it")
    members = {name: _storable(name, arrays[name]) for name in sorted(arrays, key=str)}
    try:
        import json

        text = json.dumps({**header, _NAMES: list(members)}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"header must hold only what JSON can ({error}); "
            f"turn arrays into lists or save them as arrays"
        ) from None
    members = {_HEADER: np.array(text, f"<U{len(text)}"), **members}
    write_atomically(path, lambda file: _write_members(file, members))


def read_header(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Entry]]:
    """Read a file's JSON header and its arrays' (shape, dtype) by name, without their data.

    Raises:
        FileError: not a file :func:`save_arrays` wrote, or a damaged one.
        OSError: the file can't be opened.
    """
    with _opened(path) as archive:
        header, entries, _ = _survey(archive)
        return header, entries


def load_arrays(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    expected: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]] | None = None,
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the header of a file that :func:`save_arrays` wrote.

    Args:
        path: the file.
        format: the ``header["format"]`` wanted; None takes any.
        expected: name to (shape, dtype) wanted, checked before any data is read; None takes any.

    Returns:
        ``(arrays, header)``. The arrays are new, writable and in native byte order; they come in
        the order of ``expected``, or sorted by name.

    Raises:
        FileError: another format, other names, shapes or dtypes, or a damaged file.
        OSError: the file can't be opened.
    """
    wanted = {name: (tuple(s), np.dtype(d)) for name, (s, d) in (expected or {}).items()}
    with _opened(path) as archive:
        header, entries, starts = _survey(archive)
        if format is not None and header["format"] != format:
            raise FileError(
                f"its format is {header['format']!r}, wanted {format!r}: it holds something else, "
                f"or comes from another version of minigan"
            )
        if expected is not None:
            _check_entries(entries, wanted)
        names = entries if expected is None else wanted
        arrays = {name: _read_array(archive, name, entries[name], starts[name]) for name in names}
        return arrays, header


def _storable(name: object, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``value`` in C order and little-endian, if it and its name can be stored."""
    if not isinstance(name, str) or not name or not name.isprintable() or "\\" in name:
        raise ValueError(
            f"arrays: a name must be a non-empty printable string without backslashes, got {name!r}"
        )
    if name == _HEADER:
        raise ValueError(f"arrays: the name {_HEADER!r} is taken by the file's header; rename it")
    array = np.asarray(value, order="C")
    if array.dtype.kind not in _KINDS:
        raise ValueError(
            f"arrays[{name!r}] must hold booleans or numbers, got dtype {array.dtype}; "
            f"put text into header"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _write_members(file: BinaryIO, members: Mapping[str, npt.NDArray[Any]]) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            info = zipfile.ZipInfo(name + ".npy")  # its date is fixed: 1980
            info.create_system = 3  # the same bytes on every system
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """The zip archive at ``path``; whatever damage is met while it is read becomes a FileError."""
    import zipfile

    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}")
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except FileError as error:
            raise FileError(f"{os.fspath(path)!r} can't be used: {error}") from None
        # zipfile answers damage with any of these, depending on the byte that is wrong.
        except (
            zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, struct.error,
            IndexError, OverflowError,
        ) as error:  # fmt: skip
            raise FileError(
                f"{os.fspath(path)!r} can't be used: it is damaged, cut short or not an .npz file "
                f"({str(error) or type(error).__name__})"
            ) from error


def _survey(
    archive: zipfile.ZipFile,
) -> tuple[dict[str, Any], dict[str, Entry], dict[str, int]]:
    """The header, and by name each array's (shape, dtype) and where in its member data starts."""
    members = archive.infolist()
    room = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if sum(info.file_size for info in members) > room:
        raise FileError("its parts claim more bytes than the file has: damaged, or made to harm")
    entries: dict[str, Entry] = {}
    starts: dict[str, int] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in entries:
            raise FileError(f"it holds {info.filename!r}, which is no array or is there twice")
        if info.compress_type != _STORED or info.compress_size != info.file_size:
            raise FileError(f"array {name!r} is compressed; save it with minigan, uncompressed")
        entries[name], starts[name] = _read_npy_header(archive, name)
        shape, dtype = entries[name]
        wanted = math.prod(shape) * dtype.itemsize
        if starts[name] + wanted != info.file_size:
            raise FileError(
                f"array {name!r} has {info.file_size - starts[name]} bytes of data, "
                f"wanted {wanted} for shape {shape} and dtype {dtype}"
            )
    if _HEADER not in entries:
        raise FileError("it has no header: minigan did not write it")
    header = _parse_header(_read_array(archive, _HEADER, entries.pop(_HEADER), starts[_HEADER]))
    if header.pop(_NAMES, None) != sorted(entries):
        raise FileError("its directory does not list the arrays its header names: it is damaged")
    return header, entries, starts


def _read_npy_header(archive: zipfile.ZipFile, name: str) -> tuple[Entry, int]:
    """The (shape, dtype) that a member states, and its header's length in bytes."""
    with archive.open(name + ".npy") as member:
        lead = member.read(10)
        if lead[:8] != b"\x93NUMPY\x01\x00":
            raise FileError(f"array {name!r} is not in the .npy format, version 1.0")
        (length,) = struct.unpack("<H", lead[8:])
        match = _NPY_HEADER.fullmatch(member.read(length).decode("latin-1"))
    if match is None:
        raise FileError(f"array {name!r} has an unreadable description or holds no plain numbers")
    descr, fortran, sizes = match.groups()
    shape = tuple(int(size) for size in re.findall(r"\d+", sizes))
    try:
        dtype = np.dtype(descr).newbyteorder("=")
    except TypeError:
        raise FileError(f"array {name!r} has dtype {descr!r}, which is none of NumPy's") from None
    if dtype.kind not in ("U" if name == _HEADER else _KINDS):
        raise FileError(f"array {name!r} has dtype {descr!r}, wanted booleans or numbers")
    if fortran == "True":
        raise FileError(f"array {name!r} is in Fortran order, wanted C order")
    if descr[0] not in "<|":
        raise FileError(f"array {name!r} is big-endian, wanted little-endian")
    return (shape, dtype), 10 + length


def _read_array(archive: zipfile.ZipFile, name: str, entry: Entry, start: int) -> npt.NDArray[Any]:
    shape, dtype = entry
    array = np.empty(shape, dtype.newbyteorder("<"))
    target = array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)
    with archive.open(name + ".npy") as member:
        member.read(start)
        for at in range(0, target.size, _CHUNK):
            part = target[at : at + _CHUNK]
            data = member.read(part.size)
            if len(data) < part.size:
                raise FileError(f"array {name!r} is cut short")
            part[:] = np.frombuffer(data, np.uint8)
        member.read(1)  # the checksum is compared when the end is met
    return array.astype(dtype, copy=False)


def _parse_header(array: npt.NDArray[Any]) -> dict[str, Any]:
    import json

    header = json.loads(str(array[()])) if array.ndim == 0 else None
    if not isinstance(header, dict) or not isinstance(header.get("format"), str):
        raise FileError('its header is no JSON object with a "format": minigan did not write it')
    return header


def _check_entries(got: Mapping[str, Entry], wanted: Mapping[str, Entry]) -> None:
    missing = [name for name in wanted if name not in got]
    extra = [name for name in got if name not in wanted]
    differ = [name for name in wanted if name in got and got[name] != wanted[name]]
    problems = [f"missing {name!r}{nearest(name, extra)}" for name in missing]
    problems += [f"unexpected {name!r}{nearest(name, missing)}" for name in extra]
    problems += [f"{n!r} is {_words(got[n])}, wanted {_words(wanted[n])}" for n in differ]
    if problems:
        more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise FileError("its arrays are not the ones wanted: " + "; ".join(problems[:8]) + more)


def _words(entry: Entry) -> str:
    return f"{entry[0]} {entry[1]}"


__all__ = [
    "Entry",
    "FileError",
    "load_arrays",
    "read_header",
    "save_arrays",
    "write_atomically",
    "write_text",
]
