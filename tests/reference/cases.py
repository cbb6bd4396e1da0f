"""What minigan and PyTorch are compared on: for every public function, generated calls of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from reference.case import ANY, AXED, FILLED, FULL, Case
from reference.map_cases import (
    affine,
    convolved,
    enlarged,
    maps,
    normalized,
    pools,
    shuffles,
    transposed_convolutions,
)

from minigan.ops.reduction import count_over
from minigan.random import Stream
from minigan.testing.strategies import (
    arrays,
    axes,
    broadcastable,
    einsums,
    permutations,
    seeds,
    shapes,
    values,
)

# Element by element


@st.composite
def unary(draw: Any, kind: str = "any", reach: float = 1.0, **settings: Any) -> Case:
    """One operand of any shape; ``settings`` are strategies.

    Every second element is ``reach`` times as large, so that an activation's ends are met as well
    as its bend, which sets the scale that differences are measured by.
    """
    x = draw(arrays(ANY, kind))
    x.reshape(-1)[1::2] *= reach
    return Case([x], {name: draw(each) for name, each in settings.items()})


@st.composite
def operands(draw: Any, *kinds: str) -> list[np.ndarray]:
    """Arrays of these kinds that broadcast together."""
    full = draw(FULL)
    found = draw(broadcastable(len(kinds)))
    if draw(st.integers(0, 2)):  # mostly one whole shape, and others that broadcast to it
        found = [full[draw(st.integers(0, len(full))) :] for _ in kinds]
        found = [tuple(1 if draw(st.booleans()) else n for n in shape) for shape in found]
        found[draw(st.integers(0, len(kinds) - 1))] = full
    return [draw(arrays(shape, kind)) for shape, kind in zip(found, kinds, strict=True)]


def binary(*kinds: str) -> Any:
    return st.builds(Case, operands(*kinds))


@st.composite
def powers(draw: Any) -> Case:
    """An exponent that is a tensor, any number, or an integer of a base of either sign."""
    kind = draw(st.sampled_from(["tensor", "number", "integer"]))
    if kind == "tensor":
        return Case(draw(operands("positive", "any")))
    if kind == "number":
        return draw(unary("positive", exponent=st.floats(-3, 3)))
    return draw(unary("off_zero", exponent=st.integers(-3, 4)))


@st.composite
def selections(draw: Any) -> Case:
    condition, a, b = draw(operands("any", "any", "any"))
    return Case([a, b], before=(np.asarray(condition > 0),))


@st.composite
def clips(draw: Any) -> Case:
    low, high = draw(st.floats(-2, 0.5)), draw(st.floats(0.5, 2))
    low, high = draw(st.sampled_from([(low, high), (low, None), (None, high)]))
    return draw(unary(low=st.just(low), high=st.just(high)))


@st.composite
def masked(draw: Any) -> Case:
    x = draw(arrays(ANY))
    return Case([x], {"rate": draw(st.floats(0, 0.9)), "stream": Stream(draw(seeds()))})


# Reductions, products and shapes


@st.composite
def reductions(draw: Any, shape: Any = FILLED, kind: str = "any") -> Case:
    x = draw(arrays(shape, kind))
    return Case([x], {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())})


def lengths() -> st.SearchStrategy[Case]:
    """Where second derivatives are not zero but for rounding: of several elements, as that of one
    is |x|, and not of the kind that is compared along itself by chance of the seeds.
    """
    found = reductions(kind="off_zero")
    return found.filter(lambda c: count_over(c.arrays[0].shape, c.settings["axis"]) > 1)


@st.composite
def variances(draw: Any) -> Case:
    case, ddof = draw(reductions()), draw(st.integers(0, 2))
    assume(count_over(case.arrays[0].shape, case.settings["axis"]) > ddof)
    return Case(case.arrays, {**case.settings, "ddof": ddof})


@st.composite
def along_one(draw: Any) -> Case:
    """Far from zero, too, where eˣ would overflow."""
    x = draw(arrays(AXED)) + draw(st.sampled_from([0, 800, -800]))
    return Case([x], {"axis": draw(st.integers(-x.ndim, x.ndim - 1))})


@st.composite
def products(draw: Any) -> Case:
    """Vectors, matrices and stacks of them that broadcast."""
    m, k, n = (draw(st.integers(1, 6)) for _ in range(3))
    left, right = draw(broadcastable(2, max_dims=2, min_side=1))
    a = draw(st.sampled_from([(k,), (m, k), (*left, m, k)]))
    b = draw(st.sampled_from([(k,), (k, n), (*right, k, n)]))
    return Case([draw(arrays(a)), draw(arrays(b))])


@st.composite
def sums_of_products(draw: Any) -> Case:
    subscripts, found = draw(einsums(max_side=5))
    return Case(found, before=(subscripts,))


@st.composite
def reshapes(draw: Any) -> Case:
    x = draw(arrays(FILLED))
    ways = [x.shape[::-1], (-1,), (1, x.size), (*x.shape[:1], -1), (*x.shape, 1)]
    return Case([x], {"shape": draw(st.sampled_from(ways))})


@st.composite
def transposes(draw: Any) -> Case:
    x = draw(arrays(ANY))
    return Case([x], {"axes": draw(permutations(x.ndim))})


@st.composite
def flips(draw: Any) -> Case:
    x = draw(arrays(ANY))
    return Case([x], {"axis": draw(axes(x.ndim))})


@st.composite
def rolls(draw: Any) -> Case:
    x, places = draw(arrays(AXED)), st.integers(-5, 5)
    axis = draw(axes(x.ndim).filter(lambda a: a != ()))
    shift = draw(st.tuples(*[places] * len(axis)) if isinstance(axis, tuple) else places)
    return Case([x], {"shift": shift, "axis": axis})


@st.composite
def broadcasts(draw: Any) -> Case:
    whole = draw(FULL)
    tail = whole[draw(st.integers(0, len(whole))) :]
    x = draw(arrays(tuple(1 if draw(st.booleans()) else n for n in tail)))
    return Case([x], {"shape": whole})


# Picking, joining and padding


@st.composite
def indexings(draw: Any) -> Case:
    """Numbers, slices, new axes and "…", or arrays of numbers or of booleans among slices."""
    x = draw(arrays(FULL))
    kind = draw(st.sampled_from(["basic", "arrays", "mask"]))
    if kind == "mask":
        return Case([x], {"index": values(draw(seeds()), x.shape[:2]) > 0})
    index = [draw(_slices(n)) for n in x.shape]
    if kind == "basic":
        index = [draw(st.integers(-n, n - 1) | st.just(i)) for n, i in zip(x.shape, index)]  # noqa: B905
        index = draw(st.sampled_from([index, [..., *index[1:]], [None, *index], index[:1]]))
        return Case([x], {"index": tuple(index)})
    for axis in draw(st.sets(st.integers(0, x.ndim - 1), min_size=1)):
        index[axis] = draw(_numbers(x.shape[axis], (2, 3)))
    return Case([x], {"index": tuple(index)})


@st.composite
def _slices(draw: Any, size: int) -> slice:
    ends = st.none() | st.integers(-size, size)
    return slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1, -2])))


@st.composite
def _numbers(draw: Any, size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Indices along an axis of ``size``, some of them repeated and some counted from its end."""
    return np.array(np.random.default_rng(draw(seeds())).integers(-size, size, shape))


@st.composite
def takes(draw: Any) -> Case:
    x = draw(arrays(AXED))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    size = x.size if axis is None else x.shape[axis]
    return Case([x], {"indices": draw(_numbers(size, draw(shapes(max_dims=2)))), "axis": axis})


@st.composite
def embeddings(draw: Any) -> Case:
    count, width = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    ids = draw(_numbers(count, draw(shapes(min_dims=1, min_side=1)))) % count
    return Case([draw(arrays((count, width)))], {"ids": ids})


@st.composite
def joins(draw: Any) -> Case:
    whole = draw(AXED)
    axis = draw(st.integers(-len(whole), len(whole) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        shape = list(whole)
        shape[axis] = draw(st.integers(0, 3))
        parts.append(draw(arrays(tuple(shape))))
    return Case(parts, {"axis": axis}, as_list=True)


@st.composite
def stacks(draw: Any) -> Case:
    shape = draw(ANY)
    parts = [draw(arrays(shape)) for _ in range(draw(st.integers(1, 3)))]
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Case(parts, {"axis": axis}, as_list=True)


@st.composite
def splits(draw: Any) -> Case:
    x = draw(arrays(AXED))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    equal = st.sampled_from([n for n in range(1, size + 1) if size % n == 0])
    cuts = st.lists(st.integers(0, size), max_size=3).map(sorted).map(tuple)
    return Case([x], {"sections": draw(equal | cuts), "axis": axis})


@st.composite
def paddings(draw: Any) -> Case:
    x = draw(arrays(AXED))
    mode = draw(st.sampled_from(["constant", "edge", "reflect"]))
    most = [n - 1 if mode == "reflect" else 3 for n in x.shape]  # PyTorch reflects once only
    widths = tuple((draw(st.integers(0, n)), draw(st.integers(0, n))) for n in most)
    return Case([x], {"widths": widths, "mode": mode, "value": draw(st.floats(-2, 2))})


@st.composite
def affine_maps(draw: Any) -> Case:
    inputs, units = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    lead = draw(shapes(min_dims=0, max_dims=3, min_side=1))
    own = [draw(arrays(shape)) for shape in ((*lead, inputs), (inputs, units), (units,))]
    return Case(own, {"slope": draw(st.sampled_from([1.0, 0.0, 0.3, 2.0]))})


@st.composite
def judged(draw: Any, kind: str, reach: float = 1.0, **settings: Any) -> Case:
    target = st.sampled_from([0.0, 1.0]) | st.floats(0.01, 0.99)
    x = reach * draw(arrays(FILLED, kind))
    return Case([x], {name: draw(each) for name, each in {"target": target, **settings}.items()})


CASES: dict[str, Any] = {
    "absolute": unary(),
    "add": binary("any", "any"),
    "astype": unary(dtype=st.sampled_from(["float32", "float64"])),
    "avg_pool2d": pools(),
    "affine": affine_maps(),
    "batch_norm": affine(2),
    "binary_cross_entropy": judged("probability", eps=st.floats(1e-7, 0.04)),
    "binary_cross_entropy_with_logits": judged("any", reach=10),
    "broadcast_to": broadcasts(),
    "clip": clips(),
    "concatenate": joins(),
    "conv1d": convolved(1),
    "conv2d": convolved(2),
    "conv2d_transpose": transposed_convolutions(),
    "cos": unary(reach=30),
    "divide": binary("any", "off_zero"),
    "dropout": masked(),
    "einsum": sums_of_products(),
    "elu": unary(reach=3, alpha=st.floats(0.1, 3)),
    "embedding": embeddings(),
    "exp": unary(reach=30),
    "expm1": unary(reach=30),
    "flatten": st.builds(Case, st.tuples(arrays(FULL)).map(list)),
    "flip": flips(),
    "gelu": unary(reach=3),
    "getitem": indexings(),
    "global_avg_pool2d": st.builds(Case, st.tuples(maps()).map(list)),
    "global_sum_pool2d": st.builds(Case, st.tuples(maps()).map(list)),
    "global_max_pool2d": st.builds(Case, st.tuples(maps()).map(list)),
    "instance_norm": affine(3),
    "layer_norm": affine(2),
    "leaky_relu": unary(slope=st.floats(0, 3)),
    "log": unary("positive"),
    "log1p": unary("unit"),
    "log_softmax": along_one(),
    "logsumexp": reductions(),
    "matmul": products(),
    "max": reductions(),
    "max_pool2d": pools(),
    "maximum": binary("any", "any"),
    "mean": reductions(),
    "min": reductions(),
    "minimum": binary("any", "any"),
    "multiply": binary("any", "any"),
    "negative": unary(),
    "norm": lengths(),
    "normalize": normalized(),
    "pad": paddings(),
    "pixel_shuffle": shuffles(),
    "power": powers(),
    "relu": unary(),
    "reshape": reshapes(),
    "roll": rolls(),
    "sigmoid": unary(reach=30),
    "sign": unary(),
    "sin": unary(reach=30),
    "softmax": along_one(),
    "softplus": unary(reach=30),
    "split": splits(),
    "sqrt": unary("positive"),
    "stack": stacks(),
    "subtract": binary("any", "any"),
    "sum": reductions(ANY),
    "take": takes(),
    "tanh": unary(reach=30),
    "to": unary(device=st.just("cpu")),
    "transpose": transposes(),
    "upsample_bilinear": enlarged(),
    "upsample_nearest": enlarged(),
    "var": variances(),
    "where": selections(),
}
"""Calls of every differentiable function."""

PLAIN: dict[str, Any] = {
    **{
        name: binary("any", "any")
        for name in ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
    },
    "moments": normalized().map(lambda case: Case(case.arrays, {"axis": case.settings["axis"]})),
}
"""Calls of what returns plain arrays, which have values only."""
