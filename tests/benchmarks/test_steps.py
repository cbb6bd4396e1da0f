"""The command, from its options to its exit status, between two sides that are not real."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import peers, steps
from minigan.errors import DeviceError


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command with these options; returns the exit status and what is in its file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(steps, "OURS", "fake_side")
    monkeypatch.setattr(steps, "REST", 0)
    monkeypatch.setattr(peers, "module", lambda name: "fake_side")
    monkeypatch.setattr(peers, "why_not", lambda name, _: "is not here" if name == "jax" else None)

    def run(*options):
        path = tmp_path / "rows.json"
        monkeypatch.setattr("sys.argv", ["steps", *options, "--json", str(path)])
        with pytest.raises(SystemExit) as left:
            steps.main()
        return left.value.code, json.loads(path.read_text()) if path.exists() else None

    return run


def test_a_row_is_measured_printed_and_written(run, capsys):
    options = "--workload ring --vs torch,jax --threads 1 --blocks 3 --steps 2"
    status, (row,) = run(*options.split())
    assert status == 0
    assert (row["workload"], row["batch"], row["peer"]) == ("ring", 512, "torch")
    assert (row["threads"], row["blocks"], row["steps"]) == (1, 3, 2)
    assert row["variant"] == "fast way"  # ours is the slow one, the first
    assert (row["ours_ms"], row["peer_ms"]) == (pytest.approx(20), pytest.approx(5))
    assert [row["ratio"], *row["spread"]] == pytest.approx([4, 4, 4])
    assert row["ours_images_per_s"] == pytest.approx(512 / 0.02)
    assert row["parity"] == 0 and row["clock"] == "wall"
    assert row["versions"] == {"fake": "1", "threads": "1"}
    printed = capsys.readouterr()
    assert printed.out.startswith("workload") and "geometric mean of 1 against torch" in printed.out
    assert "jax is not here: left out" in printed.err


def test_another_clock_is_asked_for(run):
    options = "--workload ring --vs torch --threads 1 --blocks 1 --steps 1 --clock processor"
    _, (row,) = run(*options.split())
    assert row["clock"] == "processor"
    assert (row["ours_ms"], row["peer_ms"]) == (pytest.approx(40), pytest.approx(10))


def test_on_a_gpu_there_is_a_row_for_each_precision_and_way(run, monkeypatch, capsys):
    monkeypatch.setattr(steps, "check_device", lambda device: None)
    options = "--workload ring --vs torch --threads 1 --blocks 2 --steps 3 --device cuda:1"
    status, rows = run(*options.split(), "--precision", "ieee,bf16")
    assert status == 0
    asked = [(row["precision"], row["ours"], row["variant"]) for row in rows]
    assert asked == [
        (precision, "fast way graph", f"fast way {launch}")  # each side's fastest
        for precision in ("ieee", "bf16")
        for launch in ("eager", "graph")
    ]
    for row in rows:
        assert row["versions"]["precision"] == row["precision"] and row["machine"] == "cuda:1"
        assert (row["device"], row["clock"], row["steps"]) == ("cuda:1", "events", 3)
        assert row["ours_ms"] == pytest.approx(0.05)
        assert row["peer_ms"] == pytest.approx(0.5 if "eager" in row["variant"] else 0.05)
        assert row["ours_memory_mb"] == row["peer_memory_mb"] == steps.WARM_UP + 2 * 3
    assert "fast way graph  torch fast way eager" in capsys.readouterr().out


def no_gpu(device):
    raise DeviceError(f"device: got {device!r}, but there is no usable GPU")


def test_without_a_gpu_the_command_says_so_in_one_line(run, monkeypatch, capsys):
    monkeypatch.setattr(steps, "check_device", no_gpu)
    status, rows = run("--device", "cuda", "--vs", "torch")
    assert status == "--device: device: got 'cuda', but there is no usable GPU" and rows is None
    assert capsys.readouterr().out == capsys.readouterr().err == ""


def test_workloads_that_fail_are_errors_and_the_others_go_on(run, capsys):
    options = "--workload mlp wgan-gp28 dcgan28 ring --vs torch --threads 1 --blocks 1 --steps 1"
    status, rows = run(*options.split())
    assert status == 1
    assert [row["workload"] for row in rows] == ["ring"]
    said = capsys.readouterr().err
    assert "error: mlp, batch 100, against torch: fake_side ended with status 3 in times" in said
    assert "error: wgan-gp28, batch 64, against torch: step 1: ours" in said
    assert "torch does not run dcgan28: left out" in said


@pytest.mark.parametrize(
    "options, words",
    [
        ("--vs torch,caffe", "--vs: got 'caffe', wanted some of torch,jax"),
        ("--vs jax", "there is no peer to compare with"),
        ("--blocks 0", "--blocks: got 0, wanted at least 1"),
        ("--profile", "--profile: got no GPU, wanted --device cuda"),
        ("--profile --device gpu", "--device: device: got 'gpu'"),
        ("--device gpu", '--device: device: got \'gpu\', wanted "cpu", "cuda" or "cuda:N"'),
        ("--device cuda --precision tf32,int8", "--precision: got 'int8', wanted some of tf32,"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, options, words):
    status, rows = run(*options.split())
    assert words in status and rows is None


class Warm:
    """A worker whose steps take a known time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def times(self, count):
        return [self.seconds] * count


@pytest.mark.parametrize("seconds, wanted", [(0.001, 50), (0.02, 25), (4.0, 5)])
def test_a_block_is_as_long_as_the_slower_side_allows(seconds, wanted):
    settings = steps.Settings(threads=1, blocks=1, steps=None)
    assert settings.block(Warm(0.0001), Warm(seconds)) == wanted
    assert steps.Settings(threads=1, blocks=1, steps=7).block(Warm(seconds)) == 7
    on_gpu = steps.Settings(threads=1, blocks=10, steps=None, device="cuda")
    assert on_gpu.blocks * on_gpu.block(Warm(seconds)) == 500


def test_the_first_side_changes_from_block_to_block(monkeypatch):
    monkeypatch.setattr(steps, "REST", 0)
    order = []

    class Side(Warm):
        def times(self, count):
            order.append(self.seconds)
            return super().times(count)

    ours, theirs = steps.alternate([Side(1), Side(2)], blocks=3, steps=2)
    assert order == [1, 2, 2, 1, 1, 2]
    assert ours == [[1, 1]] * 3 and theirs == [[2, 2]] * 3


def test_peers_without_a_side_or_a_package_are_told_apart():
    assert peers.why_not("no_such_peer") == "has no side in benchmarks/peers"
    assert peers.why_not("torch") in (None, "is not installed")


def test_on_a_gpu_only_pytorch_is_compared_with(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: name)
    assert peers.why_not("jax", "cuda") == "is compared with on a CPU only"
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert peers.why_not("torch", "cuda") == "is here without a GPU"
