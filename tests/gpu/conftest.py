"""What the tests of the GPU's path share; ``cupy`` is in the conftest above."""

from __future__ import annotations

import pytest


@pytest.fixture
def at_length(request) -> bool:
    """Whether a device was asked for: then there is time for more cases."""
    return request.config.getoption("--device") != "cpu"
