"""Pictures of a run: the grid of samples and the training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomically

_WIDTH = 600  # pixels of a grid, at most: about what fits beside a text
_GAP, _PAPER = 4, 96  # between images, in pixels; a grey that neither black nor white runs into
_INK = {"discriminator": "#1f6fb2", "generator": "#d1662a"}


def grid(images: np.ndarray, image_range: tuple[float, float]) -> np.ndarray:
    """The images (N, H, W, C) as one picture, uint8, as square as can be.

    Small images are enlarged by a whole factor, each pixel repeated.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"images: a picture wants shape (N, H, W, 1) or (N, H, W, 3), got {images.shape}; "
            "save them as .npy"
        )
    count, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    factor = max(1, (_WIDTH - _GAP * (columns + 1)) // (columns * width))
    low, high = image_range
    shares = np.nan_to_num((images.astype(np.float64) - low) / (high - low))  # NaN as black
    tiles = (
        np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8).repeat(factor, 1).repeat(factor, 2)
    )
    tall, wide = height * factor + _GAP, width * factor + _GAP
    page = np.full((rows * tall + _GAP, columns * wide + _GAP, channels), _PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * tall + _GAP, i % columns * wide + _GAP
        page[top : top + tall - _GAP, left : left + wide - _GAP] = tile
    return page


def save_grid(images: np.ndarray, image_range: tuple[float, float], path: Path) -> None:
    """Write ``grid`` as a PNG, atomically."""
    from PIL import Image

    page = grid(images, image_range)
    picture = Image.fromarray(page[..., 0] if page.shape[2] == 1 else page)
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def save_curves(
    log: Sequence[Mapping[str, Any]], title: str, path: Path, raw: bool = False
) -> None:
    """Draw both losses, and D(x) and D(G(z)), against the step, as a PNG, atomically.

    The outputs of D are probabilities, or ``raw`` scores, which have no 0.5 to aim at.
    """
    figure = curves(log, title, raw)
    # Without a version in it, the file depends on the log alone.
    write_atomically(
        path, lambda file: figure.savefig(file, format="png", metadata={"Software": None})
    )


def curves(log: Sequence[Mapping[str, Any]], title: str, raw: bool) -> Any:
    """The figure that ``save_curves`` saves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    above.set_title(title, loc="left")
    above.set_ylabel("loss")
    below.set_ylabel("D(x), D(G(z)) (raw scores)" if raw else "mean output of D")
    below.set_xlabel("step")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    steps = np.array([line["step"] for line in log])
    for name, ink in _INK.items():
        _draw(above, steps, [line[f"{name}_loss"] for line in log], name, ink)
    _draw(below, steps, [line["real_score"] for line in log], "D(x), real", "#2f8f4e")
    _draw(below, steps, [line["fake_score"] for line in log], "D(G(z)), made", "#a0379b")
    below.set_xlim(0, max([1, *steps]))
    if not raw:
        below.set_ylim(-0.02, 1.02)
        below.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    for axes in (above, below):
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return figure


def _draw(axes: Any, steps: np.ndarray, values: Sequence[float], label: str, ink: str) -> None:
    """The values faintly, and over them their mean over a window of a twentieth of the run."""
    window = len(values) // 20
    if window < 2:
        axes.plot(steps, values, color=ink, label=label, marker="o", markersize=3)
        return
    axes.plot(steps, values, color=ink, alpha=0.25, linewidth=0.8)
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    axes.plot(steps, (sums[ends] - sums[starts]) / (ends - starts), color=ink, label=label)
