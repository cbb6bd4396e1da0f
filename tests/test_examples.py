"""Every example runs, and shows what it says it shows."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_the_scalar_graph_agrees_with_the_hand(monkeypatch, capsys):
    module = run("scalar_graph.py", monkeypatch)
    assert module["by_hand"](0.7, -1.3) == pytest.approx(module["by_minigan"](0.7, -1.3), rel=1e-12)
    by_hand, by_minigan = capsys.readouterr().out.splitlines()[-2:]
    assert by_hand.split()[-1] == by_minigan.split()[-1]


def test_the_ring_is_trained_and_drawn(monkeypatch, capsys, tmp_path):
    path = tmp_path / "ring.png"
    run("ring.py", monkeypatch, "--steps", "400", "--out", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "modes captured" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["tqdm", "matplotlib"])
def test_the_ring_says_what_it_needs_before_it_is_trained(monkeypatch, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=f'needs {module}, of the extra "cli"'):
        run("ring.py", monkeypatch, "--out", str(tmp_path / "ring.png"))


def test_the_embedding_loop_goes_on_with_the_same_bits(monkeypatch, capsys):
    run("embed.py", monkeypatch)
    printed = capsys.readouterr().out
    assert "makes the same images: True" in printed
    assert "takes the same next step: True" in printed


def test_the_property_tests_pass(tmp_path):
    path = EXAMPLES / "property_test.py"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_wrong_layer_norm_is_found_and_explained(monkeypatch, capsys):
    run("wrong_gradient.py", monkeypatch)
    mean, total, average, right = capsys.readouterr().out.replace("\n\n", "\n").splitlines()
    assert "plus the mean over axis 1" in mean
    assert "right once it is summed over axis 0" in total
    assert "0.2 times the right one" in average
    assert right == "right: agrees with finite differences"


def test_other_frameworks_are_checked_or_named(monkeypatch, capsys):
    run("other_frameworks.py", monkeypatch)
    printed = capsys.readouterr().out
    for name in ("numpy", "torch", "jax"):
        found = [line for line in printed.splitlines() if line.startswith(name)]
        agrees = len(found) == 2 and "agrees" in found[0] and "0.5 times" in found[1]
        assert agrees or found == [f"{name}: not installed"]


def test_every_example_is_run_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in source for path in EXAMPLES.glob("*.py"))
