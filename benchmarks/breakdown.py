"""Where the time of a DCGAN-28 step goes, and how far each part is from its floor, on one thread.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.breakdown [--batch 128] [--rounds 20] [--json FILE]

Each layer is timed alone at the step's shapes, on the maps that reach it, laid out in memory as
there, in buffers like the trainer's, and called as often as in a step: the generator once each way;
the discriminator forward for real and for fake images, backward for its own loss on both, and to
its input alone for the generator's loss. *Rest* is what the whole step takes on top: the losses,
checks and report of the trainer, and what layers do to each other's caches.

Times are the least of some rounds, in processor time (which is that of all threads, if there are
more): others on a busy machine have little part in that.

A part's floor is the larger of

- its multiplications, as ``kernels.choice`` counts them for the algorithm that has fewest, each
  with an addition, at the rate of the product of two 512 × 512 matrices;
- the bytes that it must read and write, at the rate at which an array as large as these is copied:
  a part that finds its arrays in a cache, as that copy does, is compared with a cache's rate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

import minigan as mg
from minigan import nn, optim
from minigan.kernels import choice
from minigan.ops.geometry import window

from . import networks as n
from . import ours
from .workloads import Workload, dcgan28

FORWARD, BACKWARD, TO_INPUT = "forward", "backward", "backward to input"


@dataclass(frozen=True)
class Part:
    """What is timed of a layer or a player, ``calls`` of it together, in milliseconds."""

    network: str
    layer: str
    part: str
    calls: int
    ms: float
    floor_ms: float
    bound: str


# What a part takes at least


@cache
def seconds_of_product(multiplications: int) -> float:
    """At the rate of a product of large matrices."""
    size = 512
    a = np.random.default_rng(0).standard_normal((size, size), "float32")
    out = np.empty_like(a)
    return multiplications * least(lambda: np.matmul(a, a, out=out), 300) / size**3


@cache
def seconds_of_copy(touched: int) -> float:
    """To read half of so many bytes and write the other half."""
    source = np.ones(max(1, touched // 8), "float32")
    into = np.empty_like(source)
    return least(lambda: np.copyto(into, source))


def least(work: Callable[[], Any], times: int = 100) -> float:
    return min(timed(work)[0] for _ in range(times))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def floor(multiplications: int, touched: int) -> tuple[float, str]:
    """Seconds that it takes at least, and what says so."""
    rates = [(seconds_of_copy(touched) if touched else 0.0, "memory")]
    if multiplications:
        rates.append((seconds_of_product(multiplications), "arithmetic"))
    return max(rates)


def multiplications(layer: n.Layer, before: n.Shape, after: n.Shape, batch: int) -> int:
    """Of one of a layer's maps: forward, to its input or to its weights."""
    match layer:
        case n.Dense(units):
            return batch * before[0] * units
        case n.Conv(filters, taps, stride):
            return fewest(taps, stride, before, (before[2], filters), batch)
        case n.ConvTransposed(filters, taps, stride):
            return fewest(taps, stride, after, (filters, before[2]), batch)
    return 0


def fewest(taps: int, stride: int, large: n.Shape, channels: tuple[int, int], batch: int) -> int:
    """A convolution's multiplications by the algorithm that has the fewest."""
    size = large[0], large[1]
    where = window(size, (taps, taps), stride, "same")
    names = [k for k in choice.PRICED if k not in choice.FAST or choice.FAST[k].applies(where)]
    dtype = np.dtype("float32")
    counts = (choice.counts(k, batch, size, where, channels, 1, dtype) for k in names)
    return min(count.multiplied for count in counts)


# Parts of a step


class Alone:
    """A layer outside its network, with the map that reaches it there."""

    def __init__(self, layer: nn.Module, x: np.ndarray, first: bool) -> None:
        self.layer, self.x, self.first = layer, x, first
        self.parameters = list(layer.parameters())
        self.y = layer(leaf(x))._array
        self.g = np.empty_like(self.y)  # laid out as y
        self.g[...] = np.random.default_rng(0).standard_normal(self.g.shape)

    def times(self, forwards: int, to_input: bool) -> dict[str, float]:
        """Seconds that its calls of one step take, by part."""
        passes = [self._forward() for _ in range(forwards)]
        found = {FORWARD: sum(seconds for seconds, *_ in passes)}
        found[BACKWARD] = sum(
            self._backward(x, y, self.parameters, self.first) for _, x, y in passes
        )
        if to_input:
            _, x, y = passes[0]
            found[TO_INPUT] = self._backward(x, y, [], False)
        return found

    def _forward(self) -> tuple[float, mg.Tensor, mg.Tensor]:
        x = leaf(self.x)
        seconds, y = timed(lambda: self.layer(x))
        return seconds, x, y

    def _backward(self, x: mg.Tensor, y: mg.Tensor, wanted: list[Any], first: bool) -> float:
        inputs = wanted if first else [x, *wanted]
        return timed(lambda: mg.grad(y, inputs, self.g, retain_graph=True))[0]

    def floor(self, part: str, layer: n.Layer) -> tuple[float, str]:
        """Of one call of a part; nothing for a layer that is another view of its input."""
        if isinstance(layer, n.Reshape | n.Flatten):
            return 0.0, "memory"
        before, after = self.x.shape[1:], self.y.shape[1:]
        products = multiplications(layer, before, after, len(self.x))
        weights = sum(p._array.nbytes for p in self.parameters)
        on_x = self.x.nbytes * (part == TO_INPUT or not self.first)
        on_weights = weights * (part == BACKWARD)
        if part == FORWARD:
            return floor(products, self.x.nbytes + weights + self.y.nbytes)
        touched = self.g.nbytes + self.x.nbytes + weights + on_x + on_weights
        return floor(products * (bool(on_x) + bool(on_weights)), touched)


def leaf(x: np.ndarray) -> mg.Tensor:
    """A tensor to differentiate by that is x itself, in its order in memory."""
    made = mg.Tensor(x, requires_grad=True)
    made._array = x
    return made


def through(network: nn.Sequential, x: np.ndarray) -> Iterator[Alone]:
    """Each layer alone, with what the ones before it made of x."""
    for k, layer in enumerate(network.layers):
        alone = Alone(layer, x, first=k == 0)
        yield alone
        x = alone.y


def layer_parts(
    name: str, network: nn.Sequential, layers: n.Layers, x: np.ndarray, rounds: int
) -> list[Part]:
    """The parts of every layer of one player."""
    judge = name == "discriminator"
    found, buffers = [], mg.Buffers()
    for k, (alone, layer) in enumerate(zip(through(network, x), layers, strict=True)):
        runs = []
        for _ in range(rounds):
            with buffers.in_use():
                runs.append(alone.times(1 + judge, judge))
            buffers.trim()
        for part in runs[0]:
            calls = 1 if part == TO_INPUT else 1 + judge
            ms = 1e3 * min(run[part] for run in runs)
            seconds, bound = alone.floor(part, layer)
            label = f"{k} {type(layer).__name__}"
            found.append(Part(name, label, part, calls, ms, 1e3 * calls * seconds, bound))
    return found


def optimizer_part(name: str, optimizer: optim.Optimizer, rounds: int) -> Part:
    """Adam's update, which reads four arrays and writes three."""
    arrays = [p._array for p in optimizer.parameters.values()]
    gradients = [np.full_like(array, 1e-3) for array in arrays]
    ms = 1e3 * least(lambda: optimizer.step(gradients), rounds)
    seconds = sum(seconds_of_copy(7 * array.nbytes) for array in arrays)
    return Part(name, "Adam", "update", 1, ms, 1e3 * seconds, "memory")


def breakdown(workload: Workload, rounds: int) -> tuple[list[Part], float]:
    """The parts, and the milliseconds of the whole step."""
    side = ours.Players(workload, *workload.weights())
    real = workload.data(0)[0]
    whole = 1e3 * least(lambda: side.step(real), rounds)
    game, players = side.trainer.game, side.trainer.players
    with mg.random.use(mg.random.Stream(0, "dropout", 0)):
        parts = [
            *layer_parts(
                "generator", game.generator, workload.generator, workload.draws(0), rounds
            ),
            *layer_parts("discriminator", game.discriminator, workload.discriminator, real, rounds),
        ]
    for name in ("generator", "discriminator"):
        parts.append(optimizer_part(name, getattr(players, name), rounds))
    return parts, whole


# What is printed

COLUMNS = "{:14} {:18} {:18} {:>5} {:>8} {:>8} {:>7}  {}"


def table(parts: list[Part], whole: float) -> str:
    """A line for each part, then the sums."""
    head = "network", "layer", "part", "calls", "ms", "floor", "times", "bound"
    lines = [COLUMNS.format(*head)]
    for p in parts:
        lines.append(
            COLUMNS.format(p.network, p.layer, p.part, p.calls, *figures(p.ms, p.floor_ms), p.bound)
        )
    sums = sum(p.ms for p in parts), sum(p.floor_ms for p in parts)
    for label, ms, least_ms in (
        ("all parts", *sums),
        ("rest", whole - sums[0], 0.0),
        ("whole step", whole, sums[1]),
    ):
        lines.append(COLUMNS.format(label, "", "", "", *figures(ms, least_ms), "").rstrip())
    return "\n".join(lines)


def figures(ms: float, floor_ms: float) -> tuple[str, str, str]:
    return f"{ms:.2f}", f"{floor_ms:.2f}", f"{ms / floor_ms:.1f}" if floor_ms else "-"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=20, help="of which the least counts (20)")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    for name in ("batch", "rounds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: got {getattr(arguments, name)}, wanted at least 1")
    ours.set_threads(1)
    parts, whole = breakdown(dcgan28(arguments.batch), arguments.rounds)
    print(table(parts, whole))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"whole_ms": whole, "parts": [asdict(p) for p in parts]}, file, indent=1)


if __name__ == "__main__":
    main()
