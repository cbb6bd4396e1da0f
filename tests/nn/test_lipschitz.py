"""Spectral normalisation and gradient normalisation."""

import copy
import threading

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.gan import Game, Trainer
from minigan.kernels.bilinear import weights_unchanged
from minigan.optim import Adam
from minigan.testing import check_gradients
from minigan.testing.values import values


def close(actual, expected, tolerance=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def matrix(layer):
    """The weight as rows of everything but the outputs, element by element."""
    w = layer.weight.numpy()
    if isinstance(layer, nn.Conv2DTranspose):
        rows = [
            [w[i, j, o, c] for o in range(w.shape[2])]
            for i in range(w.shape[0])
            for j in range(w.shape[1])
            for c in range(w.shape[3])
        ]
        return np.array(rows)
    return np.array([w[index] for index in np.ndindex(w.shape[:-1])])


def iterated(w, u, steps):
    """Algorithm 1 in loops: σ and both vectors."""
    for _ in range(steps):
        v = np.array([sum(row[k] * u[k] for k in range(len(u))) for row in w])
        v /= sum(x * x for x in v) ** 0.5
        u = np.array([sum(w[i, k] * v[i] for i in range(len(v))) for k in range(len(u))])
        u /= sum(x * x for x in u) ** 0.5
    sigma = sum(v[i] * w[i, k] * u[k] for i in range(len(v)) for k in range(len(u)))
    return sigma, u, v


LAYERS = {
    "dense": (lambda: nn.Dense(4, dtype="float64"), (3, 5)),
    "conv1d": (lambda: nn.Conv1D(3, 2, dtype="float64"), (2, 4, 2)),
    "conv2d": (lambda: nn.Conv2D(3, (2, 3), dtype="float64"), (2, 4, 4, 2)),
    "grouped": (lambda: nn.Conv2D(4, 2, groups=2, use_bias=False, dtype="float64"), (2, 3, 3, 4)),
    "transposed": (lambda: nn.Conv2DTranspose(3, 2, 2, dtype="float64"), (2, 2, 3, 5)),
    "embedding": (lambda: nn.Embedding(6, 4, dtype="float64"), (3, 2)),
}


@pytest.fixture(params=LAYERS)
def wrapped(request):
    """(wrapper, a layer of its own with the same parameters, input)."""
    make, shape = LAYERS[request.param]
    module = nn.SpectralNorm(make(), iterations=2).build((None, *shape[1:]), seed=1)
    for i, parameter in enumerate(module.parameters()):
        parameter.assign(values(i, parameter.shape))
    x = values(9, shape) if request.param != "embedding" else np.arange(6).reshape(shape)
    return module, copy.deepcopy(module.layer), x


def test_training_divides_the_weight_by_what_the_iteration_finds_and_keeps_its_vectors(wrapped):
    module, plain, x = wrapped
    sigma, u, v = iterated(matrix(plain), module.u.numpy(), 2)
    y = module(x)
    plain.weight.assign(plain.weight.numpy() / sigma)
    close(y.numpy(), plain(x).numpy())
    close(module.u.numpy(), u)
    close(module.v.numpy(), v)


def test_many_passes_find_the_largest_singular_value(wrapped):
    module, plain, x = wrapped
    with mg.no_grad():
        for _ in range(300):
            module(x)
    largest = np.linalg.svd(matrix(plain), compute_uv=False)[0]
    plain.weight.assign(plain.weight.numpy() / largest)
    close(module.eval()(x).numpy(), plain(x).numpy(), 1e-9)


def test_the_gradient_is_the_papers(wrapped):
    """Eq. 12: (G − ⟨G, W/σ⟩·v·uᵀ)/σ, with G the gradient of the normalised weight."""
    module, plain, x = wrapped
    g = values(5, module(x).shape)
    y = module(x)
    (found,) = mg.grad(y, [module.layer.weight], g)
    w, u, v = plain.weight.numpy(), module.u.numpy(), module.v.numpy()
    sigma = v @ matrix(plain) @ u
    plain.weight.assign(w / sigma)
    (G,) = mg.grad(plain(x), [plain.weight], g)
    G = G.numpy()
    outer = np.multiply.outer(v, u)
    if isinstance(plain, nn.Conv2DTranspose):
        kh, kw, out, inputs = w.shape
        outer = outer.reshape(kh, kw, inputs, out).swapaxes(2, 3)
    expected = (G - np.sum(G * w / sigma) * outer.reshape(w.shape)) / sigma
    close(found.numpy(), expected)


def test_evaluation_moves_nothing_and_the_layers_weight_is_never_written(wrapped):
    module, plain, x = wrapped
    module(x)
    before = module.state_dict()
    first = module.eval()(x).numpy()
    assert np.array_equal(module(x).numpy(), first)
    assert all(np.array_equal(before[name], now) for name, now in module.state_dict().items())
    assert np.array_equal(before["layer.weight"], plain.weight.numpy())


def test_the_vectors_are_state_that_is_not_trained():
    module = nn.SpectralNorm(nn.Dense(2)).build((None, 3), seed=0)
    assert list(module.named_parameters()) == ["layer.weight", "layer.bias"]
    assert set(module.named_state()) == {"layer.weight", "layer.bias", "u", "v"}
    close(np.linalg.norm(module.u.numpy()), 1, 1e-6)


def test_only_the_directions_of_the_vectors_count():
    """A moving average of vectors is shorter than they are."""
    module = nn.SpectralNorm(nn.Dense(3, dtype="float64")).build((None, 4), seed=0).eval()
    x = values(0, (2, 4))
    expected = module(x).numpy()
    module.u.assign(0.5 * module.u.numpy())
    module.v.assign(0.3 * module.v.numpy())
    close(module(x).numpy(), expected)


def test_a_new_layer_is_near_its_norm_before_it_was_trained():
    module = nn.SpectralNorm(nn.Dense(30, dtype="float64")).build((None, 20), seed=0).eval()
    normalised = module(np.eye(20)).numpy() - module.layer.bias.numpy()
    assert 1 <= np.linalg.norm(normalised, 2) < 1.1


def test_a_later_pass_leaves_an_earlier_ones_gradient_alone():
    module = nn.SpectralNorm(nn.Dense(3, dtype="float64")).build((None, 4), seed=0)
    x = values(0, (2, 4))
    weight = module.layer.weight
    state = module.state_dict()
    for mode in (True, False):
        found = []
        for passes_between in (0, 2):
            module.load_state_dict(state)
            first = module.train(mode)(x)
            for _ in range(passes_between):
                module.train()(x)  # moves u and v, which the first pass has used
            found.append(mg.grad(first.sum(), [weight])[0].numpy())
        assert np.array_equal(*found)
        assert not np.array_equal(module.u.numpy(), state["u"])


@pytest.mark.parametrize("taps", [3, 5])
def test_kept_transforms_of_a_normalised_weight_are_its_own(taps):
    """Within an update the transforms of weights are kept; W/σ is a new weight in each pass."""
    layer = nn.Conv2D(3, taps, padding="same", dtype="float64")
    module = nn.SpectralNorm(layer).build((None, 7, 7, 2), seed=0)
    layer.weight.assign(values(1, layer.weight.shape))
    module.u.assign(values(2, (3,)))  # far from the singular vector, so that σ moves
    x, state, results = values(3, (2, 7, 7, 2)), module.state_dict(), []
    for keep in (False, True):
        module.load_state_dict(state)
        if keep:
            with weights_unchanged():
                passes = [module(x) for _ in range(3)]
                found = [mg.grad(y.sum(), [layer.weight])[0].numpy() for y in passes]
        else:
            passes = [module(x) for _ in range(3)]
            found = [mg.grad(y.sum(), [layer.weight])[0].numpy() for y in passes]
        results.append([*[y.numpy() for y in passes], *found])
    for kept, plain in zip(*results, strict=True):
        close(kept, plain, 1e-13)
    assert not np.allclose(results[0][0], results[0][1])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_weight_of_zero_stays_and_has_a_finite_gradient(dtype):
    layer = nn.Dense(2, use_bias=False, init="zeros", dtype=dtype)
    module = nn.SpectralNorm(layer).build((None, 3), seed=0)
    x = np.ones((2, 3), dtype)
    y = module(x)
    (g,) = mg.grad(y.sum(), [layer.weight])
    assert not y.numpy().any() and np.array_equal(g.numpy(), np.full((3, 2), 2, dtype))


def test_threads_in_evaluation_do_not_disturb_each_other():
    module = nn.SpectralNorm(nn.Conv2D(4, 3)).build((None, 8, 8, 2), seed=0).eval()
    x = values(0, (2, 8, 8, 2)).astype("f4")
    expected, found = module(x).numpy(), []
    threads = [
        threading.Thread(target=lambda: found.extend(module(x).numpy() for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80 and all(np.array_equal(each, expected) for each in found)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.BatchNorm(), np.tanh, nn.Sequential(nn.Dense(2))])
def test_layers_without_one_weight_are_refused_by_name(layer):
    with pytest.raises(TypeError, match=r"layer: got .*, wanted .* Dense, Embedding, Conv1D"):
        nn.SpectralNorm(layer)


def test_no_iterations_are_refused():
    with pytest.raises(ValueError, match="iterations: got 0"):
        nn.SpectralNorm(nn.Dense(2), 0)


def test_summaries_count_the_layer_and_its_vectors():
    module = nn.Sequential(nn.SpectralNorm(nn.Dense(2)), nn.Tanh()).build((None, 3))
    text = module.summary()
    assert "0.layer Dense" in text and "8 trained parameters, 5 kept statistics" in text
    assert "(None, 2)" in text.split("0.layer Dense")[1].splitlines()[0]


def trainer():
    norm = nn.SpectralNorm
    critic = nn.Sequential(
        norm(nn.Conv2D(4, 3, 2, "same")), nn.LeakyReLU(), nn.Flatten(), norm(nn.Dense(1))
    )
    generator = nn.Sequential(
        nn.Dense(16), nn.Reshape(2, 2, 4), norm(nn.Conv2DTranspose(1, 4, 2, "same")), nn.Tanh()
    )
    game = Game(generator, critic, "hinge", mg.gan.Normal(3))
    return Trainer(game, seed=0, optimizers=Adam(1e-3))


def test_training_resumes_to_the_same_bits(tmp_path):
    images = values(0, (8, 4, 4, 1), "unit").astype("f4")
    through, first = trainer(), trainer()
    through.fit(images, steps=4, batch=4)
    first.fit(images, steps=2, batch=4)
    first.save(tmp_path / "state.npz")
    second = trainer()
    second.load(tmp_path / "state.npz")
    second.fit(images, steps=2, batch=4)
    a, b = through.game.discriminator.state_dict(), second.game.discriminator.state_dict()
    assert {"0.u", "0.v", "3.u", "3.v"} <= a.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(trainer().game.discriminator[0].u.numpy(), a["0.u"])


# Gradient normalisation


def critic(activation=nn.Tanh):
    return nn.Sequential(nn.Dense(4, dtype="float64"), activation(), nn.Dense(1, dtype="float64"))


def test_each_logit_is_divided_by_its_own_slope_and_size():
    module = nn.GradientNormalized(critic()).build((None, 3), seed=0)
    x, step = values(0, (5, 3)), 1e-6
    y = module(x).numpy()
    D = module.discriminator
    for n in range(5):
        logit = D(x[n : n + 1]).item()
        slopes = [
            (D((x[n] + step * e)[None]).item() - D((x[n] - step * e)[None]).item()) / (2 * step)
            for e in np.eye(3)
        ]
        steepness = sum(s * s for s in slopes) ** 0.5
        close(y[n, 0], logit / (steepness + abs(logit)), 1e-8)


def test_a_network_of_linear_pieces_has_a_slope_of_at_most_one():
    """‖∇D̂‖ = (‖∇D‖/(‖∇D‖ + |D|))² then (Wu et al., 2021)."""
    module = nn.GradientNormalized(critic(nn.ReLU)).build((None, 3), seed=0)
    x = mg.Tensor(10 * values(0, (50, 3)), requires_grad=True)
    y = module(x)
    (g,) = mg.grad(y, [x], np.ones((50, 1)))
    steepness = np.linalg.norm(g.numpy(), axis=1)
    close(steepness, (1 - abs(y.numpy()[:, 0])) ** 2, 1e-10)
    assert steepness.max() <= 1


def test_it_is_the_same_where_nothing_is_recorded_and_nothing_is_recorded_then():
    module = nn.GradientNormalized(critic()).build((None, 3), seed=0)
    x = values(0, (4, 3))
    expected = module(x)
    assert expected.requires_grad
    tracked = mg.Tensor(x, requires_grad=True)
    with mg.no_grad():
        for given in (x, tracked, mg.Tensor(x)):
            y = module(given)
            assert not y.requires_grad and np.array_equal(y.numpy(), expected.numpy())


def test_the_gradient_of_an_image_flows_on_to_what_made_it():
    module = nn.GradientNormalized(critic()).build((None, 3), seed=0)
    check_gradients(lambda z: module(mg.tanh(2 * z)), [values(0, (2, 3))], order=2)


def test_where_the_discriminator_is_zero_with_its_slope_so_is_the_result():
    last = nn.Dense(1, init="zeros", dtype="float64")
    module = nn.GradientNormalized(nn.Sequential(nn.Dense(2, dtype="float64"), last))
    module.build((None, 3), seed=0)
    x = mg.Tensor(values(0, (2, 3)), requires_grad=True)
    y = module(x)
    found = mg.grad(y.sum(), [x, *module.parameters()])
    assert not y.numpy().any()
    assert all(np.isfinite(g.numpy()).all() for g in found)


def test_it_hands_labels_on():
    network = nn.Sequential(critic()[0], nn.Tanh(), nn.Projection(3, dtype="float64"))
    module = nn.GradientNormalized(network).build((None, 3), (None,), seed=0)
    x = values(0, (2, 3))
    assert module.takes_condition
    assert not np.array_equal(module(x, [0, 1]).numpy(), module(x, [0, 2]).numpy())


def test_several_logits_for_a_sample_are_refused():
    with pytest.raises(ValueError, match=r"logits of shape \(1, 2\) for 1 samples"):
        nn.GradientNormalized(nn.Dense(2)).build((None, 3))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.BatchNorm, "got one with BatchNorm '1.branch.0', wanted"),
        (lambda: nn.ConditionalBatchNorm(3), "BatchNorm '1.branch.0.norm'"),
        (lambda: nn.MinibatchDiscrimination(2, 2), "MinibatchDiscrimination '1.branch.0'"),
        (nn.MinibatchStdDev, "MinibatchStdDev '1.branch.0'"),
    ],
)
def test_layers_that_mix_the_batch_are_refused_by_name(layer, words):
    """The gradient of the sum of the scores would not be a sample's own slope."""
    network = nn.Sequential(nn.Dense(4), nn.Residual(nn.Sequential(layer())), nn.Dense(1))
    with pytest.raises(ValueError, match=words):
        nn.GradientNormalized(network)


def test_a_layer_of_ones_own_is_taken_unless_it_says_that_it_mixes():
    class Own(nn.Module):
        def forward(self, x):
            return x - x.mean(axis=0)

    nn.GradientNormalized(nn.Sequential(Own(), nn.Dense(1)))
    Own.mixes_batch = True
    with pytest.raises(ValueError, match="got one with Own '0', wanted"):
        nn.GradientNormalized(nn.Sequential(Own(), nn.Dense(1)))


def test_layers_that_draw_or_have_a_reference_mix_no_batch():
    inner = nn.Sequential(
        nn.SpectralNorm(nn.Dense(2)), nn.VirtualBatchNorm(), nn.Dropout(0.5), nn.Dense(1)
    )
    nn.GradientNormalized(nn.VirtualBatch(inner, 4)).build((None, 3), seed=0)


def test_anything_but_a_module_is_refused():
    with pytest.raises(TypeError, match="discriminator: got <function .*wanted a Module"):
        nn.GradientNormalized(lambda x: x)
