"""Pictures of a run: grids of samples, and curves over its steps."""

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
    tiles = levels(images, image_range).repeat(factor, 1).repeat(factor, 2)
    tall, wide = height * factor + _GAP, width * factor + _GAP
    page = np.full((rows * tall + _GAP, columns * wide + _GAP, channels), _PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * tall + _GAP, i % columns * wide + _GAP
        page[top : top + tall - _GAP, left : left + wide - _GAP] = tile
    return page


def levels(images: np.ndarray, image_range: tuple[float, float]) -> np.ndarray:
    """The images as uint8, the range's low end as 0 and its high end as 255."""
    low, high = image_range
    shares = np.nan_to_num((images.astype(np.float64) - low) / (high - low))  # NaN as black
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)


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
    save_figure(curves(log, title, raw), path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a PNG, atomically."""
    # Without a version in it, the file depends on what is drawn alone.
    write_atomically(
        path, lambda file: figure.savefig(file, format="png", metadata={"Software": None})
    )


def new_figure(width: int, height: int, layout: Any = "constrained") -> Any:
    """An empty figure of that many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def curves(log: Sequence[Mapping[str, Any]], title: str, raw: bool) -> Any:
    """The figure that ``save_curves`` saves."""
    figure = new_figure(800, 600)
    above, below = figure.subplots(2, 1, sharex=True)
    above.set_title(title, loc="left")
    above.set_ylabel("loss")
    below.set_ylabel("D(x), D(G(z)) (raw scores)" if raw else "mean output of D")
    steps = np.array([line["step"] for line in log])
    for name, ink in _INK.items():
        _draw(above, steps, [line[f"{name}_loss"] for line in log], name, ink)
    _draw(below, steps, [line["real_score"] for line in log], "D(x), real", "#2f8f4e")
    _draw(below, steps, [line["fake_score"] for line in log], "D(G(z)), made", "#a0379b")
    if not raw:
        below.set_ylim(-0.02, 1.02)
        below.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--", zorder=1)
    for axes in (above, below):
        _over_steps(axes, steps)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    above.set_xlabel("")
    return figure


def save_norms(log: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Draw the norms of gradients and the largest singular values of weights, against the step."""
    save_figure(norms(log, title), path)


def norms(log: Sequence[Mapping[str, Any]], title: str) -> Any:
    """The figure that ``save_norms`` saves."""
    drawn = [line for line in log if isinstance(line.get("singular_values"), dict)]
    count = 3 if drawn else 1
    figure = new_figure(900, 300 * count)
    above, *below = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    above.set_title(title, loc="left")
    above.set_ylabel("‖gradient‖")
    above.set_yscale("log")
    steps = [line["step"] for line in log]
    for name, ink in _INK.items():
        _draw(above, np.array(steps), [line[f"{name}_gradient"] for line in log], name, ink)
    for axes, owner in zip(below, _INK, strict=False):
        axes.set_ylabel(f"largest singular value\nof the weights as kept\n{owner}")
        _draw_weights(axes, owner, drawn)
    for axes in (above, *below):
        _over_steps(axes, steps)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for axes in (above, *below)[:-1]:
        axes.set_xlabel("")
    return figure


def _draw_weights(axes: Any, owner: str, log: Sequence[Mapping[str, Any]]) -> None:
    """A line for each weight of a network, from dark to light the deeper it is."""
    from matplotlib import colormaps

    names = [name for name in log[0]["singular_values"] if name.startswith(owner)]
    for i, name in enumerate(names):
        ink = colormaps["viridis"](0.85 * i / max(1, len(names) - 1))
        values = [line["singular_values"][name] for line in log]
        steps = [line["step"] for line in log]
        axes.plot(steps, values, color=ink, marker="o", markersize=3, label=name.split(".", 1)[1])


def _over_steps(axes: Any, steps: Sequence[int] | np.ndarray) -> None:
    """Axes for something that goes over the steps of a run."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("step")
    axes.set_xlim(0, max([1, *steps]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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
