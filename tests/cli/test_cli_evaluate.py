"""``minigan evaluate`` and ``train-classifier``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan import metrics, nn
from minigan.cli import evaluate as module
from minigan.cli import main
from minigan.cli.folder import RunFolder
from minigan.cli.recognised import purity, recognised
from minigan.data import Images, digits, mnist
from minigan.gan import load_generator
from minigan.gan.doctor import Doctor
from minigan.gan.heads import MODULES
from minigan.gan.sampling import noise
from minigan.random import Stream

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers that learn for a moment."""
    small = {name: module._Kind(4, 30) for name in module._KINDS}
    monkeypatch.setattr(module, "_KINDS", small)


def rows(out: str) -> dict[str, str]:
    head, *lines = out.splitlines()
    assert head.split()[:2] == ["metric", "value"]
    return {line.split()[0]: line for line in lines}


def test_digits_train_their_own_classifier(command: Command, finished: Path) -> None:
    result = command("evaluate", finished, "--quiet")
    assert (result.status, result.err) == (0, "")
    found = rows(result.out)
    assert list(found) == list(metrics.METRICS)
    for name, line in found.items():
        assert "360:360" in line and "real, held out" in line
        assert ("images" if metrics.METRICS[name].sees == "images" else "classifier of UCI") in line


def test_the_table_is_what_the_package_measures(command: Command, finished: Path) -> None:
    metrics.save_classifier(
        metrics.train_classifier(*digits().split(360, 0), width=4, steps=3), "judge.npz"
    )
    names = "recall,frechet_distance,classifier_score"
    words = ("evaluate", finished, "--classifier", "judge.npz", "--metrics", names, "-n", 90)
    result = command(*words, "--json")
    assert result.status == 0
    assert "drawing 90 samples" in result.err and "3/3" in result.err  # so that it is seen to work
    assert command(*words, "--json", "--quiet").err == ""
    found = {row["metric"]: row for row in json.loads(result.out)}
    assert list(found) == names.split(",")
    judge = metrics.load_classifier("judge.npz")
    assert command("sample", finished, "-n", 90, "-o", "fakes.npy").status == 0
    score = metrics.classifier_score(judge.probabilities(np.load("fakes.npy")))
    assert found["classifier_score"]["value"] == pytest.approx(score.value)
    assert found["classifier_score"]["error"] is None
    assert found["recall"]["samples"] == found["recall"]["real_samples"] == [90, 90]
    assert found["recall"]["source"] == judge.name
    assert found["frechet_distance"]["value"] > found["frechet_distance"]["real_value"] > 0
    table = rows(command(*words).out)
    for name, row in found.items():
        assert table[name].split()[1] == f"{row['value']:.4g}"
    other = json.loads(command(*words, "--json", "--seed", 1).out)
    assert other[1]["value"] != found["frechet_distance"]["value"]
    assert other[1]["real_value"] == found["frechet_distance"]["real_value"]


def test_images_need_no_features(command: Command, finished: Path) -> None:
    result = command("evaluate", finished, "--metrics", "ms_ssim", "-n", 20, "--quiet")
    assert (result.status, result.err) == (0, "")
    assert "pairs: 1000" in result.out


def test_other_data_are_seen_as_pixels(command: Command, copied: Path) -> None:
    np.save("other.npy", np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8))
    result = command("evaluate", copied, "--data", "other.npy")
    assert result.status == 0
    assert "features are the pixels" in result.err
    found = rows(result.out)
    assert "classifier_score" not in found and "precision" in found
    assert "50:50 25:25" in found["precision"] and "halves of real" in found["precision"]
    assert "pixels" in found["precision"]


def test_mnist_s_test_set_is_held_out(command: Command, tmp_path: Path, mnist_folder: Path) -> None:
    run = tmp_path / "run"
    options = ["--set", "hidden=4", "--batch", "8", "--steps", "2", "--quiet"]
    words = ["train", "mlp-mnist", *options, "--data", str(mnist_folder), "--out", str(run)]
    assert main(words) == 0
    result = command("evaluate", run, "--metrics", "coverage,nearest_distance")
    assert result.status == 0
    assert "40:40" in result.out and "real, held out" in result.out
    assert command("train-classifier", "mnist", "--data", mnist_folder, "--quiet").status == 0
    judged = command("evaluate", run, "--classifier", "mnist-classifier.npz", "--json")
    assert "classifier of data, train set" in judged.out
    (mnist_folder / "t10k-labels-idx1-ubyte").write_bytes(b"")
    assert command("evaluate", run).status == 2  # damaged, not left out without a word
    for kind in ("labels-idx1", "images-idx3"):
        (mnist_folder / f"t10k-{kind}-ubyte").unlink()
        assert "halves of real" in command("evaluate", run, "--metrics", "coverage").out
        assert command("train", "mlp-mnist", "--resume", "--out", str(run)).status == 0


@pytest.mark.parametrize("recipe", ["mlp-mnist", "digits", "conditional"])
def test_the_doctor_of_a_run_sees_held_out_images(
    recipe: str, command: Command, mnist_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    hold_out = Doctor.hold_out
    monkeypatch.setattr(
        Doctor, "hold_out", lambda self, batch: (seen.append(batch), hold_out(self, batch))
    )
    data = [] if recipe == "digits" else ["--data", mnist_folder]
    small = {"mlp-mnist": "hidden=4", "digits": "width=1", "conditional": "width=0.05"}[recipe]
    few = ["--steps", 1, "--batch", 8, "--set", small]
    assert command("train", recipe, *few, *data, "--out", "run", "--quiet").status == 0
    assert [len(batch.images) for batch in seen] == [64 if recipe == "digits" else 40]
    assert command("doctor", "run").status in (0, 1)
    assert len(seen) == 2


def test_a_classifier_is_kept(command: Command) -> None:
    result = command("train-classifier", "--out", "judge.npz")
    assert (result.status, result.out) == (0, "judge.npz\n")
    assert "held-out images" in result.err
    judge = metrics.load_classifier("judge.npz")
    assert judge.data == digits().source and judge.shape == (8, 8, 1)
    first = Path("judge.npz").read_bytes()
    assert command("train-classifier", "digits", "--quiet").out == "digits-classifier.npz\n"
    assert Path("digits-classifier.npz").read_bytes() == first
    assert command("train-classifier", "--seed", 1, "--quiet").status == 0
    assert Path("digits-classifier.npz").read_bytes() != first
    assert "judge" not in command("info", "judge.npz").err


def test_a_run_of_data_that_changed_is_refused(
    command: Command, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigan.recipes import digits as recipe

    monkeypatch.setattr(recipe, "load_data", lambda settings, path: digits())
    result = command("evaluate", copied)
    assert result.status == 2
    assert "1797 images" in result.err and "1437 images" in result.err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["evaluate", "nowhere"], ["'nowhere'"]),
        (["evaluate", "run/generator.npz"], ["generator.npz", "wanted the folder of a run"]),
        (["evaluate", "run", "--metrics", "precison"], ["metric 'precison'", "'precision'"]),
        (["evaluate", "run", "--metrics", "ms_ssim,"], ["metric ''"]),
        (["evaluate", "run", "-n", "0"], ["--count", "at least 1"]),
        (["evaluate", "run", "--data", "gone"], ["'gone'"]),
        (["evaluate", "run", "--classifier", "gone.npz"], ["gone.npz"]),
        (["evaluate", "run", "--classifier", "run/generator.npz"], ["holds no classifier"]),
        (["train-classifier", "cifar"], ["unknown data set 'cifar'", "digits, mnist"]),
        (["train-classifier", "mnist"], ["MINIGAN_DATA"]),
        (["train-classifier", "digits", "--data", "x"], ["in the package"]),
        (["train-classifier", "--out", "no/where.npz"], ["no/where.npz"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    command: Command, copied: Path, arguments: list[str], words: list[str]
) -> None:
    copied.rename("run")
    result = command(*arguments)
    assert (result.status, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    for word in words:
        assert word in result.err


def test_a_classifier_of_other_images_is_refused(
    command: Command, copied: Path, mnist_folder: Path
) -> None:
    assert command("train-classifier", "mnist", "--data", mnist_folder, "--quiet").status == 0
    result = command("evaluate", copied, "--classifier", "mnist-classifier.npz")
    assert result.status == 2
    assert "(28, 28, 1)" in result.err and "(8, 8, 1)" in result.err


def test_a_conditional_run_is_asked_for_every_class(
    command: Command, train_tiny: Command, tmp_path: Path, mnist_folder: Path
) -> None:
    run, judge = tmp_path / "run", tmp_path / "judge.npz"
    train_tiny("conditional", run)
    command("train-classifier", "mnist", "--data", mnist_folder, "--out", judge, "--quiet")
    result = command("evaluate", run, "--classifier", judge, "--json", "--quiet")
    last = json.loads(result.out)[-1]
    assert last["metric"] == "asked_class"
    saved = metrics.load_classifier(judge)
    images = mnist(mnist_folder, "test").batch(slice(None))
    right = saved.probabilities(images).argmax(axis=1) == mnist(mnist_folder, "test").labels
    assert last["real_value"] == right.mean()
    made = load_generator(run / "generator.npz").sample(40)
    share = (saved.probabilities(made).argmax(axis=1) == np.arange(40) % 10).mean()
    assert last["value"] == share
    asked = ("evaluate", run, "--classifier", judge, "--json", "--quiet", "--metrics")
    assert json.loads(command(*asked, "asked_class").out) == [last]
    both = json.loads(command(*asked, "asked_class,classes").out)
    assert [row["metric"] for row in both] == ["classes", "asked_class"]
    result = command(*asked, "asked_class,class_of_code")
    assert result.status == 2 and "this run has no class_of_code" in result.err


@pytest.mark.parametrize("test_set", [True, False])
def test_a_classifier_learns_from_samples_if_that_is_asked_for(
    test_set: bool, command: Command, train_tiny: Command, tmp_path: Path, mnist_folder: Path
) -> None:
    run, name = tmp_path / "run", "classification_accuracy"
    train_tiny("conditional", run)
    if not test_set:
        for kind in ("labels-idx1", "images-idx3"):
            (mnist_folder / f"t10k-{kind}-ubyte").unlink()
    asked = ("evaluate", run, "--metrics", name, "--json")
    result = command(*asked)
    (found,) = json.loads(result.out)
    train, test = mnist(mnist_folder), mnist(mnist_folder, "test") if test_set else None
    kind = module._KINDS["mnist"]
    made = load_generator(run / "generator.npz").sample(40)
    labels = np.arange(len(made)) % 10
    wanted = metrics.evaluate_classification(
        real=module.some(test, 40) if test_set else module.some(train, 80),
        fake=Images(made, labels, value_range=(-1, 1)),
        held_out=module.some(train, 40) if test_set else None,
        train=lambda images: (
            metrics.train_classifier(
                images,
                module.some(test, 40) if test_set else module.some(train, 80),
                width=kind.width,
                steps=kind.steps,
                batch=min(64, len(images)),
            ).probabilities
        ),
    )
    assert [found[key] for key in ("metric", "value", "real_value", "split")] == [
        name, wanted.value, wanted.real_value, "real, held out" if test_set else "halves of real"
    ]  # fmt: skip
    assert "a classifier learns from 40 samples" in result.err or not test_set
    train_tiny("dcgan-mnist", tmp_path / "untold")
    refused = command("evaluate", tmp_path / "untold", "--metrics", f"coverage,{name}", "--quiet")
    assert refused.status == 2 and f"this run has no {name}" in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_discriminator_with_classes_is_asked_for_those_of_real_images(
    command: Command, train_tiny: Command, tmp_path: Path, mnist_folder: Path
) -> None:
    run = tmp_path / "run"
    train_tiny("semi-supervised", run)
    last = json.loads(command("evaluate", run, "--json", "--quiet").out)[-1]
    assert (last["metric"], last["samples"]) == ("named_class", [40, 0])
    test = mnist(mnist_folder, "test")
    judge = nn.load(run / "discriminator.npz", custom=MODULES)
    with nn.training(False):
        named = judge(test.batch(slice(None))).class_logits.numpy().argmax(axis=1)
    order = Stream(0, "evaluation").permutation(40)
    assert last["value"] == (named[order] == test.labels[order]).mean()
    assert last["real_value"] is None  # nothing is measured beside it


def test_without_held_out_images_each_picture_counts_once_and_was_trained_on(
    command: Command, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez("two.npz", images=pixels, labels=np.arange(40) % 2)
    few = ["--data", "two.npz", "--batch", "4", "--steps", "1", "--quiet", "--out", "run"]
    settings = ["--set", "width=0.05", "--set", "classes=2", "--set", "labels=20"]
    assert command("train", "semi-supervised", *few, *settings).status == 0
    found = json.loads(command("evaluate", "run", "--json", "--quiet").out)
    assert found[0]["real_samples"] == [20, 20] and found[0]["samples"] == [40, 40]
    assert (found[-1]["metric"], found[-1]["split"]) == ("named_class", "real, trained on")
    assert found[-1]["samples"] == [20, 0]


def test_codes_are_compared_with_classes(
    command: Command, train_tiny: Command, tmp_path: Path, mnist_folder: Path
) -> None:
    run, judge = tmp_path / "run", tmp_path / "judge.npz"
    train_tiny("infogan", run)
    command("train-classifier", "mnist", "--data", mnist_folder, "--out", judge, "--quiet")
    result = command("evaluate", run, "--classifier", judge, "--json", "--quiet", "-n", 70)
    last = json.loads(result.out)[-1]
    assert last["metric"] == "class_of_code"
    saved = load_generator(run / "generator.npz")
    drawn = noise(saved.latent, 70)
    with nn.training(False):  # these are what the samples are made of
        assert np.array_equal(saved.generator(drawn[:64]).numpy(), saved.sample(70)[:64])
    found = metrics.load_classifier(judge).probabilities(saved.sample(70)).argmax(axis=1)
    codes = drawn[:, 62:72].argmax(axis=1)
    best = [np.bincount(found[codes == code]).max() for code in np.unique(codes)]
    assert last["value"] == sum(best) / 70
    test = mnist(mnist_folder, "test")
    seen = metrics.load_classifier(judge).probabilities(test.batch(slice(None))).argmax(axis=1)
    assert last["real_value"] == purity(test.labels, seen) and last["real_samples"] == [40, 70]
    poor = metrics.FeatureSource("poor", np.copy, lambda x: np.eye(2)[np.arange(len(x)) % 2])
    (row,) = recognised(RunFolder(run), saved, poor, saved.sample(70), test, 0, "held out")
    assert row.real_value == purity(test.labels, np.arange(40) % 2) < 1


def test_purity_is_the_share_of_the_commonest_class_of_each_code() -> None:
    assert purity(np.array([0, 0, 0, 2, 2]), np.array([7, 7, 1, 0, 3])) == 3 / 5


def test_more_samples_than_memory_holds_are_refused(command: Command, finished: Path) -> None:
    result = command("evaluate", finished, "-n", 10**8, "--quiet")
    assert result.status == 2
    for words in ("-n: 100,000,000 samples need 238.4 GiB", "at most 8 GiB"):
        assert words in result.err


def test_a_read_only_folder_is_told_before_anything_is_learned(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    result = command("train-classifier", "digits", "--quiet")
    assert result.status == 2 and "its folder is read-only" in result.err
