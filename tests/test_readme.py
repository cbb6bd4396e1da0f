"""The README's Python runs as it stands, from top to bottom, as one reader's session."""

import re
from pathlib import Path

from minigan import nn
from minigan.cli.evaluate import CLASSIFICATION
from minigan.cli.recognised import RECOGNISED
from minigan.metrics import METRICS

README = Path(__file__).parent.parent / "README.md"


def test_the_snippets_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) >= 4
    session = {}
    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), session)
    printed = capsys.readouterr().out
    assert "Report(step=200" in printed
    assert session["images"].shape == (64, 8, 8, 1)
    assert session["threes"].shape == (8, 8, 8, 1) and "coverage" in printed


def test_what_the_readme_says_smooths_labels_does():
    text = README.read_text(encoding="utf-8")
    assert "loss=gan.NonSaturating(real_label=0.9)" in text and "`real_label=0.9`" not in text


def test_the_readme_names_every_metric_and_layer_of_gans():
    text = README.read_text(encoding="utf-8")
    layers = [
        "SpectralNorm", "GradientNormalized", "MinibatchDiscrimination", "MinibatchStdDev",
        "VirtualBatch", "VirtualBatchNorm", "SelfAttention", "PixelNorm", "Residual", "Maxout",
        "LabelConcat", "ConditionalBatchNorm", "Projection",
    ]  # fmt: skip
    assert all(hasattr(nn, name) for name in layers)
    names = [*METRICS, *RECOGNISED, CLASSIFICATION, *layers]
    assert [name for name in names if not re.search(rf"`{name}\b", text)] == []


def test_files_that_the_readme_links_to_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links and not missing
    pictures = [link for link in links if link.endswith(".png")]
    assert pictures
    assert all((README.parent / p).read_bytes().startswith(b"\x89PNG") for p in pictures)


def test_the_explanation_that_the_readme_shows_is_the_one_that_is_printed(capsys):
    text = README.read_text(encoding="utf-8")
    (snippet,) = (s for s in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "vjp(" in s)
    exec("import numpy as np\n" + snippet, {})
    words = capsys.readouterr().out.partition("). ")[2].split()
    assert words and " ".join(words) in " ".join(text.split())
