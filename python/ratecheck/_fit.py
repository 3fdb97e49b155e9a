"""The rate of a log in memory."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._results import pandas_of
from .errors import InputError


class Fitted:
    """What :func:`fit` found; the fields are those of ``ratecheck fit --json`` (docs/fit.md)."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    @property
    def _chosen(self) -> dict[str, Any]:
        chosen: dict[str, Any] = next(form for form in self.found["forms"] if form["form"] == self.found["form"])
        return chosen

    @property
    def slope(self) -> float:
        """The exponent of T, in the form that is decided upon."""
        return float(self._chosen["slope"])

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its interval, where one is defensible: one run of a random method has none."""
        interval = self._chosen["interval"]
        return None if interval is None else (interval[0], interval[1])

    @property
    def run_by_run(self) -> tuple[float, tuple[float, float]] | None:
        """The mean of the single runs' slopes, with Student's interval; None for one run."""
        own = self._chosen["run_by_run"]
        return None if own is None else (own["slope"], (own["interval"][0], own["interval"][1]))

    @property
    def verdict(self) -> str | None:
        """``holds``, ``fails`` or ``inconclusive`` of the claimed exponent; None if none was claimed."""
        verdict: str | None = self.found["verdict"]
        return verdict

    @property
    def reason(self) -> str:
        """The verdict in a sentence."""
        return str(self.found["reason"])

    @property
    def notes(self) -> list[str]:
        """What a reader should know besides."""
        return list(self.found["notes"])

    def to_dict(self) -> dict[str, Any]:
        """Everything."""
        return self.found

    def to_pandas(self) -> Any:
        """A data frame, one row a form."""
        return pandas_of(self.found["forms"])

    def __repr__(self) -> str:
        interval = "no interval" if self.interval is None else f"[{self.interval[0]:.4f}, {self.interval[1]:.4f}]"
        verdict = "" if self.verdict is None else f", {self.verdict}"
        return f"<ratecheck.Fitted: slope {self.slope:.4f}, {interval}{verdict}>"


def fit(
    t: ArrayLike,
    value: ArrayLike,
    run: ArrayLike | None = None,
    against: float | None = None,
    *,
    one_sided: bool = False,
    margin: float = 0.05,
    log_power: float = 0.0,
    form: str = "last",
    squared: bool = False,
    deterministic: bool = False,
    level: float = 0.95,
    window: tuple[float | None, float | None] = (None, None),
    seed: int = 2019,
) -> Fitted:
    """Fits T^p to a recorded quantity and decides whether a claimed rate holds: ``ratecheck fit`` on arrays.

    Args:
        t: the steps, k numbers.
        value: positive numbers at them: k, or runs x k.
        run: for k values of several runs, which run each is of.
        against: the exponent claimed, as -0.25.
        one_sided: the claim is "no slower than": faster is no failure.
        margin: the difference of slopes that does not count, chosen before looking.
        log_power: q of T^p (ln T)^q, from the theorem.
        form: what is decided upon: ``"min"``, ``"average"`` or ``"last"`` (window).
        squared: the values are squares, and the root of their mean is meant.
        deterministic: the method has no randomness, so that one run is all there is.
        level: the confidence level of the interval.
        window: the steps that are fitted, (from, to); by the rule [T/100, T] where left out.
        seed: of the bootstrap.

    Raises:
        InputError: the arrays do not fit each other, or hold what has no logarithm.

    Example:
        >>> import numpy as np, ratecheck
        >>> t = np.unique(np.geomspace(1, 1e4, 60).round())
        >>> found = ratecheck.fit(t, 3 * t**-0.5, against=-0.5, deterministic=True, form="min")
        >>> round(found.slope, 6), found.verdict
        (-0.5, 'holds')
    """
    for name, number in (("margin", margin), ("log_power", log_power), ("against", against)):
        if number is not None and not abs(number) <= 100:  # written so that NaN is refused
            raise InputError(f"{name}: {number}: give a number from -100 to 100")
    if not margin >= 0:
        raise InputError(f"margin: {margin}: give a number from 0 on")
    if not 0 < level < 1:
        raise InputError(f"level: {level}: give a number between 0 and 1")
    if deterministic and run is not None:
        raise InputError("deterministic: several runs are not the one that is all there is")
    t, value = np.asarray(t), np.asarray(value)
    if value.ndim == 2:
        if run is not None:
            raise InputError("run: the rows of value are runs already")
        if t.ndim != 1 or value.shape[1] != len(t):
            raise InputError(f"value: has shape {value.shape}, where t has {t.shape}: give runs x steps")
        run = np.repeat(np.arange(len(value)), len(t))
        t, value = np.tile(t, len(value)), value.ravel()
    if t.ndim != 1 or value.shape != t.shape or (run is not None and np.shape(run) != t.shape):
        raise InputError(
            f"t, value and run: have shapes {t.shape}, {value.shape}"
            + ("" if run is None else f", {np.shape(run)}")
            + ": give one length"
        )
    try:
        columns = [t.astype(np.float64).tolist(), value.astype(np.float64).tolist()]
    except (TypeError, ValueError) as error:
        raise InputError(f"t and value: give numbers ({error})") from error
    if run is not None:
        _, numbers = np.unique(np.asarray(run), return_inverse=True)
        columns.append(numbers.ravel().tolist())
    head = "t,value,run" if run is not None else "t,value"
    csv = "\n".join([head, *(",".join(map(repr, row)) for row in zip(*columns))]) + "\n"
    asked = {
        "against": against,
        "one_sided": one_sided,
        "margin": float(margin),
        "log_power": float(log_power),
        "form": form,
        "squared": squared,
        "deterministic": deterministic,
        "level": float(level),
        "seed": seed,
        "window": tuple(window),
    }
    try:
        return Fitted(json.loads(_core.fit(csv.encode(), run is not None, asked)))
    except InputError as error:
        # The engine speaks of options of the command; here they are arguments.
        message = (
            str(error)
            .replace("--run COLUMN", "run=")
            .replace("--window ..STEP", "window=(None, STEP)")
            .replace("--", "")
        )
        raise InputError(message) from None
