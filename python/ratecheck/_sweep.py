"""Runs of the engine's descent over a grid of rates, schedules and seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._loss import Loss
from ._progress import Progress
from ._results import pandas_of
from ._verify import rates, whole
from .errors import InputError

#: A word, or a word with its numbers, as in the plan of a sweep.
Rule = Union[str, Mapping[str, Any]]


class Sweep:
    """The horizons of all runs, one row each, as columns.

    ``columns`` maps ``rule``, ``eta_w``, ``alpha``, ``growth``, ``seed``, ``t``, ``loss``, ``grad_v_sq``,
    ``grad_g_sq``, ``grad_sq`` to vectors (one entry a row), and ``w_norm_sq``, ``effective_rate``, ``angular_update``
    to arrays of rows x blocks. ``diverged`` maps (rule, eta_w, alpha, growth, seed) of runs that left the finite
    numbers to where they did.
    """

    def __init__(
        self, columns: dict[str, Any], diverged: dict[tuple[str, float, float, float, int], str], names: list[str]
    ) -> None:
        self.columns, self.diverged, self.blocks = columns, diverged, names

    def __getitem__(self, column: str) -> Any:
        return self.columns[column]

    def where(self, **only: float | str) -> Sweep:
        """The rows whose columns have these values: ``sweep.where(eta_w=1.0, alpha=0.5)``."""
        kept = np.ones(len(self.columns["t"]), dtype=bool)
        for name, value in only.items():
            kept &= self.columns[name] == value
        return Sweep({name: column[kept] for name, column in self.columns.items()}, self.diverged, self.blocks)

    def to_pandas(self) -> Any:
        """A data frame, one row a horizon, without the columns of blocks."""
        return pandas_of({name: column for name, column in self.columns.items() if column.ndim == 1})

    def __repr__(self) -> str:
        runs = len({*zip(*(self.columns[name].tolist() for name in _AXES))})
        return f"<ratecheck.Sweep: {runs} runs, {len(self.columns['t'])} rows, {len(self.diverged)} diverged>"


#: What one run has and another has not.
_AXES = ("rule", "eta_w", "alpha", "growth", "seed")
#: What a word stands for where a plan would ask for numbers: those that optimizers have unless they are told.
_USUAL: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "gradient"},
    "heavy-ball": {"b": 0.9},
    "ema": {"b": 0.9},
    "nesterov": {"b": 0.9},
    "adam": {"b-1": 0.9, "b-2": 0.999},
    "wn-grad": {"b-0": 1.0},
    "adagrad-norm": {"b-0": 1.0},
}


def _as_in_a_plan(rule: Rule) -> str:
    """What a plan has behind ``rule =``: TOML, whose strings and numbers are those of JSON."""
    if isinstance(rule, str):
        given: dict[str, Any] = {"kind": rule}
    elif isinstance(rule, Mapping):
        given = {str(key).strip("_").replace("_", "-"): value for key, value in rule.items()}
    else:
        raise InputError(f'rule: {rule!r}: give a word, as "adam", or its numbers too, as {{"kind": "adam", "b_1": 0.5}}')
    word = given.get("kind")
    if isinstance(word, str):
        given = {**given, **{k: v for k, v in _USUAL.get(word, {}).items() if k == "kind" or k not in given}}
    values = {}
    for key, value in given.items():
        if not isinstance(value, str):
            try:
                value = float(value)
            except (TypeError, ValueError) as error:
                raise InputError(f"rule: {key}: give a number, not {value!r}") from error
        values[key] = json.dumps(value) if isinstance(value, str) else repr(value)
    return "{ " + ", ".join(f"{json.dumps(key)} = {value}" for key, value in values.items()) + " }"


def sweep(
    loss: Loss,
    theta: ArrayLike | None = None,
    *,
    eta_w: float | Sequence[float],
    eta_g: float = 1.0,
    alpha: float | Sequence[float] = 0.0,
    alpha_g: float | None = None,
    growth: float | Sequence[float] = 1.0,
    steps: int = 1000,
    seeds: int | Iterable[int] = 1,
    horizons: int = 30,
    rule: Rule | list[Rule] | tuple[Rule, ...] = "gradient",
    fresh_minibatches: int = 16,
    progress: bool | None = None,
) -> Sweep:
    """Descends on the loss from one start for every rule, rate, schedule and seed: w <- w - eta_w (t+1)^(-alpha)
    growth^t grad_w F_z, or what another rule does with that rate, and the same with eta_g and without growth for g.

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
        growth: what the rate of W is multiplied by from step to step: above 1 it grows.
        rule: how the blocks move, one or several, as in docs/sweep-plan.md: ``"gradient"`` (or ``"sgd"``),
            ``"projected"`` (blocks keep their norm), ``"adaptive"`` (Theorem 2.5), ``"sign"``, ``"heavy-ball"``,
            ``"ema"``, ``"nesterov"``, ``"adam"``, ``"wn-grad"``, ``"adagrad-norm"``, ``"decay"``; or a word with its
            numbers, as ``{"kind": "heavy-ball", "b": 0.5}``. Where they are left out they are 0.9 (momentum), 0.9 and
            0.999 (Adam), 1 (b_0). ``{..., "decay": "decoupled", "lambda": 0.01}`` decays the blocks beside the rule,
            ``"coupled"`` within it; ``{"kind": "decay", "lambda": 0.01}`` is the plain rule with a coupled one.
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
    several = list(rule) if isinstance(rule, (list, tuple)) else [rule]
    rules = [(_core.rule_words(value), value) for value in map(_as_in_a_plan, several)]
    if len({words for words, _ in rules}) < len(rules):
        raise InputError("rule: two of them are the same")
    grid = [
        (words, value, eta, a, factor, seed)
        for words, value in rules
        for eta in rates(eta_w, "eta_w")
        for a in rates(alpha, "alpha")
        for factor in rates(growth, "growth")
        for seed in seeds
    ]
    if not grid:
        raise InputError("rule, eta_w, alpha, growth, seeds: give at least one of each")
    if alpha_g is None:
        alpha_g = 0.0 if loss.minibatches.how == "full" else 0.5
    rows: list[tuple[Any, ...]] = []
    diverged = {}
    with Progress(len(grid), progress) as say:
        for k, (words, value, eta, a, factor, seed) in enumerate(grid):
            say(f"{words}, eta_w = {eta:g}, alpha = {a:g}, seed {seed}", k)
            asked = {
                "eta_w": eta,
                "alpha": a,
                "growth": factor,
                "eta_g": float(eta_g),
                "alpha_g": float(alpha_g),
                "rule": value,
                "steps": whole(steps, "steps"),
                "horizons": whole(horizons, "horizons"),
                "fresh_minibatches": whole(fresh_minibatches, "fresh_minibatches"),
                "seed": seed,
            }
            found, divergence = _core.run(loss._core, start, asked)
            rows += [(words, eta, a, factor, seed, *row) for row in found]
            if divergence is not None:
                diverged[words, eta, a, factor, seed] = divergence
    names = (
        *_AXES,
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
