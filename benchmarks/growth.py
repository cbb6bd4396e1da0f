"""How time and memory grow with batch, image side, channels and depth.

    python -m benchmarks.growth [--by NAME …] [--vs torch] [--json FILE] [--plot FILE]
                                [--threads N] [--blocks N] [--steps N] [--clock wall|processor]

    batch       DCGAN-28 in a quarter of its width, 16 to 256 images
    side        the upsampling GAN in a quarter of its width, 8 images of 14 to 56 pixels a side
    channels    DCGAN-28, 32 images, an eighth of its width to all of it
    depth       points in the plane, 512 of them, 1 to 16 hidden layers in both networks

Sides, parity, blocks and columns are those of ``benchmarks.steps``, the measured numbers beside
the name. ``--plot`` draws milliseconds and megabytes of both sides over each of the four.
"""

from __future__ import annotations

from pathlib import Path

from minigan.errors import of_extra

from . import steps, workloads
from .comparison import Row
from .workloads import Workload

SERIES: dict[str, list[tuple[float, Workload]]] = {
    "batch": [(n, workloads.dcgan28(n, 0.25)) for n in (16, 32, 64, 128, 256)],
    "side": [(7 * 2**k, workloads.upsampling(8, 0.25, base=7, doublings=k)) for k in (1, 2, 3)],
    "channels": [(w, workloads.dcgan28(32, w)) for w in (0.125, 0.25, 0.5, 1.0)],
    "depth": [(k, workloads.ring(512, layers=k)) for k in (1, 2, 4, 8, 16)],
}
"""What grows: its values, and the workload at each."""

LABELS = {
    "batch": "images in a batch",
    "side": "pixels a side",
    "channels": "part of the full width",
    "depth": "hidden layers",
}


def series(names: list[str]) -> list[Workload]:
    """The workloads of these, named after what grows and its value."""
    return [
        workload.named(f"{name} {value:g}") for name in names for value, workload in SERIES[name]
    ]


def plot(rows: list[Row], path: Path) -> None:
    """Time above, memory below, a column for each thing that grows; both axes logarithmic."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit(f"--plot needs matplotlib{of_extra('cli')}") from None
    names = list(dict.fromkeys(row.workload.split()[0] for row in rows))
    figure = Figure(figsize=(3.2 * len(names), 5.6), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        own = [row for row in rows if row.workload.split()[0] == name]
        values = [float(row.workload.split()[1]) for row in own]
        for place, unit, sides in (
            (0, "ms a step", ("ours_ms", "peer_ms")),
            (1, "MB over idle", ("ours_memory_mb", "peer_memory_mb")),
        ):
            ax = axes[place, column]
            for side, label in zip(sides, ("minigan", own[0].peer), strict=True):
                ax.plot(values, [getattr(row, side) for row in own], "o-", label=label)
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(values, [f"{value:g}" for value in values], minor=False)
            ax.minorticks_off()
            ax.grid(alpha=0.3)
            if column == 0:
                ax.set_ylabel(unit)
        axes[1, column].set_xlabel(LABELS[name])
    axes[0, 0].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = steps.parser("growth", __doc__)
    parser.add_argument("--by", nargs="+", choices=SERIES, default=list(SERIES), metavar="NAME")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture, .png or .svg")
    arguments = parser.parse_args()
    steps.run(series(arguments.by), arguments, then=lambda rows: _plotted(rows, arguments.plot))


def _plotted(rows: list[Row], path: Path | None) -> None:
    if path is not None and rows:
        plot(rows, path)
        steps.say(f"{path}")


if __name__ == "__main__":
    main()
