"""What every layer must do, whatever it computes."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn, random
from minigan.tensor import Tensor
from minigan.testing.values import values

FLOATS = ("float16", "float32", "float64")


def test_every_layer_has_a_case(case_names):
    assert case_names == set(nn.LAYERS)


def test_every_module_of_the_package_is_registered():
    modules = {n for n in nn.__all__ if isinstance(getattr(nn, n), type)}
    modules = {n for n in modules if issubclass(getattr(nn, n), nn.Module)}
    assert modules - {"Module"} == set(nn.LAYERS)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_to_second_order(case, training, check_layer):
    if training in case.modes:
        check_layer(case.built(), case.input(), training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_in_is_dtype_out_and_of_every_gradient(case, dtype, training):
    layer, x = case.built(dtype), case.input(dtype)
    is_ids = x.dtype.kind == "i"
    inputs = [] if is_ids else [Tensor(x, requires_grad=True)]
    with nn.training(training), random.use(0):
        y = case.call(layer, x if is_ids else inputs[0])
    assert y.dtype == dtype
    for g in mg.grad(y, [*inputs, *layer.parameters()], np.ones(y.shape)):
        assert g.dtype == dtype
    assert {p.dtype for p in layer.named_state().values()} <= {np.dtype(dtype)}


def test_the_layer_writes_to_no_input(case):
    layer, x = case.built(), case.input()
    x.flags.writeable = False
    before = x.copy()
    with nn.training(True), random.use(0):
        case.call(layer, x)
    assert np.array_equal(x, before)


def test_samples_depend_on_their_batch_mates_in_evaluation_only_where_said(case):
    layer, x = case.built().eval(), case.input()
    whole = case.call(layer, np.concatenate([x, x[::-1]])).numpy()
    alone = np.concatenate([case.call(layer, x[i : i + 1]).numpy() for i in range(len(x))])
    assert np.allclose(whole[: len(x)], alone, rtol=1e-12, atol=1e-14) is not case.mixes
    assert not (case.mixes and layer.is_per_sample)


def test_a_layer_says_that_it_mixes_the_batch_exactly_where_it_does_in_training(case):
    layer, x = case.built(), case.input()
    if case.kind == "ids":  # they have no gradient, and are looked up one by one
        assert not layer.mixing
        return
    both = Tensor(np.concatenate([x, 1.5 * x]), requires_grad=True)
    with nn.training(True), random.use(0):
        first = case.call(layer, both)[:1]
    (g,) = mg.grad(first, [both], values(1, first.shape))
    assert bool(layer.mixing) is bool(g.numpy()[1:].any())


def test_an_empty_batch_passes_in_evaluation(case):
    layer, x = case.built().eval(), case.input()
    assert case.call(layer, x[:0]).shape == (0, *case.call(layer, x).shape[1:])


def test_the_repr_is_the_call_that_makes_it(case):
    names = {**nn.LAYERS, **{n: getattr(nn, n) for n in ("Normal", "Scaled", "Uniform")}}
    layer = case.make()
    assert repr(eval(repr(layer), names)) == repr(layer)
    assert repr(layer).startswith(type(layer).__name__ + "(")
