"""The pipe between the command and the process of a side."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sides import SideFailed, Worker
from benchmarks.workloads import dcgan28, mlp, ring


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with Worker("fake_side", threads=1) as worker:
        yield worker


def test_replies_come_back_though_the_side_prints(worker):
    assert worker.versions() == {"fake": "1", "threads": "1"}
    assert worker.variants(ring()) == ["slow way", "fast way"]
    assert worker.variants(dcgan28()) == []


def test_figures_are_of_the_workloads_own_draws(worker):
    workload = ring(batch=8)
    worker.build(workload, "fast way")
    wanted = [[workload.draws(k).sum()] for k in range(3)]
    assert np.array_equal(worker.figures(3), np.array(wanted, np.float64))


def test_times_are_one_a_step(worker):
    worker.build(ring(batch=8), "fast way")
    assert worker.times(5) == pytest.approx([0.005] * 5)


def test_processor_time_is_another_clock(worker):
    with Worker("fake_side", threads=1, clock="processor") as other:
        other.build(ring(batch=8), "fast way")
        assert other.times(2) == pytest.approx([0.01] * 2)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted on Linux only")
def test_growth_is_what_steps_hold_at_most(worker):
    worker.build(ring(batch=8), "fast way")
    worker.times(4)
    # Two arrays of 16 MB live while a step replaces one by the other; other pages come and go.
    assert 31 < worker.growth() / 2**20 < 40


def test_an_error_over_there_is_one_here_and_the_worker_lives_on(worker):
    with pytest.raises(SideFailed, match="the variant is broken"):
        worker.build(ring(batch=8), "broken")
    assert worker.versions()["fake"] == "1"


def test_a_process_that_dies_is_named_with_its_status(worker):
    worker.build(mlp(batch=2), "fast way")
    with pytest.raises(SideFailed, match="fake_side ended with status 3 in times"):
        worker.times(1)


def test_a_side_that_can_not_be_imported_says_why():
    with Worker("no_such_side", threads=1) as worker, pytest.raises(SideFailed, match="no_such"):
        worker.versions()
