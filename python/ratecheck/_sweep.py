"""Runs of the engine's descent over a grid of rates, schedules and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._loss import Loss
from ._progress import Progress
from ._results import pandas_of
from ._verify import rates, whole
from .errors import InputError


class Sweep:
    """The horizons of all runs, one row each, as columns.

    ``columns`` maps ``eta_w``, ``alpha``, ``seed``, ``t``, ``loss``, ``grad_v_sq``, ``grad_g_sq``, ``grad_sq`` to
    vectors (one entry a row), and
    ``w_norm_sq``, ``effective_rate``, ``angular_update`` to arrays of rows x blocks. ``diverged`` maps (eta_w, alpha,
    seed) of runs that left the
    finite numbers to where they did.
    """

    def __init__(
        self, columns: dict[str, Any], diverged: dict[tuple[float, float, int], str], names: list[str]
    ) -> None:
        self.columns, self.diverged, self.blocks = columns, diverged, names

    def __getitem__(self, column: str) -> Any:
        return self.columns[column]

    def where(self, **only: float) -> Sweep:
        """The rows whose columns have these values: ``sweep.where(eta_w=1.0, alpha=0.5)``."""
        kept = np.ones(len(self.columns["t"]), dtype=bool)
        for name, value in only.items():
            kept &= self.columns[name] == value
        return Sweep({name: column[kept] for name, column in self.columns.items()}, self.diverged, self.blocks)

    def to_pandas(self) -> Any:
        """A data frame, one row a horizon, without the columns of blocks."""
        return pandas_of({name: column for name, column in self.columns.items() if column.ndim == 1})

    def __repr__(self) -> str:
        runs = len({*zip(*(self.columns[name].tolist() for name in ("eta_w", "alpha", "seed")))})
        return f"<ratecheck.Sweep: {runs} runs, {len(self.columns['t'])} rows, {len(self.diverged)} diverged>"


def sweep(
    loss: Loss,
    theta: ArrayLike | None = None,
    *,
    eta_w: float | Sequence[float],
    eta_g: float = 1.0,
    alpha: float | Sequence[float] = 0.0,
    alpha_g: float | None = None,
    steps: int = 1000,
    seeds: int | Iterable[int] = 1,
    horizons: int = 30,
    rule: str = "sgd",
    momentum: float = 0.9,
    decay: float = 0.0,
    fresh_minibatches: int = 16,
    progress: bool | None = None,
) -> Sweep:
    """Descends on the loss from one start for every rate, schedule and seed: w <- w - eta_w (t+1)^(-alpha) grad_w F_z,
    the same with eta_g for g.

    Args:
        loss: the loss.
        theta: the start, unless the loss has one.
        eta_w, alpha: learning rates of W, and exponents of its schedules.
        eta_g, alpha_g: that of g, and its exponent: 0 under gradient descent, 1/2 under SGD (as Theorem 4.2) where left
            out.
        steps: T.
        seeds: how many, 0, 1, ..; or the seeds themselves. They draw z.
        horizons: how many steps are looked at, evenly spaced in ln t; the gradient of L is exact where z is one of
            finitely many.
        rule: ``"sgd"``, ``"projected"`` (blocks keep their norm), ``"adaptive"`` (Theorem 2.5), ``"heavy-ball"``,
            ``"nesterov"``, ``"decay"``.
        momentum: b of the rules with momentum.
        decay: lambda of the rule with weight decay.
        fresh_minibatches: how many estimate L where z is a random subset.
        progress: as in :func:`verify`.

    Raises:
        InputError: an argument makes no sense.
    """
    start = loss.start(theta)
    seeds = (
        range(whole(seeds, "seeds"))
        if isinstance(seeds, (int, np.integer))
        else [whole(seed, "seeds") for seed in seeds]
    )
    grid = [(eta, a, seed) for eta in rates(eta_w, "eta_w") for a in rates(alpha, "alpha") for seed in seeds]
    if not grid:
        raise InputError("eta_w, alpha, seeds: give at least one of each")
    if alpha_g is None:
        alpha_g = 0.0 if loss.minibatches.how == "full" else 0.5
    rows: list[tuple[Any, ...]] = []
    diverged = {}
    with Progress(len(grid), progress) as say:
        for k, (eta, a, seed) in enumerate(grid):
            say(f"eta_w = {eta:g}, alpha = {a:g}, seed {seed}", k)
            asked = {
                "eta_w": eta,
                "alpha": a,
                "eta_g": float(eta_g),
                "alpha_g": float(alpha_g),
                "rule": rule,
                "momentum": float(momentum),
                "decay": float(decay),
                "steps": whole(steps, "steps"),
                "horizons": whole(horizons, "horizons"),
                "fresh_minibatches": whole(fresh_minibatches, "fresh_minibatches"),
                "seed": seed,
            }
            found, divergence = _core.run(loss._core, start, asked)
            rows += [(eta, a, seed, *row) for row in found]
            if divergence is not None:
                diverged[eta, a, seed] = divergence
    names = (
        "eta_w",
        "alpha",
        "seed",
        "t",
        "loss",
        "grad_v_sq",
        "grad_g_sq",
        "w_norm_sq",
        "effective_rate",
        "angular_update",
    )
    columns = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    columns["grad_sq"] = columns["grad_v_sq"] + columns["grad_g_sq"]
    return Sweep(columns, diverged, loss.layout.names)
