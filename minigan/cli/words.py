"""Small helps for messages and arguments that several commands share."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import nearest, of_extra

T = TypeVar("T")


def unknown(what: str, got: str, options: Iterable[str]) -> ValueError:
    """The error for a name that isn't one of ``options``: says the nearest, and all of them."""
    names = list(options)
    return ValueError(
        f"unknown {what} {got!r}{nearest(got, names)}; wanted one of {', '.join(names)}"
    )


def whole(least: int) -> Callable[[str], int]:
    """An argument type for argparse: a whole number of at least ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            message = f"got {text!r}, wanted a whole number of at least {least}"
            raise argparse.ArgumentTypeError(message)
        return number

    return parse


def sides(text: str) -> tuple[int, ...]:
    """An argument type for argparse: a shape such as ``2x3``, or ``scalar`` for that of 0-d."""
    words = [] if text == "scalar" else text.split("x")
    if not all(word.isascii() and word.isdecimal() for word in words):
        message = f'got {text!r}, wanted a shape such as 2x3, or "scalar"'
        raise argparse.ArgumentTypeError(message)
    return tuple(map(int, words))


def path(text: str) -> str:
    """An argument type for argparse: a path, which "" is not."""
    if not text:
        raise argparse.ArgumentTypeError("got '', wanted a path")
    return text


def check_target(name: str, target: Path) -> None:
    """Find now what would lose a command's results at its end: raises ``OSError``."""
    if target.exists() and not target.is_dir() and not target.is_file():
        return  # a device or a pipe, such as /dev/stdout
    folder = target.resolve().parent
    if target.is_dir() or not folder.is_dir():
        raise FileNotFoundError(f"{name}: {str(target)!r} is not a file in a folder that exists")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{name}: {str(target)!r} can't be written, its folder is read-only")


ROOM = 8 << 30
"""Bytes of memory that a command takes for samples."""


def check_room(what: str, needed: int, advice: str) -> None:
    """Refuse now what would end as a process that is killed for its memory."""
    if needed > ROOM:
        room = f"need {needed / 2**30:,.1f} GiB, wanted at most {ROOM >> 30} GiB"
        raise ValueError(f"{what} {room}; {advice}")


def progress(
    items: Iterable[T], unit: str, total: int | None = None, delay: float = 0
) -> Iterable[T]:
    """Progress on standard error, where tqdm is installed; ``delay`` seconds nothing is shown."""
    if find_spec("tqdm") is None:
        return items
    return cast("Iterable[T]", bar(iterable=items, unit=unit, total=total, delay=delay))


def bar(**settings: Any) -> Any:
    """tqdm's, for a terminal or a file."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 10  # a log file wants fewer lines
    return tqdm(dynamic_ncols=True, mininterval=interval, **settings)


def shown(value: object) -> str:
    """A setting's value as one would type it after ``--set KEY=``."""
    return value if isinstance(value, str) else json.dumps(value)


def compact(value: float, decimals: int, sign: str = "") -> str:
    """A number with so many decimals; of a large one so many digits, and the power of ten."""
    if abs(value) < 1e4:
        return f"{value:{sign}.{decimals}f}"
    return f"{value:{sign}.{decimals}g}".replace("e+0", "e").replace("e+", "e")


def require(*modules: str) -> None:
    """Raise an ImportError that says how to install what is missing, importing nothing yet."""
    names = {"PIL": "Pillow"}
    missing = [names.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        raise ImportError(f"this command needs {' and '.join(missing)}{of_extra('cli')}")
