"""The oldest NumPy that setup.cfg allows, and the newest there is: each in an environment of its
own, in which operations, tape, layers, optimisers and dtypes are tested as they are here.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.lane

ROOT = Path(__file__).parents[2]
SUBSET = (
    "tests/ops",
    "tests/kernels",
    "tests/nn",
    "tests/optim",
    "tests/test_autograd.py",
    "tests/test_tensor.py",
    "tests/test_random.py",
    "tests/lanes/test_lane_dtypes.py",
)
NEEDS = ("pytest", "hypothesis")  # of the suite; the package itself needs NumPy alone


def oldest_supported() -> str:
    """The first NumPy that setup.cfg allows, such as "1.26"."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    found = re.search(r"^numpy>=([\d.]+)$", config["options"]["install_requires"], re.MULTILINE)
    assert found, "setup.cfg: install_requires has no line numpy>=…"
    return found[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command in the repository, with no path or setting of this process's Python."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def environment(folder: Path, numpy: str) -> str:
    """The Python of a fresh environment with this requirement of NumPy; skips without an index."""
    venv.create(folder, with_pip=True)
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    done = run(python, "-m", "pip", "install", "-q", "--only-binary=:all:", numpy, *NEEDS)
    if "(from versions: none)" in done.stderr:
        pytest.skip(f"pip reaches no index that has {numpy}: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_the_suite_passes_with(age: str, tmp_path: Path) -> None:
    oldest = oldest_supported()
    if age == "oldest" and oldest == "1.26" and sys.version_info >= (3, 13):
        pytest.skip("NumPy 1.26 was built for Python 3.12 and older: run this lane with one")
    wanted = f"numpy=={oldest}.*" if age == "oldest" else "numpy>=2"
    python = environment(tmp_path, wanted)
    found = run(python, "-c", "import numpy; print(numpy.__version__)").stdout.strip()
    assert found.startswith(f"{oldest}.") if age == "oldest" else int(found.split(".")[0]) >= 2
    options = ("-p", "no:cacheprovider", "-m", "not reference")
    done = run(python, "-m", "pytest", *options, *SUBSET)
    assert done.returncode == 0, f"with NumPy {found}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
    print(f"NumPy {found}: {done.stdout.strip().splitlines()[-1]}")
