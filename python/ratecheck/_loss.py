"""Any loss over NumPy arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._layout import Blocks, Layout, Where, size_of
from .errors import InputError, LossError, NotDeterministicError, NotFiniteError, RatecheckWarning

Vector = NDArray[np.float64]
#: What a gradient costs in multiply-adds unless it is said: a call of an interpreter (50 microseconds at 2e9 a second).
OPERATIONS = 1e5


@dataclass(frozen=True)
class Minibatches:
    """The distribution of z in L = E_z F_z: part of what L is.

    Make one with :meth:`full`, :meth:`partition` or :meth:`subsets`.
    """

    how: str
    n_examples: int
    batch_size: int

    @classmethod
    def full(cls, n_examples: int) -> Minibatches:
        """z is always all examples: L = F_z, and SGD is gradient descent."""
        return cls("full", n_examples, n_examples)

    @classmethod
    def partition(cls, n_examples: int, batch_size: int) -> Minibatches:
        """z is one of n_examples / batch_size fixed minibatches in the order of the examples, each equally likely: L is
        an exact mean."""
        return cls("partition", n_examples, batch_size)

    @classmethod
    def subsets(cls, n_examples: int, batch_size: int) -> Minibatches:
        """z is a uniformly random subset: L is only known by sampling."""
        return cls("subsets", n_examples, batch_size)

    def first(self) -> NDArray[np.int64]:
        """The first minibatch."""
        return np.arange(self.batch_size, dtype=np.int64)


@dataclass(frozen=True)
class Parameter:
    """One array of parameters inside theta: ``theta[start : start + size].reshape(shape)``.

    ``module`` names the layer that it belongs to: what :func:`ratecheck.discover` looks at together.
    """

    name: str
    start: int
    shape: tuple[int, ...]
    module: str = ""

    @property
    def size(self) -> int:
        """The number of its entries."""
        return int(np.prod(self.shape, dtype=np.int64))


def _converted(found: Any, n: int, what: str) -> Vector:
    """Whatever a function returned as a contiguous vector of n doubles; called only where it is not one already."""
    if found is None:
        raise LossError(f"{what} that is None: return an array of {n} doubles")
    try:
        array = np.asarray(found)
        if array.dtype != np.float64:
            if array.dtype.kind not in "fiu":
                raise TypeError(f"dtype {array.dtype}")
            warnings.warn(
                f"{what} of dtype {array.dtype}: it is copied to float64, and keeps the digits it has; return float64",
                RatecheckWarning,
                stacklevel=2,
            )
    except (TypeError, ValueError) as error:
        raise LossError(f"{what} that is no array of numbers ({error}): return an array of {n} doubles") from error
    if array.shape != (n,):
        raise LossError(f"{what} of shape {array.shape}, where theta has shape ({n},)")
    if array.dtype == np.float64 and not array.flags.c_contiguous:
        warnings.warn(f"{what} that is not contiguous: it is copied", RatecheckWarning, stacklevel=2)
    return np.array(array, dtype=np.float64, order="C")


class Loss:
    """A loss F_z(theta) with some scale-invariant blocks w_1..w_m and a rest g.

    Args:
        value_and_grad: ``f(theta) -> (F, grad F)``, or with ``minibatches`` ``f(theta, z) -> (F_z, grad F_z)``.
            ``theta`` and the gradient are
            vectors of n doubles; ``z`` lists the examples of the minibatch (int64). It must be deterministic: F_z is a
            function of
            theta and z alone.
        theta: the start, n numbers. It may be left out if ``blocks`` and ``g`` are numbers of parameters, and be given
            later.
        hvp: ``h(theta, d) -> Hess F(theta) d``, with ``minibatches`` ``h(theta, d, z)``. Without it, products are
            central differences of
            gradients (two gradients each): tolerances of identities about Hessians then grow by :attr:`relative_error`,
            6e-8, and every
            result says so.
        value: ``v(theta)`` or ``v(theta, z)``, the value alone, where that is cheaper.
        blocks: what is scale invariant: ``{"W1 row 1": slice(0, 8), ...}``, or a list; a part is a number of parameters
            (the next ones), a slice, or
            places in theta. :func:`ratecheck.discover` finds them.
        g: the rest; it may be left out.
        minibatches: how z is drawn; left out, there is one F.
        name: shown in tables; in file names too.
        about: what the loss is, in a line.
        loss_min: a lower bound of the loss, if one is known (0 for a squared or logistic loss): some statements need
            it.
        radius: K of ||g|| <= K, if one is known: where constants are searched.
        kinks: why there is no second derivative somewhere, as ``"ReLU: no Hessian"``: statements that need one are then
            not applicable.
        operations: what a gradient costs, in multiply-adds: budgets of steps follow from it, never from a clock.
        parameters: the arrays inside theta, for :func:`ratecheck.discover`.
        probe: whether the loss is tried at the start: twice the same? finite? are its products those of its gradients?

    Raises:
        InputError: an argument makes no sense.
        NotDeterministicError, NotFiniteError, LossError: what the probe finds.

    Example:
        >>> import numpy as np, ratecheck
        >>> def rayleigh(w):                       # F = w'Aw / w'w with A = diag(0, 1): scale invariant
        ...     n = w @ w
        ...     f = w[1] ** 2 / n
        ...     return f, 2 * (np.array([0.0, w[1]]) - f * w) / n
        >>> loss = ratecheck.Loss(rayleigh, [3.0, 4.0], blocks={"w": 2}, loss_min=0.0)
        >>> value, gradient = loss.value_and_grad([3.0, 4.0])
        >>> round(value, 12), float(abs(gradient @ [3.0, 4.0])) < 1e-15      # Lemma 2.4: the gradient is perpendicular to w
        (0.64, True)
    """

    def __init__(
        self,
        value_and_grad: Callable[..., tuple[float, Vector]],
        theta: ArrayLike | None = None,
        *,
        hvp: Callable[..., Vector] | None = None,
        value: Callable[..., float] | None = None,
        blocks: Blocks | None = None,
        g: Where | None = None,
        minibatches: Minibatches | int | None = None,
        name: str = "loss",
        about: str | None = None,
        loss_min: float | None = None,
        radius: float | None = None,
        kinks: str | None = None,
        operations: float = OPERATIONS,
        parameters: Sequence[Parameter] | None = None,
        probe: bool = True,
    ) -> None:
        for what, function in (("value_and_grad", value_and_grad), ("hvp", hvp), ("value", value)):
            if function is not None and not callable(function):
                raise InputError(f"{what}: give a function, not {type(function).__name__}")
        self.theta: Vector | None = None if theta is None else _vector(theta, None)
        n = len(self.theta) if self.theta is not None else size_of(blocks, g)
        if n == 0:
            raise InputError("theta: there are no parameters")
        self.layout = Layout(n, blocks, g)
        self.takes_z = minibatches is not None
        if isinstance(minibatches, (int, np.integer)):
            minibatches = Minibatches.full(int(minibatches))
        self.minibatches = Minibatches.full(1) if minibatches is None else minibatches
        if not isinstance(self.minibatches, Minibatches) or self.minibatches.n_examples < 1:
            raise InputError(
                "minibatches: give ratecheck.Minibatches.full(n), .partition(n, size) or .subsets(n, size)"
            )
        for what, number in (("loss_min", loss_min), ("radius", radius), ("operations", operations)):
            if number is not None and not np.isfinite(number):
                raise InputError(f"{what}: {number} is not finite")
        if radius is not None and not radius > 0:
            raise InputError(f"radius: {radius}: give a number above 0")
        self.name = name
        self.loss_min, self.radius, self.kinks = loss_min, radius, kinks
        self.about = about or "a loss in Python"
        self.parameters = list(parameters) if parameters is not None else [Parameter("theta", 0, (n,))]
        self._functions: dict[str, Any] = {"value_and_grad": value_and_grad, "hvp": hvp, "value": value}
        self._operations = float(operations)
        self._core = _core.Loss(
            value_and_grad,
            value,
            hvp,
            _converted,
            [(name, len(places)) for name, places in zip(self.layout.names, self.layout.places)],
            len(self.layout.g),
            None if self.layout.order is None else self.layout.order.tolist(),
            (self.minibatches.how, self.minibatches.n_examples, self.minibatches.batch_size),
            self.takes_z,
            self._operations,
        )
        if probe and self.theta is not None:
            self.probe()

    @property
    def n_parameters(self) -> int:
        """n."""
        return sum(map(len, self.layout.places)) + len(self.layout.g)

    @property
    def relative_error(self) -> float:
        """What Hessian-vector products may be off by beyond rounding, relative to their terms: 0 with ``hvp``, else
        2^-24."""
        return self._core.relative_error

    def value_and_grad(self, theta: ArrayLike, z: Iterable[int] | None = None) -> tuple[float, Vector]:
        """F_z and its gradient at theta as the engine gets them; z is the first minibatch unless it is given."""
        return self._core.value_and_grad(_vector(theta, self.n_parameters), self._z(z))

    def hvp(self, theta: ArrayLike, direction: ArrayLike, z: Iterable[int] | None = None) -> Vector:
        """Hess F_z(theta) direction, n numbers."""
        n = self.n_parameters
        return self._core.product(_vector(theta, n), _vector(direction, n, "direction"), self._z(z))

    def start(self, theta: ArrayLike | None = None) -> Vector:
        """theta if it is given, else the loss's own start."""
        if theta is None and self.theta is None:
            raise InputError("theta: give the start, here or to ratecheck.Loss")
        start = self.theta if theta is None else _vector(theta, self.n_parameters)
        assert start is not None
        for name, places in zip(self.layout.names, self.layout.places):
            if not np.any(start[places]):
                raise InputError(f"theta: the block {name} is 0, and has no direction: start elsewhere")
        return start

    def with_blocks(self, blocks: Any, g: Where | None = None) -> Loss:
        """The same loss with other blocks: a :class:`ratecheck.Discovery`, or what ``blocks`` takes."""
        blocks = getattr(blocks, "blocks", blocks)
        return Loss(
            **self._functions,
            theta=self.theta,
            blocks=blocks,
            g=g,
            minibatches=self.minibatches if self.takes_z else None,
            name=self.name,
            about=self.about,
            loss_min=self.loss_min,
            radius=self.radius,
            kinks=self.kinks,
            operations=self._operations,
            parameters=self.parameters,
            probe=False,
        )

    def probe(self, theta: ArrayLike | None = None) -> None:
        """Tries the loss at its start: is it finite, is it the same every time, are its products those of its
        gradients?

        Raises:
            NotFiniteError, NotDeterministicError, LossError.
        """
        theta = self.start(theta)
        value, grad = self.value_and_grad(theta)
        if not np.isfinite(value):
            raise NotFiniteError(
                f"{self.name}: the loss is {value} at the start: a unit without spread cannot be normalised; start elsewhere"
            )
        if not np.isfinite(grad).all():
            bad = np.flatnonzero(~np.isfinite(grad))
            raise NotFiniteError(
                f"{self.name}: {len(bad)} entries of the gradient are not finite at the start, first entry {bad[0]}"
            )
        for _ in range(2):
            again, other = self.value_and_grad(theta)
            if again != value or not np.array_equal(other, grad):
                apart = max(abs(again - value), float(np.max(np.abs(other - grad))))
                raise NotDeterministicError(
                    f"{self.name}: F_z is not the same twice at one point (by {apart:.1e}){self._suspects()}: "
                    "evaluate without randomness, on a fixed minibatch"
                )
        if self._functions["hvp"] is not None:
            self._probe_products(theta, grad)

    def _suspects(self) -> str:
        """What may be random; frameworks know more."""
        return ""

    def _epsilon_shares(
        self, theta: Vector, z: list[int] | None, parts: Sequence[NDArray[np.int64]]
    ) -> Sequence[Sequence[float]]:
        """For each part, epsilon / (variance + epsilon) of every unit of normalisation whose variance grows with it;
        frameworks know them."""
        return [[] for _ in parts]

    def _probe_products(self, theta: Vector, grad: Vector) -> None:
        if self.kinks is not None:
            return  # a kink inside a step spoils a difference, and large networks have one in most
        for k in (1.0, 2.0, 3.0):
            # Signs without a pattern: neither an axis nor a multiple of theta. As long as theta, part by part.
            direction = np.sign(np.sin(k * np.arange(1.0, len(theta) + 1)))
            for places in self.layout.places:
                direction[places] *= np.linalg.norm(theta[places]) / np.sqrt(len(places))
            product = self.hvp(theta, direction)
            difference = self._core.difference(theta, direction, self._z(None))
            size = float(np.linalg.norm(difference) + np.linalg.norm(grad) * np.sqrt(len(theta)))
            apart = float(np.linalg.norm(product - difference))
            # A thousandth of the size is a wrong product. A right one may be spoilt by an unknown kink, but not along
            # every direction.
            if apart <= 1e-3 * size:
                return
        raise LossError(
            f"{self.name}: hvp is off by {apart:.1e} from differences of gradients, whose size is {size:.1e}: is it Hess F times the direction, in the order of theta?"
        )

    def _z(self, z: Iterable[int] | None) -> list[int]:
        n = self.minibatches.n_examples
        z = self.minibatches.first().tolist() if z is None else [int(k) for k in z]
        if not z or min(z) < 0 or max(z) >= n:
            raise InputError(f"z: give places of examples, from 0 to {n - 1}")
        return z

    def __repr__(self) -> str:
        m = len(self.layout.places)
        return f"<ratecheck.Loss {self.name}: {self.n_parameters} parameters, {m} blocks, g has {len(self.layout.g)}>"


def _vector(x: ArrayLike, n: int | None, name: str = "theta") -> Vector:
    try:
        array = np.ascontiguousarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: give a vector of numbers ({error})") from error
    if array.ndim != 1 or (n is not None and len(array) != n):
        raise InputError(
            f"{name}: has shape {array.shape}"
            + ("; give a vector" if n is None else f", where there are {n} parameters")
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name}: entry {np.flatnonzero(~np.isfinite(array))[0]} is not finite")
    return array
