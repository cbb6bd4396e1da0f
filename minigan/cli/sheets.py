"""Sheets: small pictures in labelled rows and columns, every pixel of them a whole square."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..files import write_atomically
from .pictures import new_figure, save_figure

WIDTH = 760  # pixels for the tiles of a sheet, about
_SIDE, _MOST = 60, 128  # a tile is enlarged to about the first, and made smaller above the second
_FILM = 640  # the most that a film is wide
_GAP, _MARGIN, _LETTER = 3, 24, 7  # pixels; the last is a letter's width
_PAPER = np.array([216, 216, 216], np.uint8)
_INK, _FAINT = "0.15", "0.4"


Rows: TypeAlias = Sequence[Sequence[np.ndarray]] | Sequence[np.ndarray] | np.ndarray
"""Tiles in rows: as lists, or the first axis or two of an array."""


class Block(NamedTuple):
    """Rows of tiles, each a uint8 array (h, w, 3), under a caption.

    ``scale`` is the number that ``signed`` drew in the darkest red, if it drew them.
    """

    caption: str
    tiles: Rows
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    scale: float | None = None


def signed(values: np.ndarray, scale: float) -> np.ndarray:
    """Numbers as colours (…, 3), uint8: −scale in blue, 0 in white, scale in red."""
    from matplotlib import colormaps

    shares = np.clip(values / (2 * (scale or 1)) + 0.5, 0, 1)
    colours: np.ndarray = colormaps["RdBu_r"](shares, bytes=True)[..., :3]
    return colours


def across(height: int, width: int, least: int = 4, most: int = 12) -> int:
    """How many tiles of that many pixels go beside each other on a sheet."""
    wide = _sized(np.empty((height, width, 3), np.uint8), _SIDE).shape[1]
    return min(most, max(least, WIDTH // (wide + _GAP)))


def _sized(tile: np.ndarray, side: int) -> np.ndarray:
    """The tile as large as fits into ``side`` pixels, each of its own repeated.

    Of one that is very large, squares of pixels are averaged.
    """
    height, width, _ = tile.shape
    if max(height, width) > _MOST:
        k = -(-max(height, width) // _MOST)
        rows, columns = height // k, width // k
        squares = tile[: rows * k, : columns * k].reshape(rows, k, columns, k, 3)
        return np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)
    factor = max(1, side // max(height, width))
    return tile.repeat(factor, 0).repeat(factor, 1)


def mosaic(tiles: Rows) -> tuple[np.ndarray, int, int]:
    """All tiles on one page, uint8 (H, W, 3), and the height and width of a cell of it."""
    side = max(max(_sized(tile, _SIDE).shape) for row in tiles for tile in row)
    rows = [[_sized(tile, side) for tile in row] for row in tiles]
    height = max(tile.shape[0] for row in rows for tile in row) + _GAP
    width = max(tile.shape[1] for row in rows for tile in row) + _GAP
    longest = max(map(len, rows))
    page = np.empty((len(rows) * height + _GAP, longest * width + _GAP, 3), np.uint8)
    page[:] = _PAPER
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            tall, wide, _ = tile.shape
            top = i * height + _GAP + (height - _GAP - tall) // 2
            left = k * width + _GAP + (width - _GAP - wide) // 2
            page[top : top + tall, left : left + wide] = tile
    return page, height, width


class _Pen:
    """Writes on a figure at places in pixels from its upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = new_figure(width, height, layout=None)

    def write(self, x: float, y: float, words: str, size: float = 9, **settings: Any) -> None:
        settings = {"color": _INK, "va": "center", **settings}
        self.figure.text(x / self.width, 1 - y / self.height, words, fontsize=size, **settings)

    def lay(self, x: int, y: int, page: np.ndarray) -> None:
        self.figure.figimage(page, x, self.height - y - len(page), origin="upper")

    def rule(self, right: int, y: int, scale: float) -> None:
        """What the colours of ``signed`` mean, ending at ``right``."""
        end = f"{scale:.2g}"
        x = right - _LETTER * len(end) - 4
        self.write(x + 4, y, end)
        self.lay(x - 96, y - 5, signed(np.broadcast_to(np.linspace(-1, 1, 96), (10, 96)), 1.0))
        self.write(x - 100, y, f"−{end}", ha="right")


def sheet(title: str, blocks: Sequence[Block]) -> Any:
    """A figure of the blocks under each other."""
    pages = [mosaic(block.tiles) for block in blocks]
    letters = max((len(row) for block in blocks for row in block.rows), default=0)
    left = _MARGIN + (letters * _LETTER + 8 if letters else 0)
    widest = max(page.shape[1] for page, _, _ in pages)
    words = max(len(title) * 8, *(len(b.caption) * _LETTER + 220 * bool(b.scale) for b in blocks))
    width = max(left + widest, _MARGIN + words) + _MARGIN
    extra = [26 + 18 * bool(block.columns) + _MARGIN for block in blocks]
    height = 40 + sum(extra) + sum(len(page) for page, _, _ in pages)
    pen = _Pen(width, height)
    pen.write(_MARGIN, 24, title, 12)
    y = 40
    for block, (page, tall, wide) in zip(blocks, pages, strict=True):
        pen.write(_MARGIN, y + 13, block.caption, 9.5, color=_FAINT)
        if block.scale is not None:
            pen.rule(width - _MARGIN, y + 13, block.scale)
        y += 26
        if block.columns:
            for k, name in enumerate(block.columns):
                pen.write(left + (k + 0.5) * wide, y + 8, name, 8.5, ha="center")
            y += 18
        for i, name in enumerate(block.rows):
            pen.write(left - 8, y + (i + 0.5) * tall, name, ha="right")
        pen.lay(left, y, page)
        y += len(page) + _MARGIN
    return pen.figure


def save_sheet(title: str, blocks: Sequence[Block], path: Path) -> None:
    """Write ``sheet`` as a PNG, atomically."""
    save_figure(sheet(title, blocks), path)


def save_film(pictures: Sequence[tuple[str, Path]], path: Path) -> None:
    """Write the pictures as an animated GIF, each under its words, the last for longest."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 15)
    frames: list[Image.Image] = []
    for words, source in pictures:
        with Image.open(source) as opened:
            drawn = opened if opened.mode == "L" else opened.convert("RGB")
            picture = drawn.reduce(-(-opened.width // _FILM))
            frame = Image.new(picture.mode, (picture.width, picture.height + 28), "white")
            frame.paste(picture, (0, 28))
        ImageDraw.Draw(frame).text((6, 5), words, fill="black", font=font)
        frames.append(frame.quantize(256) if frame.mode == "RGB" else frame)
    times = [*[400] * (len(frames) - 1), 2000]
    first, *others = frames
    write_atomically(
        path,
        lambda file: first.save(
            file, format="GIF", save_all=True, append_images=others, duration=times, loop=0
        ),
    )
