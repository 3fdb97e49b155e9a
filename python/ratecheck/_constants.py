"""The smoothness constants of section 2.4, from below."""

from __future__ import annotations

import json
from typing import Any

from numpy.typing import ArrayLike

from . import _core
from ._loss import Loss
from ._results import pandas_of
from ._verify import whole


class Constants:
    """What :func:`constants` found; the fields are those of ``ratecheck constants --json`` (docs/problem-file.md)."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def __iter__(self) -> Any:
        return iter(self.found["blocks"])

    def largest(self, kind: str) -> float:
        """The largest constant of a kind, ``"vv"``, ``"vg"`` or ``"gg"``, that was found: at most the true one."""
        return max((max(block["sampled"], block["ascended"]) for block in self if block["kind"] == kind), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Everything."""
        return self.found

    def to_pandas(self) -> Any:
        """A data frame, one row a constant."""
        keys = ("kind", "parts", "sampled", "ascended", "proved", "converged", "evaluations")
        return pandas_of([{key: block[key] for key in keys} for block in self])

    def __repr__(self) -> str:
        found = ", ".join(f"L^{kind} >= {self.largest(kind):.4g}" for kind in ("vv", "vg", "gg"))
        return f"<ratecheck.Constants: {len(self.found['blocks'])} constants; {found}>"


def constants(
    loss: Loss,
    theta: ArrayLike | None = None,
    *,
    radius: float | None = None,
    points: int | None = None,
    restarts: int | None = None,
    evaluations: int | None = None,
    seed: int = 2019,
) -> Constants:
    """Brackets L^vv_ij, L^vg_i and L^gg of section 2.4 by search: random points, then ascents. Nothing can be proved
    from above of a loss
    that Python evaluates, and nothing is.

    Args:
        loss: the loss.
        theta: a point, unless the loss has one; only its layout matters.
        radius: K of ||g|| <= K, unless the loss has one; the constants depend on it.
        points: random points; 100 if left out.
        restarts: ascents per constant; 8 if left out, or 1 if there are more than 100 constants.
        evaluations: what one ascent may take; 2000 if left out, or 200 if there are more than 100 constants.
        seed: the root of the seed tree.

    Raises:
        InputError: there is a g and no radius, or an argument makes no sense.
    """

    def count(n: int | None, name: str) -> int | None:
        return None if n is None else whole(n, name)

    counts = count(points, "points"), count(restarts, "restarts"), count(evaluations, "evaluations")
    radius = loss.radius if radius is None else float(radius)
    return Constants(
        json.loads(_core.constants(loss._core, loss.start(theta), loss.name, radius, *counts, whole(seed, "seed")))
    )
