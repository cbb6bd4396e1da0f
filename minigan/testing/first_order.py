"""First order: every element of every input moved, the change seen from many cotangents at once.

For outputs y = f(x) and a cotangent v, the claimed gradient Jᵀv is compared with the derivative
of ⟨v, f⟩ along each element of x. The outputs at the moved points do not depend on v, so all
cotangents share them: random ones, and one-hot ones, whose gradients are the rows of J.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .comparison import Comparison, check_shape, verdict
from .diagnosis import Evidence
from .differences import Line, Measured, derivatives, noise_floor
from .subjects import Arrays, Claims, Subject

JACOBIAN_ROWS = 32
"""So many rows of the Jacobian are compared, all of them where there are no more."""

ELEMENTS = 1000
"""Of a larger input so many elements are measured, chosen at random, and so are LINES through it,
which an error anywhere else would move."""

LINES = 8


class Probes(NamedTuple):
    """Cotangents that share a scale: the largest entry of each one's gradient, or of them all."""

    cotangents: list[list[np.ndarray]]
    together: bool


class Directions(NamedTuple):
    """What one input is moved along: its elements, all or some of them, or lines through it."""

    place: int  # which input
    elements: np.ndarray | None  # flat indices; None for lines
    steps: list[np.ndarray]  # each of the input's shape


@np.errstate(all="ignore")  # what is not finite is judged, not warned of
def check_first(
    subject: Subject,
    outputs: list[np.ndarray],
    probes: Sequence[Probes],
    rng: np.random.Generator,
    tolerance: float,
) -> None:
    """Compare the claims for all probes with measurements; raise where one is not right."""
    cotangents = [vs for probe in probes for vs in probe.cotangents]
    matrix = np.stack([flat(vs) for vs in cotangents])
    groups = _groups(probes)
    claims = subject.gradients(subject.inputs, cotangents)
    for i, x in enumerate(subject.inputs):
        if not x.size and claims[0][i] is not None:
            check_shape(f"gradient of input {i}", claims[0][i], x)
    floor = _floor(subject, outputs, matrix, rng)
    measured = [
        (moves, _measure(subject, outputs, matrix, moves, floor, groups, tolerance))
        for moves in _moves(subject.inputs, rng)
    ]
    whole = {
        moves.place: found
        for moves, found in measured
        if moves.elements is not None and moves.elements.size == subject.inputs[moves.place].size
    }
    for moves, found in measured:
        scales = _scales(found.value, groups)[0]
        for k, vs in enumerate(cotangents):
            others = tuple(
                whole[j].value[:, k].reshape(x.shape) if j in whole else None
                for j, x in enumerate(subject.inputs)
            )
            column = Measured(*(part[:, k] for part in found))
            scene = (tuple(subject.inputs), tuple(outputs), tuple(vs), others)
            verdict(_compared(moves, claims[k], column, float(scales[k]), scene), tolerance)


def random_cotangents(outputs: Arrays, rng: np.random.Generator) -> list[np.ndarray]:
    """±1 times a number from ½ to 1½: never near zero, never all alike."""
    return [
        np.asarray(rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape))
        for y in outputs
    ]


def one_hot_cotangents(
    outputs: Arrays, rng: np.random.Generator, rows: int = JACOBIAN_ROWS
) -> list[list[np.ndarray]]:
    """One for each output element, or for ``rows`` of them chosen at random."""
    total = sum(y.size for y in outputs)
    chosen = np.arange(total) if total <= rows else np.sort(rng.permutation(total)[:rows])
    return [unflat(np.eye(1, total, int(k))[0], outputs) for k in chosen]


def flat(arrays: Arrays) -> np.ndarray:
    """All elements, one array after another."""
    return np.concatenate([np.ravel(a) for a in arrays]) if len(arrays) else np.zeros(0)


def unflat(vector: np.ndarray, like: Arrays) -> list[np.ndarray]:
    """The arrays, shaped as ``like``, whose elements ``vector`` holds."""
    ends = np.cumsum([a.size for a in like])[:-1]
    return [p.reshape(a.shape) for p, a in zip(np.split(vector, ends), like, strict=True)]


def _moves(inputs: Arrays, rng: np.random.Generator) -> Iterator[Directions]:
    for i, x in enumerate(inputs):
        if not x.size:
            continue
        if x.size <= ELEMENTS:
            elements = np.arange(x.size)
        else:
            elements = np.sort(rng.permutation(x.size)[:ELEMENTS])
            lines = [rng.choice([-1.0, 1.0], x.shape) for _ in range(LINES)]
            yield Directions(i, None, lines)
        units = (np.eye(1, x.size, int(e)).reshape(x.shape) for e in elements)
        # A step of an element is relative to it where it is large.
        yield Directions(i, elements, [np.maximum(1.0, abs(x)) * unit for unit in units])


def _line(
    subject: Subject, outputs: Arrays, matrix: np.ndarray, index: int, step: np.ndarray
) -> Line:
    """t ↦ ⟨v, f(x + t·step) − f(x)⟩ for every cotangent v."""

    def line(t: float) -> np.ndarray:
        moved = list(subject.inputs)
        moved[index] = moved[index] + t * step
        return np.asarray(matrix @ (flat(subject.values(moved)) - flat(outputs)))

    return line


def _floor(
    subject: Subject, outputs: Arrays, matrix: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The rounding in ⟨v, f⟩ for every v: as measured, and at least that of storing f."""
    least = np.finfo(float).eps / 2 * np.sqrt(((matrix * flat(outputs)) ** 2).sum(axis=1))
    steps = [np.maximum(1.0, abs(x)) * rng.choice([-1.0, 1.0], x.shape) for x in subject.inputs]

    def line(t: float) -> np.ndarray:
        moved = [x + t * step for x, step in zip(subject.inputs, steps, strict=True)]
        return np.asarray(matrix @ (flat(subject.values(moved)) - flat(outputs)))

    return np.asarray(np.maximum(least, noise_floor(line)))


def _groups(probes: Sequence[Probes]) -> list[list[int]]:
    """The columns that share a scale."""
    groups, start = [], 0
    for probe in probes:
        columns = list(range(start, start + len(probe.cotangents)))
        groups += [columns] if probe.together else [[c] for c in columns]
        start += len(columns)
    return groups


def _scales(values: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """For each column the largest entry of its group, as one row."""
    scales = np.zeros((1, values.shape[1]))
    for columns in groups:
        if columns:
            scales[0, columns] = np.abs(values[:, columns]).max(initial=0)
    return scales


def _measure(
    subject: Subject,
    outputs: Arrays,
    matrix: np.ndarray,
    moves: Directions,
    floor: np.ndarray,
    groups: Sequence[Sequence[int]],
    tolerance: float,
) -> Measured:
    """The derivatives (moves, cotangents), per unit of the input."""
    lines = [_line(subject, outputs, matrix, moves.place, step) for step in moves.steps]
    found = derivatives(lines, floor, lambda v: tolerance / 20 * _scales(v, groups))
    if moves.elements is None:
        return found
    size = np.array([[np.abs(step).max()] for step in moves.steps])
    return Measured(*(part / size for part in found))


def _compared(
    moves: Directions, claims: Claims, found: Measured, scale: float, scene: tuple[Any, ...]
) -> Comparison:
    i, claimed = moves.place, claims[moves.place]
    what, x = f"gradient of input {i}", scene[0][i]
    value, noise, jump = found
    if moves.elements is None or moves.elements.size < x.size:
        if claimed is not None:
            check_shape(what, claimed, x)
            claimed = _along(moves, claimed)
        return Comparison(what, claimed, value, noise, jump, scale, None)
    value, noise, jump = (part.reshape(x.shape) for part in found)
    evidence = Evidence(claimed, value, float(noise.max()), i, *scene)
    return Comparison(what, claimed, value, noise, jump, scale, evidence)


def _along(moves: Directions, claimed: np.ndarray) -> np.ndarray:
    """What a claimed gradient says of the elements or lines that were measured."""
    if moves.elements is not None:
        return np.ravel(claimed)[moves.elements]
    return np.array([np.vdot(step, claimed) for step in moves.steps])
