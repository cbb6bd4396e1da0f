"""First order: every element of every input moved, the change seen from many cotangents at once.

For outputs y = f(x) and a cotangent v, the claimed gradient Jᵀv is compared with the derivative
of ⟨v, f⟩ along each element of x. The outputs at the moved points do not depend on v, so all
cotangents share them: random ones, and one-hot ones, whose gradients are the rows of J.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .comparison import Comparison, check_shape, verdict
from .diagnosis import Evidence
from .differences import Line, Measured, at_finer_steps, derivatives, noise_floor
from .probes import Arrays, Probe, along, flat, only, random_direction, random_like
from .subjects import Claims, Subject

ELEMENTS = 1000
"""Of a larger input so many elements are measured, chosen at random, and so are LINES through it,
which a large enough error anywhere else would move."""

LINES = 8


def check_first(
    subject: Subject,
    outputs: list[np.ndarray],
    probes: Sequence[Probe],
    rng: np.random.Generator,
    tolerance: float,
) -> None:
    """Compare the claims for all probes with measurements; raise where one is not right."""
    claims = subject.gradients(subject.inputs, [probe.cotangents for probe in probes])
    for i, x in enumerate(subject.inputs):
        if not x.size and claims[0][i] is not None:
            check_shape(f"gradient of {subject.names[i]}", claims[0][i], x)
    survey = _Survey(subject, outputs, probes, rng, tolerance)
    measured = [(moves, survey.measure(moves)) for moves in _all_moves(subject.inputs, rng)]
    whole: list[Any] = [None] * len(subject.inputs)
    for moves, found in measured:
        if moves.everything:
            whole[moves.place] = found.value.reshape(*moves.x.shape, len(probes))
    for moves, found in measured:
        wider = _wider_scales(found.value, probes)
        for k in range(len(probes)):
            column = Measured(*(part[:, k] for part in found))
            others = tuple(None if values is None else values[..., k] for values in whole)
            comparison = survey.compare(moves, k, claims[k], column, wider[k], others)
            verdict(comparison, tolerance)


class _Elements:
    """One input moved element by element, in all or in some of them."""

    def __init__(self, x: np.ndarray, place: int, chosen: np.ndarray) -> None:
        self.x, self.place, self.chosen = x, place, chosen
        self.everything = chosen.size == x.size
        # A step of an element is relative to it where it is large.
        self.units = np.maximum(1.0, np.abs(np.ravel(x)[chosen]))

    def __len__(self) -> int:
        return int(self.chosen.size)

    def moved(self, k: int, t: float) -> np.ndarray:
        result = self.x.copy()
        result.reshape(-1)[self.chosen[k]] += t * self.units[k]
        return result

    def along(self, claimed: np.ndarray) -> np.ndarray:
        """What a claimed gradient says of the elements that were moved."""
        return np.ravel(claimed)[self.chosen]

    def places(self) -> list[str]:
        """Where they are, in words."""
        indices = zip(*np.unravel_index(self.chosen, self.x.shape), strict=True)
        return [f"at index {tuple(map(int, index))}" for index in indices]


class _Lines:
    """One large input moved along random lines."""

    everything = False

    def __init__(self, x: np.ndarray, place: int, rng: np.random.Generator) -> None:
        self.x, self.place, self.units = x, place, np.ones(LINES)
        scale = np.maximum(1.0, np.abs(x))
        self.steps = [scale * random_like([x], rng)[0] for _ in range(LINES)]

    def __len__(self) -> int:
        return LINES

    def moved(self, k: int, t: float) -> np.ndarray:
        return np.asarray(self.x + t * self.steps[k])

    def along(self, claimed: np.ndarray) -> np.ndarray:
        """What a claimed gradient says of the lines."""
        return np.array([np.vdot(step, claimed) for step in self.steps])

    def places(self) -> list[str]:
        """Which they are, in words."""
        return [f"of the slope along random line {k + 1} of {LINES}" for k in range(LINES)]


_Moves = _Elements | _Lines


def _all_moves(inputs: Arrays, rng: np.random.Generator) -> Iterator[_Moves]:
    for i, x in enumerate(inputs):
        if 0 < x.size <= ELEMENTS:
            yield _Elements(x, i, np.arange(x.size))
        elif x.size:
            yield _Elements(x, i, np.sort(rng.permutation(x.size)[:ELEMENTS]))
            yield _Lines(x, i, rng)


class _Survey:
    """The measuring of ⟨v, f⟩ for every probe's v."""

    def __init__(
        self,
        subject: Subject,
        outputs: list[np.ndarray],
        probes: Sequence[Probe],
        rng: np.random.Generator,
        tolerance: float,
    ) -> None:
        self.subject, self.outputs, self.probes = subject, outputs, probes
        self.tolerance = tolerance
        self.base = flat(outputs)
        self.matrix = np.stack([flat(probe.cotangents) for probe in probes])
        self.least = np.finfo(float).eps / 2 * np.sqrt(((self.matrix * self.base) ** 2).sum(axis=1))
        self.direction = random_direction(subject.inputs, rng)
        self.floors: dict[int, np.ndarray] = {}

    def seen(self, arrays: Arrays) -> np.ndarray:
        """⟨v, f(arrays) − f(x)⟩ for every v."""
        return np.asarray(self.matrix @ (flat(self.subject.values(arrays)) - self.base))

    def lines(self, moves: _Moves) -> list[Line]:
        def line_of(k: int) -> Line:
            def line(t: float) -> np.ndarray:
                arrays = list(self.subject.inputs)
                arrays[moves.place] = moves.moved(k, t)
                return self.seen(arrays)

            return line

        return [line_of(k) for k in range(len(moves))]

    def floor(self, place: int) -> np.ndarray:
        """The rounding in ⟨v, f⟩ near the point: as measured, and at least that of storing f."""
        if place not in self.floors:
            step = only(self.direction, place)
            measured = noise_floor(lambda t: self.seen(along(self.subject.inputs, step, t)))
            self.floors[place] = np.maximum(self.least, measured)
        return self.floors[place]

    def measure(self, moves: _Moves) -> Measured:
        """The derivatives (moves, probes), per unit of the input."""

        def enough(values: np.ndarray) -> np.ndarray:
            return self.tolerance / 20 * np.abs(values).max(axis=0, initial=0)[None]

        found = derivatives(self.lines(moves), self.floor(moves.place), enough)
        return Measured(*(part / moves.units[:, None] for part in found))

    def compare(
        self,
        moves: _Moves,
        k: int,
        claims: Claims,
        column: Measured,
        wider: float,
        others: tuple[Any, ...],
    ) -> Comparison:
        """The k-th probe's claim for one input beside what was measured."""
        probe, i, claimed = self.probes[k], moves.place, claims[moves.place]
        what, x = f"gradient of {self.subject.names[i]}", self.subject.inputs[i]
        full = probe.full_digits
        if not moves.everything:
            if claimed is not None:
                check_shape(what, claimed, x)
                claimed = moves.along(claimed)
            return Comparison(what, claimed, column, wider, None, places=moves.places())

        def again() -> list[Measured]:
            found = at_finer_steps(self.lines(moves), self.floor(i))
            return [
                Measured(*((p[:, k] / moves.units).reshape(x.shape) for p in each))
                for each in found
            ]

        shaped = Measured(*(part.reshape(x.shape) for part in column))
        scene = (tuple(self.subject.inputs), tuple(self.outputs), tuple(probe.cotangents), others)
        evidence = Evidence(claimed, shaped.value, float(shaped.noise.max()), i, *scene)
        return Comparison(what, claimed, shaped, wider, evidence, full, again)


def _wider_scales(values: np.ndarray, probes: Sequence[Probe]) -> list[float]:
    """For a one-hot probe the largest entry of all rows of its output, for ones that of all.

    A row may be zero but for rounding, and so may the sum of the outputs (of a softmax, say):
    right, if it is that small beside the others.
    """
    own = np.abs(values).max(axis=0, initial=0)
    largest: dict[int | None, float] = {}
    for probe, value in zip(probes, own, strict=True):
        largest[probe.output] = max(largest.get(probe.output, 0.0), float(value))
    pairs = zip(probes, own, strict=True)
    return [float(v) if p.full_digits else largest[p.output] for p, v in pairs]
