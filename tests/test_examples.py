"""Every example runs, and shows what it says it shows."""

import runpy
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


def test_the_embedding_loop_goes_on_with_the_same_bits(monkeypatch, capsys):
    run("embed.py", monkeypatch)
    printed = capsys.readouterr().out
    assert "makes the same images: True" in printed
    assert "takes the same next step: True" in printed


def test_every_example_is_run_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in source for path in EXAMPLES.glob("*.py"))
