"""Whether what an explanation says is true: the claimed gradient is made again from its words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from plantings import Planting

from minigan.testing.diagnosis import Explanation

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def is_true(found: Explanation, planting: Planting) -> bool:
    """Every statement that the words make, those of "it fits as well" too."""
    first, *also = found.words.split("; it fits as well that ")
    return CHECKS[found.kind](first, planting) and all(
        any(_holds(check, words, planting) for check in CHECKS.values()) for words in also
    )


def _holds(check: Callable[[str, Planting], bool], words: str, planting: Planting) -> bool:
    try:
        return check(words, planting)
    except (AttributeError, ValueError, KeyError, IndexError):  # the words are of another kind
        return False


def _same(a: Any, b: Any) -> bool:
    """Equal to the digits that words give."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.abs(a - b).max() <= 2e-6 * max(1e-300, np.abs(b).max())


def _match(pattern: str, words: str) -> Any:
    found = re.search(pattern, words)
    if found is None:
        raise ValueError(f"{words!r} has nothing like {pattern!r}")
    return found


def _axes(words: str) -> tuple[int, ...]:
    found = _match(r"ax[ei]s \(?([\d, ]+)", words).group(1)
    return tuple(int(k) for k in re.findall(r"\d+", found))


def _exact(words: str, p: Planting, text: str, value: np.ndarray) -> bool:
    return text in words and _same(p.claimed, value)


def _swapped(words: str, p: Planting) -> bool:
    j = int(_match(r"is that of input (\d+)", words).group(1))
    return _same(p.claimed, p.scene.gradients[j])


def _permuted(words: str, p: Planting) -> bool:
    if words.endswith("transposed"):
        return _same(p.claimed, p.right.T)
    order = _match(r"order \(([\d, ]+)\)", words).group(1)
    return _same(p.claimed, p.right.transpose([int(k) for k in order.split(",")]))


def _flipped(words: str, p: Planting) -> bool:
    return "flipped" in words and _same(p.claimed, np.flip(p.right, _axes(words)))


def _shifted(words: str, p: Planting) -> bool:
    by, axis = (int(each) for each in _match(r"by ([+-]\d+) along axis (\d+)", words).groups())
    moved = np.roll(p.right, by, axis)
    if "zeros" in words:
        np.moveaxis(moved, axis, 0)[slice(None, by) if by > 0 else slice(by, None)] = 0
    return _same(p.claimed, moved)


def _reduced(array: np.ndarray, words: str) -> list[np.ndarray]:
    reduce = np.sum if "summed" in words else np.mean
    axes = _axes(words[_match("summed over|averaged over", words).start() :])
    kept = reduce(array, axis=axes, keepdims=True)
    return [kept, kept.squeeze(axes), np.broadcast_to(kept, array.shape)]


def _missing_sum(words: str, p: Planting) -> bool:
    return "is right once" in words and any(_same(a, p.right) for a in _reduced(p.claimed, words))


def _extra_sum(words: str, p: Planting) -> bool:
    return "the right one" in words and any(_same(p.claimed, a) for a in _reduced(p.right, words))


def _reshaped(words: str, p: Planting) -> bool:
    return _same(p.claimed.reshape(p.right.shape), p.right) and str(p.claimed.shape) in words


def _factor(words: str, p: Planting) -> bool:
    c = float(_match(rf"is ({NUMBER}) times the right one", words).group(1))
    return _same(p.claimed, c * p.right) and _named(c, words, p)


def _named(c: float, words: str, p: Planting) -> bool:
    """The sizes that the words name are those of the arrays."""
    for size, axis, name in re.findall(
        r"(\d+) is the length of axis (\d+) of (input \d|the output)", words
    ):
        array = p.scene.inputs[int(name[-1])] if "input" in name else p.scene.output
        if array.shape[int(axis)] != int(size):
            return False
    return True


def _along(words: str, p: Planting) -> bool:
    axis, numbers = _match(r"axis (\d+): (.*)", words).groups()
    axis = int(axis)
    for k, number in enumerate(re.findall(NUMBER, numbers)):
        if not np.allclose(p.claimed.take(k, axis), float(number) * p.right.take(k, axis), 1e-5):
            return False
    return True


def _misplaced(words: str, p: Planting) -> bool:
    pattern = rf"(right|claimed) gradient is (minus |{NUMBER} times |)the \w+ one times (.*)"
    side, many, name = _match(pattern, words).groups()
    c = {"": 1.0, "minus ": -1.0}.get(many) or float(many.split()[0])
    one, other = (p.right, p.claimed) if side == "right" else (p.claimed, p.right)
    return _same(one, c * other * evaluate(name, p))


def _term(words: str, p: Planting) -> bool:
    if "for each group" in words or "less its mean" in words and "variance" in words:
        return _centred(words, p)
    how, rest = _match(r"is the right one (plus|minus) (.*)", words).groups()
    constant = re.match(rf"the constant ({NUMBER})$", rest)
    scaled = re.match(rf"({NUMBER}) times (.*)$", rest)
    if constant:
        value = float(constant.group(1)) * np.ones(p.right.shape)
    elif scaled:
        name = re.sub(r" \((1/)?√?\d+(/\d+)?(, where .*)?\)$", "", scaled.group(2))
        value = float(scaled.group(1)) * evaluate(name, p)
    else:
        value = evaluate(rest, p)
    return _same(p.claimed, p.right + (value if how == "plus" else -value))


def _centred(words: str, p: Planting) -> bool:
    axes = _axes(words)
    x = p.scene.inputs[p.index]
    ratio = (p.claimed - p.right) / (x - x.mean(axes, keepdims=True))
    return bool((np.ptp(ratio, axis=axes) <= 1e-4 * np.abs(ratio).max()).all())


def evaluate(name: str, p: Planting) -> np.ndarray:
    """The array that words such as "the mean over axis 0 of (the cotangent times input 1)" name."""
    value = _value(name, p)
    if value.size == p.right.size:
        return value.reshape(p.right.shape)
    return np.broadcast_to(value, p.right.shape)


def _value(name: str, p: Planting) -> np.ndarray:
    parts = _split(name)
    if len(parts) > 1:
        return np.prod(np.broadcast_arrays(*(_value(part, p) for part in parts)), axis=0)
    if name.startswith("(") and name.endswith(")"):
        return _value(name[1:-1], p)
    average = re.match(r"the (mean|sum)( over ax[ei]s (?:\d+|\([\d, ]+\)))? of (.*)$", name)
    if average:
        word, over, rest = average.groups()
        reduce = np.mean if word == "mean" else np.sum
        return reduce(_value(rest, p), axis=_axes(over) if over else None, keepdims=True)
    less = re.match(r"(.*) less its mean over (.*)$", name)
    if less:
        value = _value(less.group(1), p)
        return value - value.mean(_axes(less.group(2)), keepdims=True)
    return _atom(name, p)


def _split(name: str) -> list[str]:
    parts, depth = [""], 0
    for piece in re.split(r"( times |\(|\))", name):
        depth += (piece == "(") - (piece == ")")
        if piece == " times " and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _atom(name: str, p: Planting) -> np.ndarray:
    if name.startswith("input "):
        value = p.scene.inputs[int(name[6:])]
    else:
        known = {"the cotangent": p.scene.cotangent, "the output": p.scene.output}
        value = {**known, "the right gradient": p.right, "the claimed gradient": p.claimed}[name]
    try:
        return np.broadcast_to(value, p.right.shape)
    except ValueError:
        return value


def _elements(words: str, p: Planting) -> bool:
    wrong = np.abs(p.claimed - p.right) > 1e-6 * np.abs(p.right).max()
    count, size = _match(r"^(\d+) of (\d+) elements", words).groups()
    if (int(count), int(size)) != (int(wrong.sum()), wrong.size):
        return False
    at, *there = words.split("; ")
    seen = wrong | (np.abs(p.right) > 1e-6 * np.abs(p.right).max())
    region = _region(at.split("wrong, ")[1], p)
    if not np.array_equal(region & seen if "not zero" in words else region, wrong):
        return False
    factor = re.search(rf"there it is ({NUMBER}) times", there[0] if there else "")
    if factor:
        return _same(p.claimed[wrong], float(factor.group(1)) * p.right[wrong])
    return not there or not (p.claimed if "claimed" in there[0] else p.right)[wrong].any()


def _region(words: str, p: Planting) -> np.ndarray:
    at = np.zeros(p.right.shape, bool)
    slices = re.search(
        r"at (the first|the last|index|indices) ?(.*?) ?(?:index )?of axis (\d)", words
    )
    if slices and "names more than once" not in words:
        which, numbers, axis = slices.groups()
        ends = {"the first": [0], "the last": [-1]}
        rows = ends.get(which) or [int(k) for k in re.findall(r"\d+", numbers)]
        np.moveaxis(at, int(axis), 0)[rows] = True
        return at
    where = re.match(r"just those where (.*) is (negative|positive|zero)", words)
    if where:
        value = evaluate(where.group(1), p)
        return {"negative": value < 0, "positive": value > 0, "zero": value == 0}[where.group(2)]
    repeated = re.match(r"just those at indices of axis (\d) that input (\d)", words)
    if repeated:
        values, counts = np.unique(p.scene.inputs[int(repeated.group(2))], return_counts=True)
        np.moveaxis(at, int(repeated.group(1)), 0)[values[counts > 1]] = True
        return at
    if "on the border" in words:
        at[...] = True
        at[tuple(slice(1, -1) if n > 2 else slice(None) for n in at.shape)] = False
        return at
    for place in re.findall(r"\(([\d, ]+)\)", words):
        at[tuple(int(k) for k in re.findall(r"\d+", place))] = True
    return at


def _dtype(words: str, p: Planting) -> bool:
    right = np.abs(p.claimed - p.right).max() <= 1e-3 * np.abs(p.right).max()
    return bool(right) and str(p.claimed.dtype) in words + "float64"


CHECKS: dict[str, Callable[[str, Planting], bool]] = {
    "zero": lambda words, p: not p.claimed.any() and bool(p.right.any()),
    "not_finite": lambda words, p: not np.isfinite(p.claimed).all(),
    "dtype": _dtype,
    "sign": lambda words, p: _exact(words, p, "minus the right", -p.right),
    "absolute": lambda words, p: _exact(words, p, "absolute value", np.abs(p.right)),
    "swapped": _swapped,
    "transposed": _permuted,
    "permuted_axes": _permuted,
    "flipped": _flipped,
    "shifted": _shifted,
    "missing_sum": _missing_sum,
    "extra_sum": _extra_sum,
    "reshaped": _reshaped,
    "factor": _factor,
    "missing_factor": _misplaced,
    "extra_factor": _misplaced,
    "missing_term": _term,
    "extra_term": _term,
    "elements": _elements,
    "factor_along_axis": _along,
    "shape": lambda words, p: p.claimed.shape != p.right.shape and str(p.claimed.shape) in words,
    "unknown": lambda words, p: True,
}
