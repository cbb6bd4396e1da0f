"""The classifier that metrics see through: it learns, it repeats itself, it can be kept."""

from __future__ import annotations

import numpy as np
import pytest

from minigan import metrics, nn
from minigan.data import Images, digits
from minigan.files import FileError


@pytest.fixture(scope="module")
def sets():
    return digits().split(360, seed=0)


@pytest.fixture(scope="module")
def classifier(sets):
    return metrics.train_classifier(*sets, width=24, steps=400)


def test_it_learns_digits(sets, classifier):
    images = sets[1].batch(slice(None))
    p = classifier.probabilities(images)
    assert p.shape == (360, 10)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert classifier.accuracy == (p.argmax(1) == sets[1].labels).mean() > 0.93
    assert classifier.name == f"classifier of {sets[0].source} ({classifier.accuracy:.2%})"


def test_features_are_what_the_last_layer_sees(sets, classifier):
    images = sets[1].batch(slice(0, 40))
    features = classifier.features(images)
    assert features.shape == (40, 96) and features.min() == 0 < features.max()
    last = classifier.network.layers[-1]
    logits = features @ last.weight.numpy() + last.bias.numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(p, classifier.probabilities(images), rtol=1e-4, atol=1e-6)


def test_an_image_s_result_does_not_depend_on_its_batch(sets, classifier):
    images = sets[0].batch(slice(0, 700))  # more than are looked at at a time
    whole = classifier.features(images)
    np.testing.assert_allclose(whole[600:603], classifier.features(images[600:603]), atol=1e-5)


def test_it_is_a_source_of_metrics(sets, classifier):
    real, held_out = (s.batch(slice(0, 300)) for s in sets)
    noise = np.random.default_rng(0).uniform(-1, 1, real.shape).astype(np.float32)
    results = metrics.evaluate(real=real, fake=noise, held_out=held_out, source=classifier)
    found = {r.metric: r for r in results}
    assert found["frechet_distance"].value > 5 * found["frechet_distance"].real_value
    assert found["classifier_score"].value < found["classifier_score"].real_value
    assert all(r.source == classifier.name for r in results)
    wide = {"real": real.astype("float64"), "fake": noise.astype("float64")}
    held_out = sets[1].take(slice(0, 300))
    wider = metrics.evaluate(**wide, held_out=held_out, source=classifier)
    assert repr(wider) == repr(results)


def test_a_seed_repeats_itself(sets):
    a, b, c = (
        metrics.train_classifier(*sets, width=4, steps=5, seed=seed).network.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not all(np.array_equal(a[name], c[name]) for name in a)


def test_progress_wraps_the_steps(sets):
    seen = []

    def watched(steps):
        for step in steps:
            seen.append(step)
            yield step

    metrics.train_classifier(*sets, width=4, steps=3, progress=watched)
    assert seen == [0, 1, 2]


def test_saved_and_loaded(tmp_path, sets, classifier):
    path = tmp_path / "judge.npz"
    metrics.save_classifier(classifier, path)
    again = metrics.load_classifier(path)
    assert (again.accuracy, again.data, again.name) == (
        classifier.accuracy, classifier.data, classifier.name,
    )  # fmt: skip
    images = sets[1].batch(slice(0, 9))
    np.testing.assert_array_equal(again.features(images), classifier.features(images))


def test_files_that_hold_no_classifier_are_named(tmp_path):
    path = tmp_path / "other.npz"
    nn.save(nn.Dense(2).build((None, 3), seed=0), path)
    with pytest.raises(FileError, match="other.npz: holds no classifier"):
        metrics.load_classifier(path)
    nn.save(nn.Dense(2).build((None, 3), seed=0), path, {"classifier": {"accuracy": 1, "data": ""}})
    with pytest.raises(FileError, match="but Dense"):
        metrics.load_classifier(path)
    path.write_bytes(b"nothing")
    with pytest.raises(FileError, match="damaged"):
        metrics.load_classifier(path)


def test_data_that_do_not_fit_are_named(sets):
    real, held_out = sets
    bare = Images(real.pixels)
    gap = Images(real.pixels, np.where(np.arange(len(real)) == 3, -1, real.labels))
    large = Images(np.zeros((3, 9, 9, 1), np.uint8), np.zeros(3, np.int64))
    for first, second, words in (
        (bare, held_out, "real: got images without labels"),
        (real, bare, "held_out: got images without labels"),
        (gap, held_out, r"real: image 3 has no label \(-1\)"),
        (real, gap, r"held_out: image 3 has no label \(-1\)"),
        (real, large, r"held_out: got images of \(9, 9, 1\), wanted \(8, 8, 1\)"),
    ):
        with pytest.raises(ValueError, match=words):
            metrics.train_classifier(first, second)
    with pytest.raises(ValueError, match="batch: got 2000, wanted a whole number from 1 to 1437"):
        metrics.train_classifier(real, held_out, batch=2000)
