"""Parts that are scale invariant but for a constant epsilon: found where they are long, many at once.

With a constant epsilon F depends on ||w|| through s = epsilon / (v + epsilon), where v grows with the square of ||w||.
Where a part is 2^30 times as long, epsilon is below rounding, and rho is 0; and on the way there rho falls as the
inverse square of the length: what is flat for another reason (a sigmoid that saturates) falls otherwise. From the fall
follows the norm from which on rounding hides epsilon.

All candidates are made long together, and a group passes only if every unit of every member does. If it does not, it is
cut, down to single candidates if need be, by what is likely to be the reason: only what is spent depends on that. A
member could pass in a group only because *another* is long. Its rho would then fall with the other's
length, as prod_j c_j^(-p_j): so members are lengthened by factors of their own, unlike each other and in another order
the second time, and each has to fall by the square of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ._zeros import FEW, SAMPLES, Candidate, Cut, Gradients, Places, Sampled, Unit, Vector, cut, ratio, where

#: How long a part is made so that epsilon is below rounding: epsilon / v falls by 2^-60.
LONG = 2.0**30
#: Lengths c from which on the fall of rho is looked at, the first where all have digits: the longer, the purer is the
#: fall.
LENGTHS = (64.0, 8.0, 1.0)
#: How far falls may be from the square of the factor, relative to it: it is 1 - O(s(c)), where at 64 times the length
#: s is 2.4e-4 if epsilon is half of the variance, and less if it is less. A ratio that only passes through it, as what
#: saturates exponentially, is not there twice.
FALL = 0.005
#: How far the rhos of a candidate are beyond what rounding is said to make of them, so that their fall is known to
#: FALL: the bound is 52 standard deviations already.
DIGIT = 10.0
#: Factors of the members of a group are from 2^(1 - SPREAD) to 2^(1 + SPREAD). Those of 50 members are then 2^0.01 or
#: more apart: with p = 3 in the place of another's 2 that is 2 %, four times FALL, and a pair that is close in one
#: order is not in the other.
SPREAD = 0.25


class Lengths:
    """Tests of candidates at lengths.

    Args:
        gradients: those of the loss.
        drawn: the points near the start, each with its minibatch.
        seen: the same, sampled.
        say: is told what is looked at.
    """

    def __init__(
        self,
        gradients: Gradients,
        drawn: list[tuple[Vector, list[int] | None]],
        seen: list[Sampled],
        say: Callable[[str], None],
    ) -> None:
        self.gradients, self.drawn, self.seen, self.say = gradients, drawn, seen, say

    def nearly(self, group: list[Candidate], suspected: bool = False) -> list[Passed | None]:
        """For every candidate what of it is invariant but for an epsilon; None if nothing is."""
        if not group:
            return []
        found, failed = self._together(group)
        if found is not None or len(group) == 1:
            return found if found is not None else [None]
        passed: list[Passed | None] = [None] * len(group)
        for some in self._cut(group, failed, suspected):
            for k, one in zip(some, self.nearly([group[k] for k in some], set(some) == failed)):
                passed[k] = one
        return passed

    def _cut(self, group: list[Candidate], failed: set[int], suspected: bool) -> list[list[int]]:
        """A group that did not pass: those that failed and the others, or else at the widest gap between residuals; and
        one by one, if all of those that failed before fail again."""
        if 0 < len(failed) < len(group):
            return [[k for k in range(len(group)) if k not in failed], sorted(failed)]
        if suspected:
            return [[k] for k in range(len(group))]
        ratios = np.array([max(ratio(self.seen, candidate.places), np.finfo(float).tiny) for candidate in group])
        order = np.argsort(ratios, kind="stable").tolist()
        half = 1 + int(np.argmax(np.diff(np.log(ratios[order]))))
        return [order[:half], order[half:]]

    def _sampled(self, group: list[Candidate], factors: Sequence[float] | Vector, k: int, samples: int) -> Sampled:
        theta, z = self.drawn[k]
        theta = theta.copy()
        for candidate, factor in zip(group, factors):
            for unit in candidate.units:
                theta[where(unit.places)] *= factor
        # Numbers that overflow are seen to.
        with np.errstate(over="ignore", invalid="ignore"):
            return Sampled(self.gradients, theta, z, samples)

    def _together(self, group: list[Candidate]) -> tuple[list[Passed | None] | None, set[int]]:
        """None if a group does not pass whole, and who failed; a single candidate may pass in part."""
        self.say(group[0].name if len(group) == 1 else f"{group[0].name} and {len(group) - 1} more")
        whole = len(group) > 1
        points: list[Sampled] = []
        for k, samples in [(0, FEW), *((k, SAMPLES) for k in range(len(self.drawn)))]:
            if len(points) > k:
                # What two samples show not to be 0, with Student's t for as many, was not looked at again.
                points[k].take(samples)
            else:
                points.append(self._sampled(group, [LONG] * len(group), k, samples))
            if not points[k].finite:
                return None, set()
            cuts = [cut(candidate, points) for candidate in group]
            failed = {m for m, one in enumerate(cuts) if (one.rest if whole else not one.parts)}
            if failed:
                return None, failed
        factors = [np.ones(len(group)), *self._factors(len(group)).cumprod(axis=0)]
        hidden = self._hidden_from(group, [[places for _, places in one.parts] for one in cuts], factors)
        if hidden is None:
            return None, set()
        failed = {m for m, lengths in enumerate(hidden) if whole and np.isnan(lengths).any()}
        if failed:
            return None, failed
        return [self._passed(*one) for one in zip(group, cuts, hidden)], set()

    @staticmethod
    def _passed(candidate: Candidate, found: Cut, hidden: Vector) -> Passed | None:
        kept = [(*part, float(at)) for part, at in zip(found.parts, hidden) if not np.isnan(at)]
        taken = {int(place) for _, places, _ in kept for place in places}
        rest = [unit for unit in candidate.units if int(unit.places[0]) not in taken]
        return Passed(kept, rest) if kept else None

    def _factors(self, members: int) -> Vector:
        """By what members are lengthened in the first step and in the second; a single one is doubled."""
        exponents = 1.0 + SPREAD * (np.linspace(-1.0, 1.0, members) if members > 1 else np.zeros(1))
        return np.exp2([self.gradients.generator.permutation(exponents) for _ in range(2)])

    def _hidden_from(
        self, group: list[Candidate], parts: list[list[Places]], factors: list[Vector]
    ) -> list[Vector] | None:
        """How many times as long each part has to be for rounding to hide epsilon; NaN if rho does not fall as it does
        with an epsilon, and None if something is not finite."""
        ends = np.cumsum([0, *map(len, parts)])
        flat = [places for some in parts for places in some]
        at_start = self.seen[0].rhos(flat)[0]
        falls = [_Falls(at_start[first:end]) for first, end in zip(ends, ends[1:])]
        for c in LENGTHS:
            rhos, noises = [], []
            for factor in factors:
                point = self._sampled(group, c * factor, 0, SAMPLES)
                if not point.finite:
                    return None
                rho, noise = point.rhos(flat)
                rhos.append(rho)
                noises.append(noise)
            for k, (fall, first, end) in enumerate(zip(falls, ends, ends[1:])):
                squares = [float(after[k] / before[k]) ** 2 for before, after in zip(factors, factors[1:])]
                fall.at(c, [rho[first:end] for rho in rhos], [noise[first:end] for noise in noises], squares)
            # A group that fails already needs no further look.
            if not any(fall.open.any() for fall in falls) or (len(group) > 1 and any(fall.failed for fall in falls)):
                break
        return [np.where(fall.open, 0.0, fall.hidden) for fall in falls]


def _rms(x: Vector) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0


class _Falls:
    """How |rho| of the parts of a candidate falls, from length to length.

    A rho that is small among those of its candidate is so by chance, and what else there is of order s^2 is not small
    beside it: it is held against what they are in the mean.
    """

    def __init__(self, at_start: Vector) -> None:
        self.at_start = at_start
        self.open = np.ones(len(at_start), dtype=bool)
        #: How many times as long rounding hides epsilon; NaN where rho does not fall so.
        self.hidden = np.full(len(at_start), np.nan)

    @property
    def failed(self) -> bool:
        """Whether some part does not fall."""
        return bool(np.isnan(self.hidden[~self.open]).any())

    def at(self, c: float, rhos: list[Vector], noises: list[Vector], squares: list[float]) -> None:
        """Takes |rho| at c, and at two lengths beyond, whose factors have these squares."""
        # Rounding does not depend on the length: what the three say of it together is steadier than one.
        noise = np.sqrt(np.mean(np.square(noises), axis=0))
        # Where a part is hidden at the length c already, that is long enough.
        long = c * np.maximum(np.sqrt(rhos[0] / np.maximum(noise, np.finfo(float).tiny)), 1.0)
        # What fails is not what others are held against, and all of the others must have digits: what is flat has none.
        while self.open.any() and all(
            _rms(rho[self.open]) > DIGIT * _rms(each[self.open]) for rho, each in zip(rhos, noises)
        ):
            # With an epsilon rho = -2 s (1 - s) dF/ds is at most c^2 times what it is at c, if dF/ds does not double.
            so = self.at_start <= 2.0 * c * c * float(np.max((rhos[0] + noise)[self.open]))
            for here, there, square in zip(rhos, rhos[1:], squares):
                room = FALL * _rms(here[self.open]) + 2.0 * noise * square
                so &= np.abs(square * there - here) <= room
            if so[self.open].all():
                self.hidden[self.open] = long[self.open]
                self.open[:] = False
            self.open &= so
        if c == LENGTHS[-1]:
            # At the length that it has there is no fall to look at: what is barely beyond rounding is all that is seen.
            barely = self.open & (rhos[0] <= DIGIT * noise * squares[0] * squares[1])
            self.hidden[barely] = long[barely]
            self.open[:] = False


class Passed(NamedTuple):
    """What of a candidate is invariant but for an epsilon."""

    parts: list[tuple[str, Places, float]]
    """Names, places, and how many times as long rounding hides epsilon."""
    rest: list[Unit]
    """The units that are in none."""
