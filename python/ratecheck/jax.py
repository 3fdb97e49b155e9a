"""Losses from JAX functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

try:
    import jax
except ImportError as _error:
    from .errors import MissingError

    raise MissingError("JAX is not installed: pip install jax") from _error

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ._discover import discover
from ._layout import Blocks
from ._loss import OPERATIONS, Loss, Minibatches, Parameter
from .errors import InputError

__all__ = ["loss"]


def _double() -> Any:
    """Double precision inside a ``with``, whatever the program's own setting."""
    enable = getattr(jax, "enable_x64", None)
    if enable is None:
        enable = importlib.import_module("jax.experimental").enable_x64
    return enable(True)


def _fixed(batch: Any) -> Any:
    return jax.tree.map(
        lambda x: jnp.asarray(x, dtype=jnp.float64 if np.issubdtype(np.asarray(x).dtype, np.floating) else None), batch
    )


def loss(
    fun: Callable[..., Any],
    params: Any,
    batches: Iterable[Any] | None = None,
    *,
    blocks: Blocks | None = None,
    name: str | None = None,
    loss_min: float | None = None,
    radius: float | None = None,
    kinks: str | None = None,
    jit: bool = True,
) -> Loss:
    """A :class:`ratecheck.Loss` of a JAX function: F_k(params) = fun(params, batch_k), and L the mean over the batches;
    ``fun(params)`` without batches.

    Parameters, batches and arithmetic are in double precision, whatever ``jax_enable_x64`` says. theta is the leaves of
    ``params`` in the order of JAX, flattened.
    Gradients are ``jax.value_and_grad``'s, Hessian-vector products forward over reverse. A z of several batches has the
    mean of their losses.

    Args:
        fun: a pure function of the parameters (and a batch) that returns one number: statistics of a normalisation are
            those of the batch, and nothing is drawn.
        params: the start: any tree of arrays.
        batches: any trees of arrays, all of the same shapes if ``jit``.
        blocks: as of :class:`ratecheck.Loss`; left out, :func:`ratecheck.discover` finds them.
        name, loss_min, radius, kinks: as of :class:`ratecheck.Loss`.
        jit: whether the function is compiled.

    Raises:
        InputError, NotDeterministicError, NotFiniteError: as of :class:`ratecheck.Loss`.
    """
    with _double():
        params = jax.tree.map(lambda x: jnp.asarray(x, dtype=jnp.float64), params)
        flat, unravel = ravel_pytree(params)
        theta = np.array(flat, dtype=np.float64)
        fixed = None if batches is None else [_fixed(batch) for batch in batches]
        if fixed is not None and not fixed:
            raise InputError("batches: there is none")

        def f(flat: Any, batch: Any) -> Any:
            value = fun(unravel(flat)) if batch is None else fun(unravel(flat), batch)
            if jnp.shape(value) != ():
                raise InputError(f"fun: returned a loss of shape {jnp.shape(value)}: reduce it to one number")
            return value

        of_gradient = jax.value_and_grad(f)

        def of_product(flat: Any, direction: Any, batch: Any) -> Any:
            return jax.jvp(lambda x: jax.grad(f)(x, batch), (flat,), (direction,))[1]

        if jit:
            of_gradient, of_product = jax.jit(of_gradient), jax.jit(of_product)

    def each(z: Any) -> list[Any]:
        return [None] if fixed is None else [fixed[k] for k in z]

    def value_and_grad(theta: Any, z: Any = None) -> tuple[float, Any]:
        with _double():
            found = [of_gradient(jnp.asarray(theta), batch) for batch in each(z)]
            if len(found) == 1:
                return float(found[0][0]), np.asarray(found[0][1])
            return float(np.mean([float(value) for value, _ in found])), np.mean(
                [np.asarray(grad) for _, grad in found], axis=0
            )

    def hvp(theta: Any, direction: Any, z: Any = None) -> Any:
        with _double():
            found = [np.asarray(of_product(jnp.asarray(theta), jnp.asarray(direction), batch)) for batch in each(z)]
        return found[0] if len(found) == 1 else np.mean(found, axis=0)

    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    parameters, start = [], 0
    for path, leaf in leaves:
        words = [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path]
        parameters.append(Parameter(".".join(words) or "params", start, tuple(leaf.shape), ".".join(words[:-1])))
        start += leaf.size
    made = Loss(
        value_and_grad,
        theta,
        hvp=hvp,
        blocks=blocks,
        minibatches=None
        if fixed is None
        else Minibatches.partition(len(fixed), 1)
        if len(fixed) > 1
        else Minibatches.full(1),
        name=name or str(getattr(fun, "__name__", "loss")),
        about=f"{getattr(fun, '__name__', 'a function')} of JAX {jax.__version__}, {len(parameters)} arrays, float64",
        loss_min=loss_min,
        radius=radius,
        kinks=kinks,
        operations=OPERATIONS + 20.0 * len(theta),
        parameters=parameters,
        probe=blocks is not None,
    )
    if blocks is not None:
        return made
    made.probe()
    return made.with_blocks(discover(made))
