"""Small helps for messages and arguments that several commands share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from importlib.util import find_spec

from ..errors import nearest, of_extra


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
