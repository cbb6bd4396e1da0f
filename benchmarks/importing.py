"""How long ``import minigan`` takes on top of NumPy, as a share of NumPy's own import.

    python -m benchmarks.importing [--runs 20]

Each run is a fresh process; the two are taken in turn, and medians are compared. Byte code is kept,
as it is where a package is installed, whatever the environment says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

NUMPY = "import time; start = time.perf_counter(); import numpy; print(time.perf_counter() - start)"
MINIGAN = (
    "import time, numpy; start = time.perf_counter(); "
    "import minigan, minigan.nn, minigan.gan, minigan.optim; print(time.perf_counter() - start)"
)


def seconds(program: str) -> float:
    """What one fresh process measures."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=kept)
    done.check_returncode()
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    pairs = [(seconds(NUMPY), seconds(MINIGAN)) for _ in range(runs + 1)][1:]
    numpy, minigan = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"numpy {numpy * 1e3:.1f} ms, minigan {minigan * 1e3:.1f} ms more: {minigan / numpy:.2f}")


if __name__ == "__main__":
    main()
