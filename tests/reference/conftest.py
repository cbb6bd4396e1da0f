"""PyTorch, for the tests that compare with it: imported when the first of them runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MISSING = 'PyTorch is not installed: pip install -e ".[test,reference]"'


@pytest.fixture(scope="session", autouse=True)
def torch() -> Any:
    """The module, on one thread; without it, the tests are skipped."""
    module = pytest.importorskip("torch", reason=MISSING)
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def agree(torch: Any) -> Callable[..., Any]:
    """``agree(ours, theirs, arrays)``; see ``reference.agreement``."""
    from reference.agreement import agree

    return agree


@pytest.fixture(scope="session")
def adapters(torch: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's function for each of minigan's, called with the same arguments."""
    from reference.adapters import ADAPTERS

    return ADAPTERS
