"""Losses from JAX."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import POINT, optional, rayleigh, rayleigh_hvp

jax = optional("jax")

import jax.numpy as jnp  # noqa: E402

import ratecheck  # noqa: E402
from ratecheck import InputError  # noqa: E402

GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((32, 4)), np.arange(32) % 3


def network(epsilon):
    def loss(params, batch):
        x, y = batch
        z = x @ params["hidden"]["W"].T
        z = (z - z.mean(0)) / jnp.sqrt(z.var(0) + epsilon)
        out = jnp.tanh(params["hidden"]["gamma"] * z + params["hidden"]["beta"]) @ params["out"].T
        return -jnp.mean(jax.nn.log_softmax(out)[jnp.arange(len(y)), y])

    return loss


PARAMS = {
    "hidden": {"W": GENERATOR.standard_normal((5, 4)), "gamma": np.ones(5), "beta": np.zeros(5)},
    "out": GENERATOR.standard_normal((3, 5)),
}
BATCHES = [(X[:16], Y[:16]), (X[16:], Y[16:])]


def test_double_precision_whatever_the_program_says():
    a = jnp.array([0.0, 1.0, 3.0])
    loss = ratecheck.jax.loss(
        lambda w: w @ (a * w) / (w @ w), jnp.array([1.0, 2.0, -0.5]), blocks={"w": 3}, loss_min=0.0
    )
    w, d = np.array([0.3, -1.7, 2.2]), np.array([1.0, 2.0, 3.0])
    value, grad = loss.value_and_grad(w)
    # A dozen roundings of numbers near 1.
    assert abs(value - rayleigh(w)[0]) < 1e-15 and np.abs(grad - rayleigh(w)[1]).max() < 1e-15
    assert np.abs(loss.hvp(w, d) - rayleigh_hvp(w, d)).max() < 1e-14
    assert not jax.config.jax_enable_x64


def test_rows_are_found_and_statements_hold():
    loss = ratecheck.jax.loss(network(0.0), PARAMS, BATCHES, loss_min=0.0)
    assert loss.layout.names == [f"hidden.W row {k}" for k in range(1, 6)]
    results = ratecheck.verify(loss, claims=POINT, steps=20, eta_w=[0.1, 10.0])
    assert [claim.status for claim in results] == ["holds"] * len(POINT), str(results)


def test_an_epsilon_is_found():
    found = ratecheck.discover(ratecheck.jax.loss(network(1e-5), PARAMS, BATCHES))
    assert len(found.nearly) == 5 and not found.invariant
    assert found.nearly[0].epsilon_share is None and found.nearly[0].negligible_norm > 1e3


def test_what_cannot_be_used_is_named():
    with pytest.raises(InputError, match=r"a loss of shape \(3,\)"):
        ratecheck.jax.loss(lambda w: w, jnp.ones(3))
    with pytest.raises(InputError, match="there is none"):
        ratecheck.jax.loss(network(0.0), PARAMS, [])
