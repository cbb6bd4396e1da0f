"""The command with --device cuda: a whole run, and one line where there is no GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import standin

from minigan.cli import main
from minigan.cli.train import Run
from minigan.gan import Normal, Trainer

SMALL = ["--set", "width=4", "--set", "latent=8", "--batch", "8", "--set", "save_every=2"]


def train(*arguments):
    return main(["train", *SMALL, "--quiet", *arguments])


def test_a_run_changes_devices_and_has_the_cpus_numbers(cupy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train("--steps", "4", "--out", "here") == 0
    assert train("--steps", "2", "--out", "there", "--device", "cuda", "--precision", "ieee") == 0
    assert train("--steps", "4", "--out", "there", "--device", "cpu", "--resume") == 0
    for name in ("state.npz", "generator.npz"):
        wanted, got = (dict(np.load(f"{run}/{name}")) for run in ("here", "there"))
        assert got.keys() == wanted.keys()
        for array in (a for a in wanted if wanted[a].dtype.kind == "f"):
            np.testing.assert_allclose(got[array], wanted[array], 1e-3, 1e-4, err_msg=array)
    assert main(["sample", "there", "-n", "3", "-o", "samples.npy"]) == 0
    assert np.load("samples.npy").shape == (3, 8, 8, 1)


def test_a_captured_run_is_resumed_with_the_same_bits(cupy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train("--steps", "8", "--out", "one", "--device", "cuda", "--captured") == 0
    assert train("--steps", "6", "--out", "two", "--device", "cuda", "--captured") == 0
    assert train("--steps", "8", "--out", "two", "--resume") == 0  # as the saved run was
    wanted, got = (dict(np.load(f"{run}/state.npz")) for run in ("one", "two"))
    assert {k: a.tobytes() for k, a in got.items()} == {k: a.tobytes() for k, a in wanted.items()}
    assert capsys.readouterr().err == ""
    assert train("--steps", "8", "--out", "two", "--resume", "--device", "cpu") == 2
    assert "a CPU has no CUDA graphs" in capsys.readouterr().err
    options = "--steps", "8", "--out", "two", "--resume", "--device", "cpu", "--no-captured"
    assert train(*options) == 0


def test_a_run_that_can_not_be_captured_says_so_in_a_line(cupy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Normal, "anywhere", False)
    assert train("--steps", "5", "--device", "cuda", "--captured") == 0
    line = "minigan: steps are not captured, as random numbers (latent) are drawn on the CPU\n"
    assert capsys.readouterr().err == line


def test_a_signal_that_meets_a_bad_step_which_nobody_read(cupy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    step, after = Trainer.step, Run._after_step

    def bad(trainer, *batches):
        if trainer.step_count == 6:
            batches = [b._replace(images=b.images * np.float32(np.nan)) for b in batches]
        return step(trainer, *batches)

    def signalled(run, report):
        if report.step == 7:
            run.signals.number = 15
        after(run, report)

    monkeypatch.setattr(Trainer, "step", bad)
    monkeypatch.setattr(Run, "_after_step", signalled)
    assert train("--steps", "20", "--device", "cuda", "--captured", "--out", "run") == 1
    assert "step 7: " in (error := capsys.readouterr().err)
    assert "run keeps the state of step 6" in error
    assert "not finite" in Path("run/findings.jsonl").read_text()


def no_driver():
    raise standin.CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is too low")


@pytest.mark.parametrize("there_is_cupy", [False, True])
def test_without_a_gpu_the_command_says_so_in_one_line(
    there_is_cupy, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", standin.cupy if there_is_cupy else None)
    monkeypatch.setattr(standin.cupy.cuda.runtime, "getDeviceCount", no_driver)
    assert train("--device", "cuda") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert ("no NVIDIA driver" if there_is_cupy else "needs CuPy") in error
    assert not list(tmp_path.iterdir())
