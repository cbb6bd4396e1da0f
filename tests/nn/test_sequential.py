"""Sequential: layers in turn, named by number."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, nn
from minigan.testing.values import values


def test_layers_are_applied_in_turn():
    model = nn.Sequential(nn.Dense(4), nn.Tanh(), nn.Dense(2)).build((None, 3), seed=0)
    x = values(0, (2, 3)).astype("f4")
    by_hand = model[2](np.tanh(model[0](x)))
    assert np.array_equal(model(x).numpy(), by_hand.numpy())


def test_parameters_are_named_by_number():
    model = nn.Sequential(nn.Dense(2), nn.ReLU(), nn.Sequential(nn.Dense(1))).build((None, 3))
    assert list(model.named_state()) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]


def test_it_has_a_length_and_items_but_no_layers_gives_the_input():
    first = nn.ReLU()
    assert len(nn.Sequential(first, nn.Tanh())) == 2
    assert nn.Sequential(first, nn.Tanh())[0] is first
    x = np.ones((2, 3))
    assert nn.Sequential()(x) is x


def test_the_first_layer_says_what_the_input_is():
    model = nn.Sequential(nn.Sequential(nn.Embedding(5, 3)), nn.Flatten(), nn.Dense(2))
    model.build((None, 4), seed=0)
    assert model(np.zeros((2, 4), int)).shape == (2, 2)


@pytest.mark.parametrize("bad", [[nn.ReLU()], np.tanh, None])
def test_anything_but_a_module_is_refused_with_its_place(bad):
    with pytest.raises(TypeError, match=r"layers\[1\]: got .*, wanted a Module"):
        nn.Sequential(nn.ReLU(), bad)


def test_a_subclass_may_hold_more_than_its_layers():
    class Headed(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Dense(2), nn.Tanh())
            self.head = nn.Dense(1)

        def forward(self, x):
            return self.head(super().forward(x))

    model = Headed().build((None, 3))
    assert list(model.named_state()) == ["0.weight", "0.bias", "head.weight", "head.bias"]


FOLDED = {
    "relu": (nn.ReLU(), 0.0),
    "leaky": (nn.LeakyReLU(0.2), 0.2),
    "steep": (nn.LeakyReLU(1.5), 1.5),
    "tanh": (nn.Tanh(), None),
}


FOLDING = {
    "batch norm": lambda dtype: nn.BatchNorm(dtype=dtype),
    "dense": lambda dtype: nn.Dense(4, dtype=dtype),
    "convolution": lambda dtype: nn.Conv2D(5, 3, padding="same", dtype=dtype),
    "convolution transposed": lambda dtype: nn.Conv2DTranspose(4, 2, 2, dtype=dtype),
}


@pytest.mark.parametrize("shape", [(5, 3), (6, 9, 7, 130), (40, 16, 16, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", FOLDING)
@pytest.mark.parametrize("after", FOLDED)
def test_a_leaky_relu_in_the_layer_before_changes_no_bit(after, kind, dtype, shape, monkeypatch):
    if kind.startswith("conv") and len(shape) == 2:
        shape = (shape[0], 4, 6, shape[1])
    layer, slope = FOLDED[after]
    before = FOLDING[kind](dtype)
    model = nn.Sequential(before, layer).build(shape, seed=0)
    for k, parameter in enumerate(before.parameters()):
        parameter.assign(values(1 + k, parameter.shape, "off_zero"))
    x = Tensor(values(3, shape).astype(dtype), requires_grad=True)
    inputs, slopes = [x, *before.parameters()], []
    folded = type(before).folded

    def spied(self, x, slope):
        slopes.append(slope)
        return folded(self, x, slope)

    def results(apply):
        with nn.training(True):
            y = apply(x)
            return [y, *mg.grad(y, inputs, values(4, y.shape).astype(dtype))]

    apart = results(lambda x: layer(before(x)))
    monkeypatch.setattr(type(before), "folded", spied)
    for got, wanted in zip(results(model), apart, strict=True):
        if dtype != "float16" or kind != "batch norm":  # else y is rounded before its sign is taken
            assert got.numpy().tobytes() == wanted.numpy().tobytes()
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), 1e-2, 1e-2)
    assert [s for s in slopes if s != 1] == [slope] * (slope is not None)


def test_layers_that_cant_fold_and_subclasses_are_done_one_by_one(monkeypatch):
    class Doubled(nn.Dense):
        def forward(self, x, weight=None):
            return 2.0 * super().forward(x, weight)

    x = values(0, (4, 3)).astype("f4")
    for layer in (Doubled(5), nn.Dense(5, use_bias=False), nn.BatchNorm(affine=False)):
        model = nn.Sequential(layer, nn.ReLU()).build((None, 3), seed=0)
        with nn.training(True):
            assert model(x).numpy().tobytes() == mg.relu(layer(x)).numpy().tobytes()


@pytest.mark.parametrize("place", [0, 1])
def test_a_forward_put_into_a_layer_is_called(place, monkeypatch):
    model = nn.Sequential(nn.Dense(5), nn.ReLU()).build((None, 3), seed=0)
    x = values(0, (4, 3)).astype("f4")
    wanted, forward, calls = model(x).numpy(), model[place].forward, []
    monkeypatch.setattr(model[place], "forward", lambda x: (calls.append(1), forward(x))[1])
    assert model(x).numpy().tobytes() == wanted.tobytes() and calls == [1]


def test_an_activation_after_a_built_layer_is_built_by_the_first_call():
    dense = nn.Dense(5).build((None, 3), seed=0)
    model, seen = nn.Sequential(dense, nn.LeakyReLU()), []
    x = values(0, (4, 3)).astype("f4")
    model(x)
    with nn.watch(lambda module, result: seen.append(result.shape)):
        model(x)
    assert seen == [(4, 5)] * 3


@pytest.mark.parametrize("slope", [-0.5, float("nan")])
@pytest.mark.parametrize("kind", ["dense", "convolution", "batch norm"])
def test_a_slope_that_is_set_later_is_checked_where_it_is_folded(kind, slope):
    layer, shape = FOLDING[kind]("float32"), (2, 4, 4, 3)
    model = nn.Sequential(layer, nn.LeakyReLU()).build(shape, seed=0)
    model[1].slope = slope
    with (
        nn.training(True),
        pytest.raises(ValueError, match="slope: got .*wanted a number, 0 or more"),
    ):
        model(np.ones(shape, "f4"))


@pytest.mark.parametrize("made", [nn.Dense, lambda *a, **k: nn.Conv2D(*a, 1, **k)])
def test_a_layer_without_bias_takes_a_slope_too(made):
    x = values(0, (2, 3, 3, 5)).astype("f4")
    layer = made(4, use_bias=False).build(x.shape, seed=0)
    assert not layer.folds
    assert layer.folded(x, 0.2).numpy().tobytes() == mg.leaky_relu(layer(x), 0.2).numpy().tobytes()


def test_layers_that_are_watched_are_done_one_by_one():
    layers = nn.BatchNorm(), nn.ReLU(), nn.Dense(2), nn.LeakyReLU()
    model = nn.Sequential(*layers).build((None, 3), seed=0)
    x = values(0, (4, 3)).astype("f4")
    seen = []
    with nn.training(True):
        alone = model(x)
        with nn.watch(lambda module, result: seen.append(module)):
            watched = model(x)
    assert seen == [*model, model]
    assert alone.numpy().tobytes() == watched.numpy().tobytes()
