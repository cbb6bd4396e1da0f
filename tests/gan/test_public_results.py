"""Whatever left the engine stays as it was: no array of a result is ever used again."""

from __future__ import annotations

import numpy as np
import pytest
from games import LATENT, pictures, trainer
from properties import share_memory

import minigan as mg
from minigan.backend import is_array
from minigan.data import from_arrays
from minigan.gan.feed import Feed
from minigan.nn import watch


def arrays_of(value):
    """Every array inside a result."""
    if isinstance(value, mg.Tensor):
        return [value.data]
    if is_array(value):
        return [value]
    if isinstance(value, dict):
        return [a for v in value.values() for a in arrays_of(v)]
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in arrays_of(v)]
    return []


def held(run):
    """One of everything that a user can get hold of, by name."""
    game = run.game
    z = mg.Tensor(np.linspace(-1, 1, 4 * LATENT, dtype=np.float32).reshape(4, LATENT))
    made = game.generate(mg.gan.Draw(z))
    judged = game.judge(made)
    loss = game.loss.generator(None, judged)
    weights = game.generator.parameters()
    found = mg.grad(loss, weights, retain_graph=True)
    loss.backward(retain_graph=True)
    again = mg.grad((mg.grad(loss, weights, create_graph=True)[0] ** 2).sum(), weights[0])
    feed = Feed(from_arrays(pictures()), 8, 0, (-1.0, 1.0))
    return {
        "a result": made,
        "its data": made.data,
        "its copy": made.numpy(),
        "logits": judged.logits,
        "a loss": loss,
        "gradients": found,
        "second gradients": again,
        "leaves' gradients": [p.grad for p in weights],
        "a weight's copy": [p.numpy() for p in weights],
        "samples": run.sample(70),
        "a state": run.state(),
        "a state dict": game.generator.state_dict(),
        "batches": [feed(k).images for k in range(4)],
    }


def test_results_keep_their_bits_over_ten_further_steps():
    run = trainer(norm=True, drop=0.3, average=0.9)
    run.fit(pictures(), 3, 8)
    for parameter in run.game.generator.parameters():
        parameter.grad = None
    results = held(run)
    assert all(arrays_of(value) for value in results.values())
    before = {name: [a.tobytes() for a in arrays_of(value)] for name, value in results.items()}
    run.fit(pictures(), 10, 8)
    held(run)  # the same work again, in the same shapes: a pool would hand the arrays out again
    for name, value in results.items():
        if name != "leaves' gradients":  # those the second backward adds to, in new arrays
            assert [a.tobytes() for a in arrays_of(value)] == before[name], name


def test_gradients_of_leaves_are_not_touched_by_training():
    run = trainer()
    loss = run.game.generator(np.ones((2, LATENT), np.float32)).sum()
    loss.backward()
    gradients = [p.grad for p in run.game.generator.parameters()]
    before = [g.numpy().tobytes() for g in gradients]
    run.fit(pictures(), 10, 8)
    assert [g.numpy().tobytes() for g in gradients] == before
    assert all(p.grad is g for p, g in zip(run.game.generator.parameters(), gradients, strict=True))


def test_activations_that_a_watcher_or_callback_took_stay():
    run = trainer(norm=True)
    seen, reports = [], []
    with watch(lambda module, result: seen.append((result.data, result.data.tobytes()))):
        run.fit(pictures(), 2, 8, callbacks=[reports.append])
    spelt = [repr(report) for report in reports]
    run.fit(pictures(), 10, 8)
    assert len(seen) > 20
    assert all(array.tobytes() == kept for array, kept in seen)
    assert [repr(report) for report in reports] == spelt


def test_no_two_results_share_memory():
    run = trainer()
    results = [a for name in ("samples", "a state", "batches") for a in arrays_of(held(run)[name])]
    live = [p.data for n in (run.game.generator, run.game.discriminator) for p in n.parameters()]
    for i, array in enumerate(results):
        for other in [*results[:i], *live]:
            assert not share_memory(array, other)


@pytest.mark.cpu_only("nothing on a GPU is read-only")
def test_data_of_a_result_cannot_be_written_to():
    run = trainer()
    made = run.game.generator(np.ones((2, LATENT), np.float32))
    assert not made.data.flags.writeable
    assert run.sample(2).flags.writeable  # the caller's own
