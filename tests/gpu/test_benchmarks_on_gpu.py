"""Our side of the benchmarks on a GPU: the CPU's figures, and times by events."""

from __future__ import annotations

import games
import numpy as np
import pytest

from benchmarks import ours, profile
from benchmarks.comparison import disagreement
from benchmarks.layers import LAYERS
from benchmarks.sides import Session
from benchmarks.workloads import WORKLOADS
from minigan.kernels import gemm

SMALL = {name: make(4, width=1 / 16) for name, (make, _) in WORKLOADS.items() if name != "sample"}
SMALL["sample"] = WORKLOADS["sample"][0](128, width=1 / 16)
SMALL |= {name: LAYERS[name] for name in ("dense", "adam")}


@pytest.fixture
def session(cupy, monkeypatch):
    """Makes sessions of our side; nothing that they set stays."""
    monkeypatch.setattr(ours, "device", "cpu")
    token = gemm.precision.set("auto")
    yield lambda *told: Session("benchmarks.ours", 1, "wall", *told)
    gemm.precision.reset(token)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_figures_are_the_cpus(session, name):
    workload, found = SMALL[name].for_parity(), []
    for told in ((), ("cuda", "ieee")):
        side = session(*told)
        side.build(workload, side.variants(workload)[0])
        found.append(side.figures(3))
    disagreement(*reversed(found))


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
@pytest.mark.parametrize("name", ["mlp", "ring"])
def test_games_are_captured(session, name):
    side = session("cuda", "ieee")
    plain, captured = side.variants(SMALL[name])
    found = []
    for variant in (plain, captured):
        side.build(SMALL[name], variant)
        side.times(6)
        found.append(side.runner.trainer.state())
    assert side.runner.trainer.captured._graph is not None
    assert games.bits(found[1]) == games.bits(found[0])


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_with_noise_that_is_given_nothing_is_captured(session):
    side, found = session("cuda", "ieee"), []
    for variant in side.variants(SMALL["ring"]):
        side.build(SMALL["ring"], variant)
        found.append(side.figures(6))
    assert np.array_equal(*found)


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_a_step_is_profiled(session, monkeypatch):
    for name, value in {"SIDE": 8, "COPIED": 1 << 20, "TIMES": 2, "STEPS": 2}.items():
        monkeypatch.setattr(profile, name, value)
    parts, whole = profile.profile(SMALL["dcgan28"], "cuda", "ieee")
    found = {part.layer: part for part in parts}
    assert {"columns", "adam", "moments", "philox", "product"} <= found.keys()
    assert found["product of a convolution"].bound == "arithmetic"  # of matrices of 8 × 8
    assert found["columns"].bound == found["adam"].bound == "memory"
    assert [part.ms for part in parts] == sorted((p.ms for p in parts), reverse=True)
    assert all(part.calls and part.floor_ms > 0 for part in parts) and whole > 0
    said = profile.report(SMALL["ring"], "cuda", "ieee")
    assert said.startswith("ring, batch 4, ieee: of the whole step") and "rest" in said


def test_a_step_is_timed_by_events(session):
    side = session("cuda", "tf32")
    assert gemm.precision.get() == "tf32" and "gpu" in side.versions()
    side.build(SMALL["ring"], "gan.Trainer")
    times = side.times(3)
    assert len(times) == 3 and np.min(times) > 0
    assert side.growth() >= 0
