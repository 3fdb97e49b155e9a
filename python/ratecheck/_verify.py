"""The claims of the paper on a loss of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._loss import Loss
from ._progress import Progress
from ._results import Results
from .errors import InputError


class Statement(NamedTuple):
    """A statement that speaks of a loss."""

    id: str
    title: str
    plain: str


def claims() -> list[Statement]:
    """The statements that can be measured on a loss, in the order of the paper. ``ratecheck explain ID`` of the command
    says more."""
    return [Statement(*row) for row in _core.claims()]


def rates(given: float | Sequence[float], name: str) -> list[float]:
    """One number or several."""
    try:
        return [float(x) for x in np.atleast_1d(given)]
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: give a number or several, not {given!r}") from error


def verify(
    loss: Loss | str | os.PathLike[str],
    theta: ArrayLike | None = None,
    *,
    eta_w: float | Sequence[float] = (0.01, 1.0, 100.0),
    eta_g: float | None = None,
    alphas: float | Sequence[float] = (0.0, 0.25, 0.5),
    steps: int | None = None,
    runs: int = 8,
    claims: str | Iterable[str] | None = None,
    profile: str = "quick",
    seed: int = 2019,
    progress: bool | None = None,
) -> Results:
    """Measures every statement of the paper that speaks of a loss on this one, with controls that must be rejected.

    The loss is called in this thread alone. The same seed gives the same numbers as long as the loss does.

    Args:
        loss: the loss; or the path of a problem file (docs/problem-file.md), whose network the engine evaluates itself
            and whose section
            ``[verify]`` says the rates: then only ``claims``, ``profile``, ``seed`` and ``progress`` matter.
        theta: the start, unless the loss has one.
        eta_w: learning rates of W; the theorems allow every one.
        eta_g: the learning rate of g; left out, it follows from what is found of L^gg.
        alphas: exponents of the schedules eta_w (t+1)^(-alpha) of stochastic descent, from 0 to 1/2.
        steps: T; left out, what a budget allows (it follows from sizes, never from a clock).
        runs: independent runs of stochastic descent.
        claims: ids of :func:`claims`; all if left out.
        profile: how much work to do: ``"quick"``, ``"standard"`` or ``"full"``.
        seed: the root of the seed tree.
        progress: whether a bar is shown, if tqdm is installed; left out, on a terminal.

    Returns:
        The results. A claim that fails is data and no exception: see :meth:`Results.exit_code`.

    Raises:
        InputError: an argument makes no sense.
        Exception: whatever the loss raises, as it was raised, and ``KeyboardInterrupt``; what was found until then is
            its attribute ``results``.
    """
    ids = [claims] if isinstance(claims, str) else None if claims is None else list(claims)
    seed = whole(seed, "seed")
    if isinstance(loss, (str, os.PathLike)):
        with Progress(len(_core.claims()) if ids is None else len(ids), progress) as say:
            return _ended(_core.verify_problem(Path(loss), ids, profile, seed, lambda claim, k, _: say(claim, k)))
    if not isinstance(loss, Loss):
        raise InputError(
            f"loss: give a ratecheck.Loss, not {type(loss).__name__}; ratecheck.torch.loss and ratecheck.jax.loss make one"
        )
    if not loss.layout.places:
        raise InputError(
            "loss: no part of the parameters is a block: name the scale-invariant ones in blocks=, or loss.with_blocks(ratecheck.discover(loss))"
        )
    start = loss.start(theta)
    about = {
        "name": loss.name,
        "about": loss.about
        + ("" if loss.relative_error == 0 else "; Hessian-vector products by central differences, off by up to 6e-8"),
        "radius": loss.radius,
        "loss_min": loss.loss_min,
        "kinks": loss.kinks,
    }
    budget = {
        "eta_w": rates(eta_w, "eta_w"),
        "eta_g": None if eta_g is None else float(eta_g),
        "alphas": rates(alphas, "alphas"),
        "steps": None if steps is None else whole(steps, "steps"),
        "runs": whole(runs, "runs"),
    }
    with Progress(len(_core.claims()) if ids is None else len(ids), progress) as say:
        return _ended(
            _core.verify(loss._core, start, about, budget, ids, profile, seed, lambda claim, k, _: say(claim, k))
        )


def _ended(found: tuple[_core.Results, BaseException | None]) -> Results:
    """The results, or what interrupted them, with what was found until then."""
    results, stopped = Results(found[0]), found[1]
    if stopped is not None:
        stopped.results = results  # type: ignore[attr-defined]
        raise stopped
    return results


def inspect(problem: str | os.PathLike[str], dense_up_to: int = 2000) -> dict[str, Any]:
    """One network of a problem file at its point: value, gradient, Hessian (up to so many parameters), and what scale
    invariance says of them. The fields are those of
    ``ratecheck inspect --json`` (docs/problem-file.md).

    Raises:
        InputError: the file cannot be used; the message names the line.
    """
    found: dict[str, Any] = json.loads(_core.inspect(Path(problem), whole(dense_up_to, "dense_up_to")))
    return found


def whole(x: object, name: str) -> int:
    """A whole number from 0 on."""
    if not isinstance(x, (int, np.integer)) or isinstance(x, bool) or x < 0:
        raise InputError(f"{name}: give a whole number from 0 on, not {x!r}")
    return int(x)
