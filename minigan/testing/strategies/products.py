"""Einstein sums."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..values import values
from .arrays import seeds
from .shapes import check_least


def einsums(
    max_operands: int = 3, max_side: int = 3
) -> SearchStrategy[tuple[str, list[np.ndarray]]]:
    """Subscripts and operands for ``einsum``.

    Letters are shared, summed away or doubled; "…" may stand for none to two axes that
    broadcast; "->" may be left out.
    """
    check_least("max_operands", max_operands, 1)
    check_least("max_side", max_side, 1)
    return _einsums(max_operands, max_side)


@st.composite
def _einsums(draw: st.DrawFn, max_operands: int, max_side: int) -> tuple[str, list[np.ndarray]]:
    sizes = {c: draw(st.integers(1, max_side)) for c in "abc"}
    dots = draw(st.sampled_from([(), (2,), (2, 3), (1, 2)]))
    words, operands = [], []
    for _ in range(draw(st.integers(1, max_operands))):
        letters = draw(st.text("abc", max_size=3 if not dots else 2))
        width = draw(st.integers(0, len(dots)))
        shape = (*dots[len(dots) - width :], *(sizes[c] for c in letters))
        words.append("..." + letters if dots else letters)
        operands.append(values(draw(seeds()), shape))
    used = sorted(set("".join(words)) - {"."})
    if draw(st.booleans()):
        return ",".join(words), operands
    kept = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    return ",".join(words) + "->" + ("..." if dots else "") + "".join(kept), operands
