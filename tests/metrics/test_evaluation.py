"""``evaluate``: every result says what it compares, and what real images score."""

from __future__ import annotations

import numpy as np
import pytest

from minigan import data, metrics
from minigan.metrics import METRICS, PIXELS, FeatureSource, evaluate


def images(count, seed, spread=1.0):
    return np.random.default_rng(seed).normal(0, spread, (count, 8, 8, 1)).astype(np.float32)


def softmaxed(x):
    p = np.exp(3 * x.reshape(len(x), -1)[:, :4])
    return p / p.sum(1, keepdims=True)


CLASSES = FeatureSource("four", lambda x: x.reshape(len(x), -1)[:, :4], softmaxed)


def test_every_metric_on_both_pairs():
    real, fake, held_out = images(60, 0), images(50, 1, 0.3), images(50, 2)
    results = evaluate(
        real=real, fake=fake, held_out=held_out, source=CLASSES, metrics=list(METRICS)
    )
    assert [r.metric for r in results] == list(METRICS)
    for result in results:
        assert result.samples == result.real_samples == (60, 50)
        assert result.split == "real, held out"
        sees = METRICS[result.metric].sees
        assert result.source == ("images" if sees == "images" else "four")
        assert np.isfinite([result.value, result.real_value]).all() and result.protocol
    found = {r.metric: r for r in results}
    a, b, c = (CLASSES.features(x) for x in (real, fake, held_out))
    four = metrics.neighbours(real=a, fake=b, k=5)
    for name, value in four._asdict().items():
        assert found[name].value == value
    assert found["recall"].real_value == metrics.recall(real=a, fake=c, k=5)
    assert found["frechet_distance"].value == metrics.frechet_distance(real=a, fake=b)
    assert found["frechet_distance"].real_value == metrics.frechet_distance(real=a, fake=c)
    score = metrics.classifier_score(softmaxed(fake))
    assert found["classifier_score"].value == score.value
    assert found["classes"].real_value == 4
    assert found["ms_ssim"].value == metrics.mean_similarity(fake).value
    assert found["precision"].value > 0.8 > 0.5 > found["recall"].value


def test_without_held_out_images_halves_of_the_real_ones_are_compared():
    real, fake = images(61, 0), images(20, 1)
    (result,) = evaluate(real=real, fake=fake, metrics=["sliced_wasserstein"])
    assert result.samples == (61, 20) and result.real_samples == (31, 30)
    assert (result.split, result.source, result.parts) == ("halves of real", "pixels", 512)
    assert result.error > 0
    (other,) = evaluate(real=real, fake=fake, metrics=["sliced_wasserstein"], seed=1)
    assert other.value == result.value and other.real_value != result.real_value


def test_parts_are_of_a_thousand_samples():
    real, fake = np.random.default_rng(0).normal(size=(2, 3100, 3))
    (result,) = evaluate(real=real, fake=fake, metrics=["kernel_distance"])
    assert result.parts == 3 and abs(result.value) < 10 * result.error


def test_the_default_is_what_the_source_can_give():
    pixels = {r.metric for r in evaluate(real=images(20, 0), fake=images(20, 1))}
    classes = {r.metric for r in evaluate(real=images(20, 0), fake=images(20, 1), source=CLASSES)}
    assert classes - pixels == {"classifier_score", "classes", "class_kl"}
    assert pixels == {name for name, m in METRICS.items() if m.sees == "features"}


@pytest.mark.parametrize(
    "names, words",
    [
        (["precison"], "metrics: got 'precison' .did you mean 'precision'"),
        (["classifier_score"], "class probabilities, which 'pixels' does not give"),
    ],
)
def test_what_can_not_be_had_is_named(names, words):
    with pytest.raises(ValueError, match=words):
        evaluate(real=images(20, 0), fake=images(20, 1), metrics=names)


def test_one_real_image_has_no_halves():
    with pytest.raises(ValueError, match="real: got 1, wanted at least 2"):
        evaluate(real=images(1, 0), fake=images(9, 1), metrics=["nearest_distance"])


@pytest.mark.parametrize("name", ["real", "fake", "held_out"])
def test_no_images_are_named(name):
    sets = {"real": images(9, 0), "fake": images(9, 1), "held_out": images(9, 2)}
    with pytest.raises(ValueError, match=f"{name}: got no images"):
        evaluate(**sets | {name: images(0, 3)}, metrics=["nearest_distance"])


def test_sets_that_do_not_go_together_are_named():
    images = np.random.default_rng(0).uniform(-1, 1, (9, 8, 8, 1))
    bad = images.copy()
    bad[3, 0, 0, 0] = np.nan
    for given, words in (
        ({"fake": images[:, :7]}, r"fake: got images of shape \(7, 8, 1\), wanted \(8, 8, 1\)"),
        ({"fake": bad}, "fake: got images with NaN or infinity"),
        ({"fake": images, "held_out": bad}, "held_out: got images with NaN"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            evaluate(real=images, **given)
        assert "more images" not in str(error.value)
    with pytest.raises(TypeError, match="fake: got an array of object"):
        evaluate(real=images, fake=None)


def test_each_set_is_looked_at_once():
    seen = []

    def features(x):
        seen.append(len(x))
        return PIXELS.features(x)

    evaluate(
        real=images(20, 0),
        fake=images(21, 1),
        held_out=images(22, 2),
        source=FeatureSource("counted", features),
        metrics=["precision", "recall", "frechet_distance"],
    )
    assert sorted(seen) == [20, 21, 22]


def test_sets_of_images_are_scaled_as_the_samples_are():
    real, held_out = data.digits().split(300, seed=0)
    fake = held_out.batch(slice(0, 200))
    names = ["frechet_distance", "coverage"]
    found = evaluate(real=real, fake=fake, held_out=held_out, metrics=names)
    arrays = {"real": real.batch(slice(None)), "held_out": held_out.batch(slice(None))}
    assert repr(found) == repr(evaluate(fake=fake, metrics=names, **arrays))  # NaN is in it


def test_what_is_on_another_scale_is_refused():
    held, fake = data.digits().pixels[:50], data.digits().batch(slice(0, 50))
    with pytest.raises(TypeError, match=r"real: got an array of uint8.*pass Images"):
        evaluate(real=held, fake=fake)
    for real in (held.astype("float32"), held / 255):
        with pytest.raises(ValueError, match=r"can't be compared.*\[-1, 1\]") as caught:
            evaluate(real=real, fake=fake)
        assert str(caught.value).startswith("fake: got values in [-1, 1] where real has [0, ")
        with pytest.raises(ValueError, match="held_out: got values in"):
            evaluate(real=fake, fake=fake, held_out=real)
    for dull in (0.01 * fake, 0 * fake, 0 * fake + 1):  # a poor generator is to be measured
        evaluate(real=fake, fake=dull, metrics=["coverage"])


def test_too_few_images_are_counted_and_not_taken_for_a_shape():
    with pytest.raises(ValueError, match="precision of fake against real: fake: got 3 samples"):
        evaluate(real=images(20, 0), fake=images(3, 1), metrics=["precision"])
    with pytest.raises(ValueError, match="precision of halves of real: real: got 4 samples"):
        evaluate(real=images(8, 0), fake=images(8, 1), metrics=["precision"])


def by_mean(learnt):
    """A classifier for ``classification_accuracy``: the class whose mean is nearest."""
    flat = learnt.batch(slice(None)).reshape(len(learnt), -1)
    means = np.stack([flat[learnt.labels == c].mean(0) for c in range(10)])
    return lambda x: -((x.reshape(len(x), 1, -1) - means) ** 2).sum(-1)


@pytest.mark.parametrize("apart", [True, False], ids=["held out", "halves"])
def test_what_is_learnt_from_samples_stands_beside_what_is_from_real_images(apart):
    real, others = data.digits().split(600, seed=0)
    fake = others.take(slice(0, 90))
    held_out = others.take(slice(90, 180)) if apart else None
    found = metrics.evaluate_classification(
        real=real, fake=fake, train=by_mean, held_out=held_out, seed=1
    )
    accuracy = metrics.classification_accuracy
    assert found.metric == "classification_accuracy"
    assert found.value == accuracy(real=real, fake=fake, train=by_mean)
    assert found.samples == (len(real), 90)
    if held_out is not None:
        assert found.real_value == accuracy(real=real, fake=held_out, train=by_mean)
        assert (found.split, found.real_samples) == ("real, held out", (len(real), 90))
    else:
        half = len(real) // 2
        assert (found.split, found.real_samples) == ("halves of real", (len(real) - half, half))
        assert found.real_value > 0.8
    assert found.source and found.protocol and found.better == "higher"


def test_halves_have_no_image_in_common():
    real, seen = data.digits(), []

    def train(learnt):
        seen.append(learnt.batch(slice(None)))
        return lambda x: seen.append(x) or np.eye(10)[np.zeros(len(x), int)]

    metrics.evaluate_classification(real=real, fake=real, train=train)
    learnt, known = ({image.tobytes() for image in x} for x in seen[2:])
    assert not learnt & known and len(learnt | known) == len(
        {image.tobytes() for image in real.batch(slice(None))}
    )


def test_the_modes_of_points_stand_beside_those_of_the_mixture_s_own():
    mixture = data.ring()
    points = mixture.sample(500, 3)[:, ::-1] * [1, -1]
    points[:100] = 0
    found = metrics.evaluate_mixture(points, mixture, seed=5)
    assert [r.metric for r in found] == ["modes_captured", "modes_high_quality", "modes_reverse_kl"]
    made = metrics.mixture_modes(points, mixture)
    own = metrics.mixture_modes(mixture.sample(500, 5), mixture)
    assert tuple(r.value for r in found) == made and made.high_quality < 0.9
    assert tuple(r.real_value for r in found) == own and own.high_quality > 0.95
    for result in found:
        assert result.samples == result.real_samples == (0, 500)
        assert result.split and result.source and result.protocol == "within 3 standard deviations"
    assert [r.better for r in found] == ["higher", "as real", "lower"]


def test_a_source_and_names_of_other_kinds_are_refused():
    images = np.zeros((8, 4, 4, 1), "float32")
    with pytest.raises(TypeError, match="source: got <function .*FeatureSource"):
        evaluate(real=images, fake=images, source=lambda x: x)
    with pytest.raises(TypeError, match=r"metrics: got 'recall', wanted a list .* \['recall'\]"):
        evaluate(real=images, fake=images, metrics="recall")
