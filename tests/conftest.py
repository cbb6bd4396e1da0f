"""What all tests share: the folder of real data, and hypothesis's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that MINIGAN_DATA names."""
    root = os.environ.get("MINIGAN_DATA")
    if not root:
        pytest.skip("set MINIGAN_DATA to the folder that has mnist/ to run on real data")
    return Path(root)
