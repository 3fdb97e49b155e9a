"""What a computed zero is: gradients sampled under roundings, and the finest parts whose running sums are 0.

See :mod:`ratecheck._discover` for why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np
from numpy.typing import NDArray

from ._loss import Loss, Parameter
from .errors import InputError

#: Evaluations at one point: as given, and moved by roundings. Two are enough where what they say is plain.
FEW, SAMPLES = 2, 4
#: Student's t for one evaluation fewer degrees of freedom, two-sided at the level 1e-6: 2 / (1e-6 pi) for one.
STUDENT = {FEW: 636619.8, SAMPLES: 103.3}
#: The roundings of double and of single precision.
UNITS = (2.0**-53, 2.0**-24)

Places = NDArray[np.int64]
Vector = NDArray[np.float64]
At = Union[slice, Places]


def where(places: Places) -> At:
    """A slice where there is one: nothing is copied then."""
    first, n = int(places[0]), len(places)
    if int(places[-1]) - first + 1 == n and (n < 3 or bool((np.diff(places) == 1).all())):
        return slice(first, first + n)
    return places


@dataclass
class Unit:
    """What is never cut: a row of an array, or the entries of several arrays of a layer that have one number."""

    label: str
    places: Places


@dataclass
class Candidate:
    """Consecutive units of one array, or of the arrays of a layer."""

    name: str
    units: list[Unit]

    @property
    def places(self) -> Places:
        """Those of all units."""
        return np.concatenate([unit.places for unit in self.units])

    def label(self, first: int, end: int) -> str:
        """The name of the part that units first .. end - 1 are."""
        if end - first == len(self.units):
            return self.name
        one, last = (self.units[k].label.rpartition(" row ")[2] for k in (first, end - 1))
        return f"{self.name} row {one}" if end - first == 1 else f"{self.name} rows {one} to {last}"


def rows(parameter: Parameter) -> list[Unit]:
    """The rows of an array."""
    count = parameter.shape[0] if parameter.shape else 1
    places = parameter.start + np.arange(parameter.size, dtype=np.int64)
    return [Unit(f"{parameter.name} row {k + 1}", row) for k, row in enumerate(places.reshape(count, -1))]


class Gradients:
    """The gradients of a loss, counted, and its arithmetic."""

    def __init__(self, loss: Loss, seed: int) -> None:
        self.loss, self.generator = loss, np.random.default_rng(seed)
        self.count = 0
        #: The rounding of the arithmetic that the framework uses, once it is known.
        self.unit: float | None = None

    def at(self, theta: Vector, z: list[int] | None) -> Vector:
        """grad F_z(theta)."""
        self.count += 1
        return self.loss.value_and_grad(theta, z)[1]

    def moved(self, theta: Vector, z: list[int] | None, unit: float) -> Vector:
        """The same where every parameter is moved by one rounding, up or down."""
        bits = np.frombuffer(self.generator.bytes(-(-len(theta) // 8)), dtype=np.uint8)
        factors = np.array([1.0 - 2.0 * unit, 1.0 + 2.0 * unit])[np.unpackbits(bits, count=len(theta))]
        factors *= theta
        return self.at(factors, z)


class Sampled:
    """grad F at one point, as it is and moved by roundings."""

    def __init__(self, gradients: Gradients, theta: Vector, z: list[int] | None, samples: int = SAMPLES) -> None:
        self._gradients, self._z = gradients, z
        self.theta = theta
        self.grads = [gradients.at(theta, z)]
        if gradients.unit is not None:
            self.unit = gradients.unit
        else:
            # Where roundings of doubles change nothing at all, the framework computes in single precision.
            for self.unit in UNITS:
                self.grads = [self.grads[0], gradients.moved(theta, z, self.unit)]
                if np.any(self.grads[1] != self.grads[0]):
                    gradients.unit = self.unit
                    break
        self.take(samples)

    def take(self, samples: int) -> None:
        """Evaluates until there are so many samples."""
        while len(self.grads) < samples:
            self.grads.append(self._gradients.moved(self.theta, self._z, self.unit))

    @property
    def finite(self) -> bool:
        """Whether all that was evaluated is."""
        return all(bool(np.isfinite(grad).all()) for grad in self.grads)

    def sums(self, parts: Sequence[Places]) -> tuple[NDArray[np.longdouble], Vector]:
        """sum_k theta_k dF/dtheta_k over each part, samples x parts, and what the roundings of its products are at
        most."""
        total = np.empty((len(self.grads), len(parts)), dtype=np.longdouble)
        own = np.empty(len(parts))
        for k, places in enumerate(parts):
            at = where(places)
            theta = self.theta[at]
            for sample, grad in enumerate(self.grads):
                terms = theta * grad[at]
                total[sample, k] = terms.sum(dtype=np.longdouble)
                if sample == 0:
                    # Every product is rounded once, and the sum itself is in more digits.
                    own[k] = 2.0 * self.unit * float(np.abs(terms).sum())
        return total, own

    def noise(self, sums: NDArray[np.longdouble], own: Vector) -> Vector:
        """What rounding makes of means of sums, from their spread over the samples."""
        n = len(self.grads)
        spread = sums.std(axis=0, ddof=1) * STUDENT[n] / np.sqrt(n)
        total: Vector = spread.astype(np.float64) + own
        return total

    def rhos(self, parts: Sequence[Places]) -> tuple[Vector, Vector]:
        """|rho| of parts, and what rounding makes of it."""
        sums, own = self.sums(parts)
        return np.abs(sums.mean(axis=0)).astype(np.float64), self.noise(sums, own)

    def rho(self, places: Places) -> tuple[float, float]:
        """The same of one."""
        found, noise = self.rhos([places])
        return float(found[0]), float(noise[0])

    def size(self, places: Places) -> float:
        """||w|| ||grad_w F||."""
        at = where(places)
        return float(np.linalg.norm(self.theta[at]) * np.linalg.norm(self.grads[0][at]))

    def has_effect(self, places: Places) -> bool:
        """Whether F depends on a part: not if its gradient is rounding, or nothing."""
        at = where(places)
        grads = [grad[at] for grad in self.grads]
        floor = 2.0 * self.unit * max(float(np.abs(grad).max(initial=0.0)) for grad in grads)

        def beyond(entries: slice) -> bool:
            some = np.stack([grad[entries] for grad in grads])
            noise = STUDENT[len(grads)] / np.sqrt(len(grads)) * some.std(axis=0, ddof=1)
            return bool(np.any(np.abs(some.mean(axis=0)) > noise + floor))

        # One entry is enough, and the largest is most often it.
        one = int(np.abs(grads[0]).argmax())
        return beyond(slice(one, one + 1)) or beyond(slice(None))


def is_zero(points: list[Sampled], places: Places) -> bool:
    """Whether rho of a part is a computed zero at every point."""
    return all(rho <= noise for rho, noise in (point.rho(places) for point in points))


def ratio(points: list[Sampled], places: Places) -> float:
    """|w' grad_w F| / (||w|| ||grad_w F||), the largest at some points."""
    found = [(point.rho(places)[0], point.size(places)) for point in points]
    return max((rho / size for rho, size in found if size > 0.0), default=0.0)


def has_effect(points: list[Sampled], places: Places) -> bool:
    """Whether F depends on a part somewhere."""
    return any(point.has_effect(places) for point in points)


@dataclass
class Cut:
    """The finest parts of consecutive units with rho = 0, and the units that are in none."""

    parts: list[tuple[str, Places]]
    rest: list[Unit]


def cut(candidate: Candidate, points: list[Sampled]) -> Cut:
    """Cuts a candidate wherever the running sum of rho is 0 at every point."""
    units, m = candidate.units, len(candidate.units)
    running = []
    single = np.ones(m, dtype=bool)
    for point in points:
        sums, own = point.sums([unit.places for unit in units])
        single &= np.abs(sums.mean(axis=0)) <= point.noise(sums, own)
        total = np.zeros((len(point.grads), m + 1), dtype=np.longdouble)
        np.cumsum(sums, axis=1, out=total[:, 1:])
        running.append((point, total, np.concatenate([[0.0], np.cumsum(own)])))

    def zero(first: int, end: int) -> bool:
        for point, total, roundings in running:
            rho = (total[:, end] - total[:, first])[:, None]
            if not abs(rho.mean()) <= point.noise(rho, roundings[end : end + 1] - roundings[first : first + 1])[0]:
                return False
        return True

    found = Cut([], [])
    start = 0  # of the run at hand

    def keep(first: int, end: int) -> None:
        places = np.sort(np.concatenate([unit.places for unit in units[first:end]]))
        found.parts.append((candidate.label(first, end), places))

    def close(end: int) -> None:
        nonlocal start
        for k in range(start + 2, end + 1):
            if k - start > 1 and zero(start, k):
                keep(start, k)
                start = k
        found.rest.extend(units[start:end])

    for k in range(m):
        if single[k]:
            close(k)
            keep(k, k + 1)
            start = k + 1
    close(m)
    return found


def near(start: Vector, arrays: list[Parameter], generator: np.random.Generator) -> Vector:
    """A tenth of the size of each array away, at random: nothing is 0 there by the chance of an initialiser."""
    point = start.copy()
    for array in arrays:
        part = point[array.start : array.start + array.size]
        size = np.sqrt(np.mean(part**2)) if part.size else 0.0
        part += 0.1 * (size if size > 0.0 else 1.0) * generator.standard_normal(part.size)
    return point


def minibatch(loss: Loss, k: int) -> list[int] | None:
    """The k-th minibatch, where there are finitely many."""
    z = loss.minibatches
    if z.how != "partition":
        return None
    first = (k % (z.n_examples // z.batch_size)) * z.batch_size
    return list(range(first, first + z.batch_size))


def points_of(gradients: Gradients, drawn: list[tuple[Vector, list[int] | None]]) -> list[Sampled]:
    """The points near the start, sampled.

    Raises:
        InputError: the gradient is not finite at one.
    """
    seen = [Sampled(gradients, at, z) for at, z in drawn]
    if not all(point.finite for point in seen):
        raise InputError("theta: the gradient is not finite near the start")
    return seen
