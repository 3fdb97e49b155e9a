"""Which parts of the parameters are scale invariant, found numerically.

A part S is scale invariant if and only if rho_S = sum over k in S of theta_k dF/dtheta_k = 0 everywhere (Euler), so
that one gradient tests every
part at once: the finest partition of an array into consecutive rows has its cuts wherever the running sum of rho is 0.

What counts as 0 is not a chosen threshold. The gradient is evaluated again at parameters moved by single roundings at
random; the spread of
rho_S over these evaluations is what the arithmetic of the framework makes of it, whatever it is. A rho_S without a
significant digit, |mean| <= t
s / sqrt(N) with Student's t at the level 1e-6, is a computed zero (the criterion of discrete stochastic arithmetic: J.
Vignes, Math. Comput.
Simul. 35, 1993), and so is one within the roundings of its own sum. Points are drawn near theta, so that nothing is 0
by the chance of an initialiser.

With a constant epsilon no part is exactly invariant: F depends on ||w|| through s = epsilon / (v + epsilon), where v
grows with the square of ||w||. Such parts are
found where they are long, 2^30 times as long, and epsilon is below rounding; and rho must fall there as it does with an
epsilon, to a fourth when the length doubles:
what is flat for another reason (a sigmoid that saturates) falls otherwise. From the fall follows the norm from which on
rounding hides epsilon. How much of the variance
epsilon is does not follow from F: the framework is asked, where it knows its layers.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._loss import Loss, Parameter
from ._results import pandas_of
from ._verify import whole
from .errors import InputError

#: Evaluations at one point: as given, and moved by roundings.
SAMPLES = 4
#: Student's t for SAMPLES - 1 = 3 degrees of freedom, two-sided at the level 1e-6.
STUDENT = 103.3
#: How long a part is made so that epsilon is below rounding: epsilon / v falls by 2^-60.
LONG = 2.0**30
#: Lengths c, 2c, 4c at which the fall of rho is looked at, the first where all have digits: the longer, the purer is
#: the fall.
LENGTHS = (64.0, 8.0, 1.0)
#: How far the fall may be from 4: it is 4 - O(s(c)), where at 64 times the length s is 2.4e-4 if epsilon is half of the
#: variance, and less if it is less. A ratio that
#: only passes through 4, as what saturates exponentially, is not there twice.
FALL = 0.02
#: How far beyond what rounding is said to make of it a rho is, so that its fall is known to FALL: the bound is 52
#: standard deviations already.
DIGIT = 10.0
#: The largest null space whose vectors of 0 and 1 are looked for: 2^12 sums.
MOST_NULL = 12


@dataclass
class Part:
    """A scale-invariant part, or one that is but for a constant epsilon."""

    name: str
    """What a reader calls it: ``features.0.weight row 3``."""
    places: NDArray[np.int64]
    """Where it is in theta."""
    norm: float
    """||w||."""
    residual: float
    """|w' grad_w F| / (||w|| ||grad_w F||), the largest at the points looked at: rounding if it is invariant."""
    noise: float
    """What rounding makes of that, as it was found."""
    negligible_norm: float = 0.0
    """The norm from which on rounding hides a constant epsilon; 0 if there is none."""
    epsilon_share: float | None = None
    """epsilon / (variance + epsilon), the mean over the units of normalisation that the part feeds, where the framework
    knows them."""

    @property
    def exact(self) -> bool:
        """Whether it is invariant to rounding, and not only but for epsilon."""
        return self.negligible_norm == 0.0


@dataclass
class Discovery:
    """What :func:`discover` found. ``loss.with_blocks(found)`` is the loss with these blocks."""

    invariant: list[Part] = field(default_factory=list)
    """The finest partition that is."""
    nearly: list[Part] = field(default_factory=list)
    """Parts that are invariant but for a constant epsilon."""
    not_invariant: dict[str, float] = field(default_factory=dict)
    """Names of arrays, with how far they are from it: |w' grad_w F| / (||w|| ||grad_w F||)."""
    overlapping: list[str] = field(default_factory=list)
    """Further parts that are invariant, and share arrays with those above: as where only the product of two arrays
    matters."""
    without_effect: list[str] = field(default_factory=list)
    """Arrays (or what is left of them) that F does not depend on, such as a bias before a batch normalisation."""

    @property
    def blocks(self) -> list[tuple[str, NDArray[np.int64]]]:
        """All parts, the nearly invariant ones included, as :class:`ratecheck.Loss` takes them."""
        parts = sorted(self.invariant + self.nearly, key=lambda part: int(part.places[0]))
        return [(part.name, part.places) for part in parts]

    def to_pandas(self) -> Any:
        """A data frame, one row a part."""
        return pandas_of(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        rows = [
            {
                "part": part.name,
                "size": len(part.places),
                "verdict": "invariant" if part.exact else "but for epsilon",
                "norm": part.norm,
                "residual": part.residual,
                "noise": part.noise,
                "epsilon_share": part.epsilon_share,
                "negligible_norm": part.negligible_norm,
            }
            for part in self.invariant + self.nearly
        ]
        for name, residual in self.not_invariant.items():
            rows.append({"part": name, "verdict": "not invariant", "residual": residual})
        for name in self.without_effect:
            rows.append({"part": name, "verdict": "without effect", "residual": 0.0})
        return rows

    def _grouped(self) -> list[tuple[str, str, str]]:
        """Rows of one array together: what, verdict, figures."""
        groups: dict[tuple[str, str], list[Part]] = {}
        for part in self.invariant + self.nearly:
            array, _, _ = part.name.partition(" row")
            groups.setdefault((array, "invariant" if part.exact else "but for epsilon"), []).append(part)
        lines = []
        for (array, verdict), parts in groups.items():
            what = (
                parts[0].name
                if len(parts) == 1
                else f"{array}: {len(parts)} parts of {_range([len(part.places) for part in parts])}"
            )
            figures = f"residual {max(part.residual for part in parts):.1e}"
            if verdict != "invariant":
                shares = [part.epsilon_share for part in parts if part.epsilon_share is not None]
                figures += f", epsilon is up to {max(shares):.1e} of the variance" if shares else ""
                figures += f", hidden by rounding from norm {max(part.negligible_norm for part in parts):.1e} on"
            lines.append((what, verdict, figures))
        lines += [(name, "not invariant", f"residual {residual:.1e}") for name, residual in self.not_invariant.items()]
        lines += [(name, "without effect", "") for name in self.without_effect]
        lines += [(name, "invariant too", "shares arrays with a part above") for name in self.overlapping]
        return lines

    def __str__(self) -> str:
        lines = self._grouped()
        width = max((len(what) for what, _, _ in lines), default=0)
        return "\n".join(f"{what:{width}}  {verdict:15}  {figures}".rstrip() for what, verdict, figures in lines)

    def __repr__(self) -> str:
        return f"<ratecheck.Discovery: {len(self.invariant)} parts invariant, {len(self.nearly)} but for epsilon, {len(self.not_invariant)} arrays not>"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in line) + "</tr>"
            for line in self._grouped()
        )
        return f"<table><thead><tr><th>part</th><th>verdict</th><th></th></tr></thead><tbody>{rows}</tbody></table>"


def _range(sizes: list[int]) -> str:
    return str(sizes[0]) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


@dataclass
class _Unit:
    """What is never cut: a row of an array, or the entries of several arrays of a layer that have one number."""

    label: str
    places: NDArray[np.int64]


@dataclass
class _Candidate:
    """Consecutive units of one array, or of the arrays of a layer."""

    name: str
    units: list[_Unit]
    joint: bool


class _Sampled:
    """theta * grad F at one point, as it is and moved by roundings."""

    def __init__(
        self, loss: Loss, theta: NDArray[np.float64], z: list[int] | None, generator: np.random.Generator
    ) -> None:
        for unit in (2.0**-53, 2.0**-24):
            moves = [np.zeros_like(theta)]
            moves += [generator.choice([-1.0, 1.0], size=len(theta)) for _ in range(SAMPLES - 1)]
            self.grads = np.array([loss.value_and_grad(theta * (1.0 + 2.0 * unit * move), z)[1] for move in moves])
            # Where roundings of doubles change nothing at all, the framework computes in single precision.
            if np.any(self.grads != self.grads[0]):
                break
        self.unit = unit
        if not np.isfinite(self.grads).all():
            raise InputError("theta: the gradient is not finite near the start")
        self.terms = (theta * self.grads).astype(np.longdouble)
        self.theta = theta

    def rho(self, places: NDArray[np.int64]) -> tuple[float, float]:
        """|rho| of a part, and what rounding makes of it."""
        sums = self.terms[:, places].sum(axis=1)
        spread = STUDENT / np.sqrt(SAMPLES) * sums.std(ddof=1)
        # Every product is rounded once, and the sum itself is in more digits.
        own = 2.0 * self.unit * np.abs(self.terms[0, places]).sum()
        return float(abs(sums.mean())), float(spread + own)

    def size(self, places: NDArray[np.int64]) -> float:
        """||w|| ||grad_w F||."""
        return float(np.linalg.norm(self.theta[places]) * np.linalg.norm(self.grads[0, places]))


def _is_zero(points: list[_Sampled], places: NDArray[np.int64]) -> bool:
    return all(rho <= noise for rho, noise in (point.rho(places) for point in points))


def _has_effect(points: list[_Sampled], places: NDArray[np.int64]) -> bool:
    """Whether F depends on a part: not if its gradient is rounding, or nothing."""
    for point in points:
        grads = point.grads[:, places]
        noise = STUDENT / np.sqrt(SAMPLES) * grads.std(axis=0, ddof=1)
        if np.any(np.abs(grads.mean(axis=0)) > noise + 2.0 * point.unit * np.abs(grads).max(initial=0.0)):
            return True
    return False


def _rows(parameter: Parameter) -> list[_Unit]:
    rows = parameter.shape[0] if parameter.shape else 1
    places = parameter.start + np.arange(parameter.size, dtype=np.int64)
    return [_Unit(f"{parameter.name} row {k + 1}", row) for k, row in enumerate(places.reshape(rows, -1))]


def _cut(candidate: _Candidate, points: list[_Sampled]) -> tuple[list[tuple[str, NDArray[np.int64]]], list[_Unit]]:
    """The finest parts of consecutive units with rho = 0, and the units that are in none."""
    units, m = candidate.units, len(candidate.units)
    sums = [np.zeros((SAMPLES, m + 1), dtype=np.longdouble) for _ in points]
    own = [np.zeros(m + 1) for _ in points]
    for point, total, roundings in zip(points, sums, own):
        for k, unit in enumerate(units, 1):
            terms = point.terms[:, unit.places]
            total[:, k] = total[:, k - 1] + terms.sum(axis=1)
            roundings[k] = roundings[k - 1] + 2.0 * point.unit * float(np.abs(terms[0]).sum())

    def zero(first: int, end: int) -> bool:
        for total, roundings in zip(sums, own):
            rho = total[:, end] - total[:, first]
            if not abs(rho.mean()) <= STUDENT / np.sqrt(SAMPLES) * rho.std(ddof=1) + roundings[end] - roundings[first]:
                return False
        return True

    found: list[tuple[str, NDArray[np.int64]]] = []
    rest: list[_Unit] = []
    start = 0  # of the run at hand

    def close(end: int) -> None:
        nonlocal start
        for k in range(start + 2, end + 1):
            if k - start > 1 and zero(start, k):
                keep(start, k)
                start = k
        rest.extend(units[start:end])

    def keep(first: int, end: int) -> None:
        places = np.concatenate([unit.places for unit in units[first:end]])
        found.append((_label(candidate, units[first:end]), np.sort(places)))

    for k in range(m):
        if zero(k, k + 1):
            close(k)
            keep(k, k + 1)
            start = k + 1
    close(m)
    return found, rest


def _label(candidate: _Candidate, units: list[_Unit]) -> str:
    if len(units) == len(candidate.units):
        return candidate.name
    first, last = units[0].label.rpartition(" row ")[2], units[-1].label.rpartition(" row ")[2]
    return f"{candidate.name} row {first}" if len(units) == 1 else f"{candidate.name} rows {first} to {last}"


def discover(
    loss: Loss,
    theta: ArrayLike | None = None,
    *,
    points: int = 2,
    joint_up_to: int = 40,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Discovery:
    """Which parts of the parameters are scale invariant: rows, filters, groups of rows, whole arrays, the arrays of a
    layer together (a weight with its bias
    under layer normalisation, gamma with beta before a normalisation), and arrays of several layers together (what
    feeds one residual stream).

    The finest partition is found, from gradients alone: four a point, and some twenty more for every array that is not
    invariant, to see whether only a constant
    epsilon keeps it from being so. See the module's documentation for why what is 0 is decided without a threshold.

    Args:
        loss: the loss; its ``parameters`` say which arrays are in theta, and ``ratecheck.torch.loss`` and
            ``ratecheck.jax.loss`` know them.
        theta: a point, unless the loss has a start; points are drawn near it.
        points: how many points are looked at, each on a minibatch of its own if there are several.
        joint_up_to: arrays of several layers are looked at together if no more than so many are left.
        seed: of the points.
        progress: is told what is looked at.

    Returns:
        What was found. ``loss.with_blocks(found)`` has the parts as blocks.
    """
    say = progress or (lambda _: None)
    if theta is None and loss.theta is None:
        raise InputError("theta: give a point, here or to ratecheck.Loss")
    start = loss.theta if theta is None else np.ascontiguousarray(theta, dtype=np.float64)
    if whole(points, "points") < 1:
        raise InputError("points: give a whole number from 1 on")
    generator = np.random.default_rng(whole(seed, "seed"))
    arrays = loss.parameters
    if sum(array.size for array in arrays) != len(start):
        raise InputError(
            f"theta: has {len(start)} entries, where the arrays of the loss have {sum(array.size for array in arrays)}"
        )
    drawn = [(_near(start, arrays, generator), _minibatch(loss, k)) for k in range(points)]
    say("points near the start")
    seen = [_Sampled(loss, at, z, generator) for at, z in drawn]

    def long(places: NDArray[np.int64], factor: float, count: int) -> list[_Sampled]:
        scaled = []
        for at, z in drawn[:count]:
            at = at.copy()
            at[places] *= factor
            scaled.append(_Sampled(loss, at, z, generator))
        return scaled

    found = Discovery()
    left: dict[str, list[_Unit]] = {}

    def keep(parts: list[tuple[str, NDArray[np.int64]]], nearly: list[float] | None = None) -> None:
        for k, (name, places) in enumerate(parts):
            if not _has_effect(seen, places) or len(places) < 2:
                # A number that F does not depend on is no direction.
                found.without_effect.append(name)
                continue
            rhos = [(point.rho(places), point.size(places)) for point in seen]
            ratio = [(rho / size, noise / size) for (rho, noise), size in rhos if size > 0.0]
            residual, noise = max((r for r, _ in ratio), default=0.0), max((n for _, n in ratio), default=0.0)
            norm = float(np.linalg.norm(start[places]))
            part = Part(name, places, norm, residual, noise, 0.0 if nearly is None else norm * nearly[k])
            (found.invariant if nearly is None else found.nearly).append(part)

    def look(candidate: _Candidate) -> list[_Unit]:
        """Keeps the parts of a candidate that are invariant, or nearly; returns the units that are in none."""
        parts, rest = _cut(candidate, seen)
        keep(parts)
        everywhere = np.concatenate([unit.places for unit in rest]) if rest else np.empty(0, dtype=np.int64)
        if len(everywhere) < 2:
            return rest
        say(candidate.name)
        parts, still = _cut(_Candidate(candidate.name, rest, candidate.joint), long(everywhere, LONG, points))
        if not parts:
            return rest
        at_length = functools.cache(lambda c: long(everywhere, c, 1)[0])
        falls = [(name, places, _hidden_from(at_length, places)) for name, places in parts]
        kept = [(name, places, length) for name, places, length in falls if length is not None]
        before = len(found.nearly)
        keep([(name, places) for name, places, _ in kept], [length for _, _, length in kept])
        _ask_for_shares(loss, drawn[0], everywhere, found.nearly[before:])
        taken_units = {int(place) for _, places, _ in kept for place in places}
        return [unit for unit in rest if int(unit.places[0]) not in taken_units]

    for array in arrays:
        if not array.shape or not _has_effect(seen, array.start + np.arange(array.size)):
            found.without_effect.append(array.name) if array.shape else left.setdefault(array.name, _rows(array))
            continue
        # The entries of a vector are numbers, and none is a direction: only the whole can be, or what it belongs to.
        vector = len(array.shape) == 1 and len(arrays) > 1
        units = _rows(array)
        if vector:
            left[array.name] = units
            continue
        rest = look(_Candidate(array.name, units, False))
        if rest:
            left[array.name] = rest

    # The arrays of a layer together, entry by entry of the first dimension where they agree.
    for module in dict.fromkeys(array.module for array in arrays if array.name in left):
        members = [array for array in arrays if array.module == module and array.name in left]
        if len(members) == 1 and len(members[0].shape) != 1:
            continue
        groups = [left[array.name] for array in members]
        if len({len(group) for group in groups}) == 1:
            units = [
                _Unit(f"{module} row {k + 1}", np.concatenate([unit.places for unit in same]))
                for k, same in enumerate(zip(*groups))
            ]
        else:
            units = [
                _Unit(array.name, np.concatenate([unit.places for unit in group]))
                for array, group in zip(members, groups)
            ]
        name = " and ".join(array.name for array in members)
        before = {int(place) for unit in units for place in unit.places}
        rest = look(_Candidate(name, units, True))
        taken = before - {int(place) for unit in rest for place in unit.places}
        for array in members:
            left[array.name] = [unit for unit in left[array.name] if int(unit.places[0]) not in taken]
            if not left[array.name]:
                del left[array.name]

    # Arrays of several layers together: what they are is proposed by the null space of points x arrays, exact or to a
    # thousandth, and decided as above.
    names = list(left)
    if 2 <= len(names) <= joint_up_to:
        say("arrays of several layers together")
        places = [np.concatenate([unit.places for unit in left[name]]) for name in names]
        rows = []
        for k in range(len(names) + 2):
            at = _near(start, arrays, generator)
            terms = at * loss.value_and_grad(at, _minibatch(loss, k))[1]
            rows.append([terms[p].sum() for p in places])
        rho = np.array(rows)
        scale = np.maximum(np.abs(rho).max(axis=0), np.finfo(float).tiny)
        for level in (2.0**-40, 1e-3):
            for members in _proposed(rho, scale, level, MOST_NULL):
                name, together = " and ".join(names[k] for k in members), np.concatenate([places[k] for k in members])
                if any(names[k] not in left for k in members):
                    known = found.overlapping + [part.name for part in found.invariant]
                    if name not in known and _is_zero(seen, together):
                        found.overlapping.append(name)
                    continue
                rest = look(_Candidate(name, [_Unit(name, together)], True))
                if not rest:
                    for k in members:
                        del left[names[k]]
    for name, units in left.items():
        places = np.concatenate([unit.places for unit in units])
        size = max(point.size(places) for point in seen)
        if size == 0.0:
            found.without_effect.append(name)
        else:
            found.not_invariant[name] = max(
                point.rho(places)[0] / point.size(places) for point in seen if point.size(places) > 0.0
            )
    return found


def _hidden_from(at_length: Callable[[float], _Sampled], places: NDArray[np.int64]) -> float | None:
    """How many times as long a part has to be for rounding to hide epsilon; None if rho does not fall as it does with
    an epsilon."""
    for c in LENGTHS:
        found = [at_length(c * factor).rho(places) for factor in (1.0, 2.0, 4.0)]
        hidden = c * float(np.sqrt(found[0][0] / max(found[0][1], np.finfo(float).tiny)))
        # A digit beyond rounding in each, or the fall could not be told from others.
        if all(rho > DIGIT * noise for rho, noise in found):
            falls = [found[0][0] / found[1][0], found[1][0] / found[2][0]]
            return hidden if all(abs(fall - 4.0) <= FALL for fall in falls) else None
    # Barely beyond rounding at the length that it has: there is no fall to look at, and nothing else to be seen.
    rho, noise = at_length(1.0).rho(places)
    return hidden if rho <= 16.0 * DIGIT * noise else None


def _ask_for_shares(loss: Loss, drawn: Any, everywhere: NDArray[np.int64], parts: list[Part]) -> None:
    """The share of epsilon, of a framework that knows its layers."""
    shares = loss._epsilon_shares(*drawn, everywhere) if parts else []
    for k, part in enumerate(parts):
        if len(shares):
            # One unit a part where there are as many, else what they have in common.
            part.epsilon_share = float(shares[k]) if len(shares) == len(parts) else float(np.mean(shares))


def _near(start: NDArray[np.float64], arrays: list[Parameter], generator: np.random.Generator) -> NDArray[np.float64]:
    """A tenth of the size of each array away, at random: nothing is 0 there by the chance of an initialiser."""
    point = start.copy()
    for array in arrays:
        part = point[array.start : array.start + array.size]
        size = np.sqrt(np.mean(part**2)) if part.size else 0.0
        part += 0.1 * (size if size > 0.0 else 1.0) * generator.standard_normal(part.size)
    return point


def _minibatch(loss: Loss, k: int) -> list[int] | None:
    z = loss.minibatches
    if z.how != "partition":
        return None
    first = (k % (z.n_examples // z.batch_size)) * z.batch_size
    return list(range(first, first + z.batch_size))


def _proposed(rho: NDArray[np.float64], scale: NDArray[np.float64], level: float, most: int) -> list[tuple[int, ...]]:
    """Sets of columns whose sums are 0 in every row, or nearly: minimal vectors of 0 and 1 in the null space. Which
    they are is decided elsewhere."""
    _, singular, right = np.linalg.svd(rho / scale)
    singular = np.concatenate([singular, np.zeros(len(scale) - len(singular))])
    null = right[singular <= level * singular[0]] / scale
    if not 1 <= len(null) <= most:
        return []
    # In reduced row echelon form, a vector of 0 and 1 is a sum of some rows: those whose pivots it has.
    echelon = _echelon(null)
    sets = []
    for chosen in range(1, 2 ** len(echelon)):
        vector = echelon[[k for k in range(len(echelon)) if chosen >> k & 1]].sum(axis=0)
        members = tuple(np.flatnonzero(vector > 0.5).tolist())
        if len(members) > 1 and np.abs(vector - (vector > 0.5)).max() < 0.1:
            sets.append(members)
    return [
        one for one in sorted(sets, key=lambda one: (len(one), one)) if not any(set(other) < set(one) for other in sets)
    ]


def _echelon(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The reduced row echelon form, with the largest entries as pivots."""
    basis = basis / np.abs(basis).max(axis=1, keepdims=True)
    for k in range(len(basis)):
        row, column = np.unravel_index(np.argmax(np.abs(basis[k:])), basis[k:].shape)
        basis[[k, k + row]] = basis[[k + row, k]]
        basis[k] /= basis[k, column]
        for other in range(len(basis)):
            if other != k:
                basis[other] -= basis[other, column] * basis[k]
    return basis
