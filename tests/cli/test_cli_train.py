"""``minigan train``: what it leaves, and that nothing is lost whenever it is stopped."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan import data, gan
from minigan.cli.folder import RunFolder
from minigan.cli.train import _in_words
from minigan.gan import Report
from minigan.recipes import RECIPES

Command = Callable[..., Any]
LASTING = ("generator.npz", "discriminator.npz", "state.npz", "log.jsonl", "samples.png")
TINY = ["--set", "width=4", "--set", "latent=8", "--batch", "8"]


def contents(folder: Path, names: tuple[str, ...] = LASTING) -> dict[str, bytes]:
    pictures = {p.name: p.read_bytes() for p in sorted(folder.glob("samples/*"))}
    return {**{name: (folder / name).read_bytes() for name in names}, **pictures}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_run_leaves_all_its_files(finished: Path) -> None:
    found = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    assert found == {
        "config.json", "log.jsonl", "state.npz", "generator.npz", "discriminator.npz",
        "samples.png", "curves.png", "samples/step-000003.png", "samples/step-000006.png",
    }  # fmt: skip
    assert [line["step"] for line in lines(finished)] == [2, 3, 4, 6]
    assert lines(finished)[0].keys() == set(gan.Report._fields)
    drawn = [line["step"] for line in lines(finished) if "singular_values" in line]
    assert drawn == [3, 6]
    config = json.loads((finished / "config.json").read_text())
    assert (config["recipe"], config["seed"], config["steps"], config["batch"]) == (
        "digits",
        0,
        6,
        8,
    )
    assert config["data"] is None
    assert config["settings"]["width"] == 4
    assert config["minigan"] == "0.1.0"


def test_a_run_is_what_the_trainer_alone_makes(finished: Path) -> None:
    recipe = RECIPES["digits"]
    settings = {**recipe.SETTINGS, "width": 4, "latent": 8, "batch": 8, "steps": 6}
    images = recipe.load_data(settings, None)
    trainer = recipe.make_trainer(settings, images.shape, 0, "cpu")
    last = trainer.fit(images, 6, 8)
    saved = gan.load_generator(finished / "generator.npz")
    np.testing.assert_array_equal(saved.sample(5, seed=3), trainer.sample(5, seed=3))
    assert lines(finished)[-1]["generator_loss"] == last.generator_loss


def test_looking_more_often_changes_no_bit(train: Command, finished: Path) -> None:
    every = [f"--set={name}_every=1" for name in ("log", "sample", "save")]
    assert train("--steps", 6, "--out", "often", *every).status == 0
    names = ("generator.npz", "discriminator.npz", "state.npz", "samples.png")
    for name in names:
        assert Path("often", name).read_bytes() == (finished / name).read_bytes(), name
    assert len(lines(Path("often"))) == 6


def test_another_seed_makes_another_run(train: Command, finished: Path) -> None:
    assert train("--steps", 6, "--seed", 1, "--out", "other", "--quiet").status == 0
    assert Path("other/samples.png").read_bytes() != (finished / "samples.png").read_bytes()


def test_the_last_line_is_the_path_of_the_samples(train: Command) -> None:
    loud = train("--steps", 2)
    assert (loud.status, loud.out.splitlines()[-1]) == (0, "runs/digits/samples.png")
    assert loud.out.startswith(
        "digits: 1,437 images of 8x8x1 (UCI handwritten digits, 8x8), steps 1 to 2, into runs/"
    )
    for word in ("2/2", "it/s", "loss D", "G", "s(x)", "s(G(z))"):
        assert word in loud.err
    for mode in ("--overwrite", "--resume"):  # the second finds the run finished
        quiet = train("--steps", 2, mode, "--quiet")
        assert (quiet.status, quiet.out, quiet.err) == (0, "runs/digits/samples.png\n", "")


def test_large_numbers_are_short_in_the_line_of_progress() -> None:
    words = _in_words(Report(1, 0.0, 2.4916e16, 0.5, -123456.0, 1.0, float("nan")), raw=True)
    assert words == "loss D 0.00 G 2.5e16 s(x) 0.50 s(G(z)) -1.2e5"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_stop_nothing(tmp_path: Path, closed: str) -> None:
    options = " ".join(["--steps", "2", "--out", f"{tmp_path}/r", *TINY])
    ran = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m minigan train {options} {closed}"],
        cwd=Path(gan.__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    assert (tmp_path / "r" / "samples.png").exists()


def test_a_terminal_that_cannot_show_a_name(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "minigan", "train", "--steps", "1", "--out", "ü", *TINY],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(gan.__file__).parents[2]),
            "PYTHONIOENCODING": "ascii",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "?/samples.png")


@pytest.mark.parametrize("loss, raw", [("hinge", True), ("non_saturating", False)])
def test_raw_scores_are_told_from_probabilities(train: Command, loss: str, raw: bool) -> None:
    told = train("--steps", 2, "--out", "r", "--set", f"loss={loss}").err
    assert ("s(x)" in told) is raw and ("D(x)" in told) is not raw


def test_the_last_step_is_logged_whatever_log_every_is(train: Command) -> None:
    train("--steps", 3, "--out", "r", "--set", "log_every=2", "--set", "sample_every=9", "--quiet")
    assert [line["step"] for line in lines(Path("r"))] == [2, 3]


def test_other_data_by_path(train: Command) -> None:
    np.save("mine.npy", data.digits().pixels[:20])
    assert train("--steps", 2, "--data", "mine.npy", "--quiet").status == 0
    config = json.loads(Path("runs/digits/config.json").read_text())
    assert config["data"] == "mine.npy"
    assert config["images"].startswith("20 images of 8x8x1")


# Stopping and going on


def test_resuming_gives_the_same_bits(train: Command, command: Command, finished: Path) -> None:
    cadence = ["--set", "log_every=2", "--set", "sample_every=3"]
    train("--steps", 4, "--out", "r", *cadence, "--quiet")
    grown = command("train", "--resume", "--steps", 6, "--out", "r", "--quiet")
    assert (grown.status, grown.out) == (0, "r/samples.png\n")
    assert contents(Path("r")) == contents(finished)
    assert json.loads(Path("r/config.json").read_text())["steps"] == 6


def test_resuming_what_is_done_redraws_it(command: Command, copied: Path, finished: Path) -> None:
    for name in ("samples.png", "curves.png", "generator.npz"):
        (copied / name).unlink()
    done = command("train", "digits", "--resume", "--out", copied)
    assert done.status == 0
    assert "already at step 6" in done.out
    names = (*LASTING, "curves.png")
    assert contents(copied, names) == contents(finished, names)


class Killed(BaseException):
    """As if the process were gone."""


def test_killed_at_any_write_it_resumes_to_the_same_bits(
    train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    cadence = ["--set", "log_every=1", "--set", "sample_every=2", "--set", "save_every=1"]
    options = ["--steps", 2, *cadence, "--quiet"]
    train(*options, "--out", "whole")
    whole, replace, left = contents(Path("whole")), os.replace, 0

    def dying(source: str, target: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            Path(f"{target}").with_name(".minigan-00ff.tmp").write_bytes(b"half")
            raise Killed
        replace(source, target)

    kills = 0
    for at in range(1, 30):
        left = at
        monkeypatch.setattr(os, "replace", dying)
        try:
            train(*options, "--out", f"run{at}")
        except Killed:
            kills += 1
            monkeypatch.setattr(os, "replace", replace)
            assert train(*options, "--out", f"run{at}", "--resume").status == 0
            assert contents(Path(f"run{at}")) == whole, at
            assert not list(Path(f"run{at}").rglob("*.tmp")), at
        else:
            break
    # config; state, generator and discriminator at steps 0, 1 and 2; a sample; both at the end
    assert kills == 13


@pytest.mark.parametrize("seed", [0, random.randrange(10**6)])
def test_sigkill_at_random_moments(command: Command, seed: int) -> None:
    moments = random.Random(seed)
    options = ["--steps", "60", "--out", "killed", *TINY]
    options += ["--set", "log_every=1", "--set", "sample_every=3", "--set", "save_every=2"]
    killed = ["train", *options]
    for _ in range(3):
        with start(*killed) as process:
            wait_for_log(Path("killed"), grown_by=moments.randrange(1, 10))
            time.sleep(moments.random() / 20)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        killed = ["train", "--resume", "--out", "killed"]
    assert command(*killed, "--quiet").status == 0
    assert [line["step"] for line in lines(Path("killed"))] == list(range(1, 61))
    options[3] = "whole"
    assert command("train", *options, "--quiet").status == 0
    assert contents(Path("killed")) == contents(Path("whole"))


def test_ctrl_c_of_a_process(command: Command) -> None:
    options = ["--steps", "300", *TINY, "--set", "log_every=1"]
    with start("train", "--out", "r", *options) as process:
        wait_for_log(Path("r"), grown_by=1)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    told = Path("stderr").read_text()
    assert "minigan train --resume --out r" in told
    step = lines(Path("r"))[-1]["step"]
    assert f"stopped at step {step};" in told
    with np.load("r/state.npz") as state:
        assert state["count.step"] == step
    assert command("train", "--resume", "--out", "r", "--quiet").status == 0
    command("train", "--out", "whole", *options, "--quiet")
    assert contents(Path("r")) == contents(Path("whole"))


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_after_the_step_at_hand(
    train: Command, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    log = RunFolder.log

    def signalling(folder: RunFolder, report: gan.Report, **more: Any) -> None:
        log(folder, report, **more)
        if report.step == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    options = ["--set", "log_every=1", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", signalling)
        stopped = train("--steps", 6, "--out", "a b", *options)
    assert (stopped.status, stopped.out) == (status, "")
    assert "stopped at step 3" in stopped.err
    assert "minigan train --resume --out 'a b'" in stopped.err
    assert signal.getsignal(number) is before
    train("--steps", 3, "--out", "three", *options)
    names = ("generator.npz", "discriminator.npz", "state.npz")
    assert [Path("a b", n).read_bytes() for n in names] == [
        Path("three", n).read_bytes() for n in names
    ]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """The command as a process, its errors in the file ``stderr``."""
    command = [sys.executable, "-m", "minigan", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(gan.__file__).parents[2])}
    with open("stderr", "wb") as stderr:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr)


def wait_for_log(folder: Path, grown_by: int) -> None:
    """Until the log has that many lines more than now; a resume may cut it first."""
    log = folder / "log.jsonl"
    before = last_step(log)
    for _ in range(6000):
        if last_step(log) >= before + grown_by:
            return
        time.sleep(0.01)
    pytest.fail(f"{log} never grew by {grown_by} lines")


def last_step(log: Path) -> int:
    """As all are logged, how many lines there are."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


# What goes wrong on the way


def test_a_bad_number_stops_the_run_and_keeps_the_good_state(train: Command) -> None:
    bad = train("--steps", 6, "--out", "r", "--set", "lr=1e30", "--quiet")
    assert (bad.status, bad.out) == (1, "")
    assert "step 1: " in bad.err
    assert "is the first tensor that is not finite" in bad.err
    assert "keeps the state of step 0" in bad.err
    assert len(bad.err.splitlines()) == 1
    with np.load("r/state.npz") as state:
        assert all(np.isfinite(state[n]).all() for n in state.files if n != "header")
        assert state["count.step"] == 0


@pytest.mark.parametrize("writes, name", [(9, "log.jsonl"), (10, "state.npz")])
def test_a_full_disk_leaves_the_last_good_state(
    train: Command, monkeypatch: pytest.MonkeyPatch, writes: int, name: str
) -> None:
    # The config, then the log and three files at steps 0 and 1 are nine writes.
    fsync, done = os.fsync, [0]

    def full(handle: int) -> None:
        done[0] += 1
        if done[0] > writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    options = ["--out", "r", "--set", "save_every=1", "--set", "sample_every=9", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        bad = train("--steps", 4, *options)
    assert bad.status == 2
    assert bad.err.lower().startswith(f"minigan: cannot write 'r/{name}': no space left")
    assert len(bad.err.splitlines()) == 1
    with np.load("r/state.npz") as state:
        assert state["count.step"] == 1
    assert train("--steps", 4, *options, "--resume").status == 0
    assert train("--steps", 4, "--out", "whole", "--quiet").status == 0
    assert Path("r/state.npz").read_bytes() == Path("whole/state.npz").read_bytes()
