"""Which parts of the parameters are scale invariant, found numerically.

A part S is scale invariant if and only if rho_S = sum over k in S of theta_k dF/dtheta_k = 0 everywhere (Euler), so
that one gradient tests every part at once: the finest partition of an array into consecutive rows has its cuts wherever
the running sum of rho is 0.

What counts as 0 is not a chosen threshold. The gradient is evaluated again at parameters moved by single roundings at
random; the spread of rho_S over these evaluations is what the arithmetic of the framework makes of it, whatever it is.
A rho_S without a significant digit, |mean| <= t s / sqrt(N) with Student's t at the level 1e-6, is a computed zero (the
criterion of discrete stochastic arithmetic: J. Vignes, Math. Comput. Simul. 35, 1993), and so is one within the
roundings of its own sum. Points are drawn near theta, so that nothing is 0 by the chance of an initialiser.

With a constant epsilon no part is exactly invariant; :mod:`ratecheck._epsilon` finds those that are but for it. How
much of the variance epsilon is does not follow from F: the framework is asked, where it knows its layers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._epsilon import Lengths
from ._loss import Loss, Parameter, _vector
from ._parts import Discovery, Part
from ._verify import whole
from ._zeros import Candidate, Gradients, Places, Sampled, Unit, cut, has_effect, is_zero, minibatch, near, points_of, ratio, rows
from .errors import InputError

__all__ = ["Discovery", "Part", "discover"]

#: The largest null space whose vectors of 0 and 1 are looked for: 2^12 sums.
MOST_NULL = 12


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

    The finest partition is found, from gradients alone: four a point, some forty for everything together that only a
    constant epsilon keeps from being invariant, two to four for everything else, and one for every array that is left,
    to see whether some are invariant together. See the module's documentation for why what is 0 is decided without a
    threshold.

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
    if not isinstance(loss, Loss):
        raise InputError(f"loss: give a ratecheck.Loss, not {type(loss).__name__}")
    if theta is None and loss.theta is None:
        raise InputError("theta: give a point, here or to ratecheck.Loss")
    start = loss.theta if theta is None else _vector(theta, None)
    assert start is not None
    if whole(points, "points") < 1:
        raise InputError("points: give a whole number from 1 on")
    arrays = loss.parameters
    if sum(array.size for array in arrays) != len(start):
        raise InputError(
            f"theta: has {len(start)} entries, where the arrays of the loss have {sum(array.size for array in arrays)}"
        )
    search = _Search(loss, start, points, Gradients(loss, whole(seed, "seed")), say)
    search.arrays_alone()
    search.arrays_of_layers()
    search.arrays_of_several_layers(joint_up_to)
    return search.finished()


class _Search:
    """What is found, and what is left."""

    def __init__(
        self, loss: Loss, start: NDArray[np.float64], points: int, gradients: Gradients, say: Callable[[str], None]
    ) -> None:
        self.loss, self.start, self.gradients, self.say = loss, start, gradients, say
        self.arrays = loss.parameters
        say("points near the start")
        self.drawn = [(near(start, self.arrays, gradients.generator), minibatch(loss, k)) for k in range(points)]
        self.seen: list[Sampled] = points_of(gradients, self.drawn)
        self.lengths = Lengths(gradients, self.drawn, self.seen, say)
        self.found = Discovery()
        #: The units of every array that are in no part yet.
        self.left: dict[str, list[Unit]] = {}

    def keep(self, parts: list[tuple[str, Places, float]], exact: bool) -> list[Part]:
        """Takes parts, each with how many times as long rounding hides epsilon; returns those that F depends on."""
        kept = []
        for name, places, length in parts:
            if len(places) < 2 or not has_effect(self.seen, places):
                # A number that F does not depend on is no direction.
                self.found.without_effect.append(name)
                continue
            rhos = [(*point.rho(places), point.size(places)) for point in self.seen]
            residual = max((rho / size for rho, _, size in rhos if size > 0.0), default=0.0)
            noise = max((noise / size for _, noise, size in rhos if size > 0.0), default=0.0)
            norm = float(np.linalg.norm(self.start[places]))
            kept.append(Part(name, places, norm, residual, noise, 0.0 if exact else norm * length))
        (self.found.invariant if exact else self.found.nearly).extend(kept)
        return kept

    def settle(self, candidates: list[Candidate]) -> list[list[Unit]]:
        """Keeps the parts of candidates that are invariant, or nearly; returns the units that are in none."""
        rests, suspects = [], []
        for candidate in candidates:
            found = cut(candidate, self.seen)
            self.keep([(name, places, 0.0) for name, places in found.parts], True)
            rests.append(found.rest)
            if sum(len(unit.places) for unit in found.rest) > 1:
                suspects.append((len(rests) - 1, Candidate(candidate.name, found.rest)))
        passed = self.lengths.nearly([suspect for _, suspect in suspects])
        asked: list[tuple[Candidate, list[Part]]] = []
        for (k, suspect), one in zip(suspects, passed):
            if one is not None:
                asked.append((suspect, self.keep(one.parts, False)))
                rests[k] = one.rest
        self._ask_for_shares(asked)
        return rests

    def _ask_for_shares(self, asked: list[tuple[Candidate, list[Part]]]) -> None:
        """The shares of epsilon, of a framework that knows its layers."""
        asked = [(candidate, parts) for candidate, parts in asked if parts]
        shares = self.loss._epsilon_shares(*self.drawn[0], [candidate.places for candidate, _ in asked])
        for (_, parts), of_units in zip(asked, shares):
            for k, part in enumerate(parts):
                if len(of_units):
                    # One unit a part where there are as many, else what they have in common.
                    part.epsilon_share = float(of_units[k] if len(of_units) == len(parts) else np.mean(of_units))

    def arrays_alone(self) -> None:
        """Every array but vectors: their entries are numbers, and none is a direction: only the whole can be, or what
        it belongs to."""
        candidates, alone = [], len(self.arrays) == 1
        for array in self.arrays:
            if not array.shape:
                self.left[array.name] = rows(array)
            elif not has_effect(self.seen, array.start + np.arange(array.size)):
                self.found.without_effect.append(array.name)
            elif len(array.shape) == 1 and not alone:
                self.left[array.name] = rows(array)
            else:
                candidates.append(Candidate(array.name, rows(array)))
        for candidate, rest in zip(candidates, self.settle(candidates)):
            if rest:
                self.left[candidate.name] = rest

    def arrays_of_layers(self) -> None:
        """The arrays of a layer together, entry by entry of the first dimension where they agree. Not before arrays
        alone are settled: gamma and beta before a layer, and its weight, have one epsilon together, which falls by the
        lengths of both."""
        layers = self._layers()
        rests = self.settle([candidate for _, candidate in layers])
        for (members, _), rest in zip(layers, rests):
            still = {int(place) for unit in rest for place in unit.places}
            for array in members:
                self.left[array.name] = [unit for unit in self.left[array.name] if int(unit.places[0]) in still]
                if not self.left[array.name]:
                    del self.left[array.name]

    def _layers(self) -> list[tuple[list[Parameter], Candidate]]:
        """What is left of every layer, and whose it is."""
        found = []
        for module in dict.fromkeys(array.module for array in self.arrays if array.name in self.left):
            members = [array for array in self.arrays if array.module == module and array.name in self.left]
            if len(members) == 1 and len(members[0].shape) != 1:
                continue
            groups = [self.left[array.name] for array in members]
            if len({len(group) for group in groups}) == 1:
                units = [
                    Unit(f"{module} row {k + 1}", np.concatenate([unit.places for unit in same]))
                    for k, same in enumerate(zip(*groups))
                ]
            else:
                units = [
                    Unit(array.name, np.concatenate([unit.places for unit in group]))
                    for array, group in zip(members, groups)
                ]
            found.append((members, Candidate(" and ".join(array.name for array in members), units)))
        return found

    def arrays_of_several_layers(self, up_to: int) -> None:
        """What they are is proposed by the null space of points x arrays, exact or to a thousandth, and decided as
        everything else."""
        names = list(self.left)
        if not 2 <= len(names) <= up_to:
            return
        self.say("arrays of several layers together")
        places = [np.concatenate([unit.places for unit in self.left[name]]) for name in names]
        lines = []
        for k in range(len(names) + 2):
            at = near(self.start, self.arrays, self.gradients.generator)
            terms = at * self.gradients.at(at, minibatch(self.loss, k))
            lines.append([terms[p].sum() for p in places])
        rho = np.array(lines)
        scale = np.maximum(np.abs(rho).max(axis=0), np.finfo(float).tiny)
        for level in (2.0**-40, 1e-3):
            proposed = _proposed(rho, scale, level, MOST_NULL)
            while proposed:
                # Those that share no array are looked at together, and the others after them.
                group: list[tuple[int, ...]] = []
                later = []
                for members in proposed:
                    name = " and ".join(names[k] for k in members)
                    if any(names[k] not in self.left for k in members):
                        known = self.found.overlapping + [part.name for part in self.found.invariant]
                        together = np.concatenate([places[k] for k in members])
                        if name not in known and is_zero(self.seen, together):
                            self.found.overlapping.append(name)
                    elif any(set(members) & set(other) for other in group):
                        later.append(members)
                    else:
                        group.append(members)
                units = [
                    Unit(" and ".join(names[k] for k in members), np.concatenate([places[k] for k in members]))
                    for members in group
                ]
                for members, rest in zip(group, self.settle([Candidate(unit.label, [unit]) for unit in units])):
                    for k in members if not rest else ():
                        del self.left[names[k]]
                proposed = later

    def finished(self) -> Discovery:
        """What is left is not invariant."""
        for name in (array.name for array in self.arrays if array.name in self.left):
            places = np.concatenate([unit.places for unit in self.left[name]])
            if max(point.size(places) for point in self.seen) == 0.0:
                self.found.without_effect.append(name)
            else:
                self.found.not_invariant[name] = ratio(self.seen, places)
        self.found.gradients = self.gradients.count
        return self.found


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
        members = tuple(int(k) for k in np.flatnonzero(vector > 0.5))
        if len(members) > 1 and np.abs(vector - (vector > 0.5)).max() < 0.1:
            sets.append(members)
    return [
        one for one in sorted(sets, key=lambda one: (len(one), one)) if not any(set(other) < set(one) for other in sets)
    ]


def _echelon(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The reduced row echelon form, with the largest entries as pivots."""
    basis = basis / np.abs(basis).max(axis=1, keepdims=True)
    for k in range(len(basis)):
        row, column = divmod(int(np.argmax(np.abs(basis[k:]))), basis.shape[1])
        basis[[k, k + row]] = basis[[k + row, k]]
        basis[k] /= basis[k, column]
        for other in range(len(basis)):
            if other != k:
                basis[other] -= basis[other, column] * basis[k]
    return basis
