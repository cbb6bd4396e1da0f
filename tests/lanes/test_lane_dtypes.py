"""float16, float32 and float64: what goes in comes out, on every edge, and nothing is widened.

The tape casts whatever a forward returns to its operands' dtype, so the dtype of a result alone
can't tell that it was computed in a wider one: ``widened`` looks before the cast.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from games import bits, pictures, trainer
from nn.conftest import CASES, Case
from optim.test_optimizers import SETTINGS
from properties import listed

import minigan as mg
from minigan import nn, ops, optim, primitives, random
from minigan.gan import LOSSES, Output
from minigan.nn import Parameter
from minigan.tensor import Tensor
from minigan.testing import registry
from minigan.testing.values import values

pytestmark = pytest.mark.lane

FLOATS = ("float16", "float32", "float64")
every_dtype = pytest.mark.parametrize("dtype", FLOATS)

PLAIN = {"equal", "greater", "greater_equal", "less", "less_equal", "moments", "not_equal"}
"""What returns plain arrays, and so has no gradient."""

CONSTANTS = [
    2,
    2.5,
    True,
    np.float16(2.5),
    np.float32(2.5),
    np.float64(2.5),
    np.int64(2),
    np.array(2.5),
    np.array(2),
    np.array([1, 2, 3]),
    np.array([[True], [True]]),
]
"""Numbers, 0-d arrays, integers and masks: none of them may widen a tensor."""

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "maximum": mg.maximum,
    "minimum": mg.minimum,
    "where": lambda a, b: mg.where([True, False, True], a, b),
}


@pytest.fixture
def widened(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names of the primitives whose forward returned a wider array than it was given.

    0-d results are left out: NumPy 1.26 widens those, and the tape casts them back.
    """
    seen: set[str] = set()
    adapt = primitives._as_result

    def look(name: str, result: Any, dtype: Any) -> Any:
        if result.ndim and result.dtype != dtype:
            seen.add(name)
        return adapt(name, result, dtype)

    monkeypatch.setattr(primitives, "_as_result", look)
    yield seen


def all_edges(function: Callable[..., Any], xs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs, gradients and second gradients."""
    ys = listed(function(*xs))
    first = mg.grad(ys, xs, _seeds(ys), create_graph=True, allow_unused=True)
    again = [g for g in first if g is not None and g.requires_grad]
    second = mg.grad(again, xs, _seeds(again), allow_unused=True) if again else ()
    return [t for t in (*ys, *first, *second) if t is not None]


def _seeds(ys: Sequence[Tensor]) -> list[np.ndarray]:
    """Cotangents that are no constant, and float64: they too must not widen anything."""
    return [np.linspace(0.25, 1.0, y.size).reshape(y.shape) for y in ys]


def tracked(arrays: Sequence[Any], dtype: str) -> list[Tensor]:
    return [Tensor(a, requires_grad=True, dtype=dtype) for a in arrays]


def through_float32(dtype: str) -> set[str]:
    """The primitives that may be wider: squares of float16 overflow from 256."""
    return {"norm", "normalize"} if dtype == "float16" else set()


def dtypes(tensors: Sequence[Any]) -> set[str]:
    return {str(t.dtype) for t in tensors}


# Functions


@every_dtype
@pytest.mark.parametrize("name", sorted(set(ops.__all__) - PLAIN - {"astype"}))
def test_functions(name: str, dtype: str, widened: set[str]) -> None:
    """Every differentiable function, on the shapes and settings that the registry draws."""
    for seed in range(5):
        case = registry.ENTRIES[name].draw(seed)
        edges = all_edges(case.function, tracked(case.inputs, dtype))
        assert len(edges) > len(case.inputs), case.settings
        assert dtypes(edges) == {dtype}, case.settings
        assert widened <= through_float32(dtype), case.settings


@pytest.mark.parametrize("there", FLOATS)
@pytest.mark.parametrize("here", FLOATS)
def test_astype_converts_there_and_its_gradients_back(here: str, there: str) -> None:
    (x,) = tracked([values(0, (2, 3))], here)
    y = mg.astype(x, there)
    (g,) = mg.grad(y * y, [x], np.ones(y.shape), create_graph=True)
    (h,) = mg.grad(g, [x], np.ones(g.shape))
    assert [str(t.dtype) for t in (y, g, h)] == [there, here, here]


@every_dtype
@pytest.mark.parametrize("shape", [(), (2, 3)], ids=["0-d", "2-d"])
@pytest.mark.parametrize("constant", CONSTANTS, ids=lambda c: f"{type(c).__name__}-{c!r:.14}")
@pytest.mark.parametrize("name", BINARY)
def test_constants_never_widen(
    name: str, constant: Any, shape: tuple[int, ...], dtype: str, widened: set[str]
) -> None:
    (x,) = tracked([values(0, shape, "positive")], dtype)
    for function in (
        lambda t: BINARY[name](t, constant),
        lambda t: BINARY[name](constant, t),
    ):
        assert dtypes(all_edges(function, [x])) == {dtype}
    assert not widened


@every_dtype
@pytest.mark.parametrize("name", ["cos", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "sum"])
def test_0d_tensors_stay_as_they_are(name: str, dtype: str) -> None:
    (x,) = tracked([0.75], dtype)
    assert dtypes(all_edges(getattr(mg, name), [x])) == {dtype}


SETTINGS_IN_FLOAT64 = {
    "clip": lambda x: mg.clip(x, np.float64(0.4), np.float64(1.5)),
    "leaky_relu": lambda x: mg.leaky_relu(x, np.float64(0.2)),
    "elu": lambda x: mg.elu(x, np.float64(0.7)),
    "dropout": lambda x: mg.dropout(x, np.float64(0.5), random.Stream(0)),
    "normalize": lambda x: mg.normalize(x, 0, np.float64(0.1)),
    "power": lambda x: mg.power(x, np.float64(1.5)),
}


@every_dtype
@pytest.mark.parametrize("name", SETTINGS_IN_FLOAT64)
def test_settings_never_widen(name: str, dtype: str, widened: set[str]) -> None:
    xs = tracked([values(0, (2, 3), "positive")], dtype)
    assert dtypes(all_edges(SETTINGS_IN_FLOAT64[name], xs)) == {dtype}
    assert widened <= through_float32(dtype)


@pytest.mark.parametrize("a", FLOATS)
@pytest.mark.parametrize("b", FLOATS)
@pytest.mark.parametrize("function", [mg.multiply, mg.divide, mg.matmul], ids=lambda f: f.__name__)
def test_operands_of_two_dtypes_get_gradients_of_their_own(function: Any, a: str, b: str) -> None:
    x, y = values(0, (3, 3), "positive"), values(1, (3, 3), "positive")
    xs = [*tracked([x], a), *tracked([y], b)]
    z = function(*xs)
    assert z.dtype == np.promote_types(a, b)
    first = mg.grad(z, xs, np.ones(z.shape), create_graph=True)
    assert [str(g.dtype) for g in first] == [a, b]
    second = mg.grad(first, xs, _seeds(first))
    assert [str(g.dtype) for g in second] == [a, b]


# Layers and losses


@every_dtype
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layers(case: Case, training: bool, dtype: str, widened: set[str]) -> None:
    layer, x = case.built(dtype), case.input(dtype)
    inputs = [] if x.dtype.kind == "i" else tracked([x], dtype)

    def function(*xs: Tensor) -> Tensor:
        with nn.training(training), random.use(0):
            return case.call(layer, xs[0] if inputs else x)

    edges = all_edges(function, [*inputs, *layer.parameters()])
    assert dtypes(edges) == {dtype}
    assert dtypes(list(layer.named_state().values())) <= {dtype}
    assert widened <= through_float32(dtype)


@every_dtype
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, dtype: str, widened: set[str]) -> None:
    loss = LOSSES[name]
    scores = [values(seed, (5, 1), "positive") / 2.1 for seed in (0, 1)]
    functions = (
        lambda real, fake: loss.discriminator(Output(real), Output(fake)),
        lambda real, fake: loss.generator(Output(real), Output(fake)),
        lambda real, fake: loss.score(Output(real)) * fake,
    )
    for function in functions:
        assert dtypes(all_edges(function, tracked(scores, dtype))) == {dtype}
    assert not widened


# Parameters after a step


@every_dtype
@pytest.mark.parametrize("shape", [(), (3, 2)], ids=["0-d", "2-d"])
@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 0.5, "clip_value": 0.3}], ids=str)
@pytest.mark.parametrize(
    ("make", "settings"), SETTINGS, ids=[f"{m.__name__}-{','.join(s)}" for m, s in SETTINGS]
)
def test_optimizers(
    make: Any, settings: dict[str, Any], clipping: dict[str, Any], shape: Any, dtype: str
) -> None:
    w = Parameter(values(0, shape), dtype=dtype)
    array, before = w._array, w.numpy()
    schedule = optim.Linear(np.float64(0.1), np.float64(0.01), 5)
    optimizer = make(schedule, **settings, **clipping).bind([w])
    for seed in (1, 2):
        optimizer.step([np.asarray(values(seed, shape))])  # float64, whatever the parameter is
    assert w._array is array and str(array.dtype) == dtype
    assert not np.array_equal(w.numpy(), before)
    slots = [a for name, a in optimizer.state.items() if name.endswith(".0")]
    assert len(slots) == len(optimizer.slots) and dtypes(slots) <= {dtype}


@every_dtype
def test_a_moving_average(dtype: str) -> None:
    module = nn.Sequential(nn.Dense(2), nn.BatchNorm()).build((None, 3)).to(dtype)
    average = optim.MovingAverage(module, np.float64(0.9))
    for p in module.parameters():
        p.assign(values(0, p.shape))
    average.update(module, 1000)  # by then the decay is the one given
    assert dtypes(list(average.module.named_state().values())) == {dtype}


@every_dtype
@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_whole_gan_steps(update: str, dtype: str) -> None:
    run = trainer(norm=True, drop=0.3, dtype=dtype, update=update, average=0.9)
    before = run.state()
    run.fit(pictures(), steps=2, batch=8)
    after = run.state()
    assert {n: a.dtype for n, a in after.items()} == {n: a.dtype for n, a in before.items()}
    networks = ("generator.", "discriminator.", "average.")
    weights = {n: a for n, a in after.items() if n.startswith(networks)}
    assert dtypes(list(weights.values())) == {dtype}
    assert bits(after) != bits(before)
    assert str(run.sample(2).dtype) == dtype
