"""Losses over NumPy arrays: what the engine gets, what is refused, and how."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import A, bilinear, rayleigh, rayleigh_hvp

import ratecheck
from ratecheck import (
    InputError,
    LossError,
    Minibatches,
    NotDeterministicError,
    NotFiniteError,
    RatecheckError,
    RatecheckWarning,
)


def test_what_python_computes_is_what_the_engine_gets(simple):
    w = np.array([0.3, -1.7, 2.2])
    value, grad = simple.value_and_grad(w)
    assert (value, grad.tolist()) == (rayleigh(w)[0], rayleigh(w)[1].tolist())
    assert simple.hvp(w, [1.0, 2.0, 3.0]).tolist() == rayleigh_hvp(w, np.array([1.0, 2.0, 3.0])).tolist()


def test_without_products_there_are_differences_and_they_are_as_good_as_they_say():
    loss = ratecheck.Loss(rayleigh, [1.0, 2.0, -0.5], blocks=[3])
    assert loss.relative_error == 2.0**-24
    w, d = np.array([0.3, -1.7, 2.2]), np.array([1.0, 2.0, 3.0])
    exact, (_, grad) = rayleigh_hvp(w, d), rayleigh(w)
    size = np.linalg.norm(exact) + np.linalg.norm(grad) * np.linalg.norm(d) / np.linalg.norm(w)
    assert np.linalg.norm(loss.hvp(w, d) - exact) <= loss.relative_error * size


@pytest.mark.parametrize(
    ("blocks", "g"),
    [
        ({"w": slice(1, 3)}, None),
        ({"w": [1, 2]}, [0]),
        ([("w", np.array([2, 1]))], slice(0, 1)),
    ],
)
def test_blocks_may_lie_anywhere_in_theta(blocks, g):
    def moved(theta):
        value, grad = bilinear(theta[[1, 2, 0]])
        return value, grad[[2, 0, 1]]

    theta = np.array([0.7, 3.0, 4.0])
    loss = ratecheck.Loss(moved, theta, blocks=blocks, g=g, loss_min=-10.0)
    value, grad = loss.value_and_grad(theta)
    assert value == moved(theta)[0] and np.array_equal(grad, moved(theta)[1])
    results = ratecheck.verify(loss, claims=["definition-2.1", "lemma-2.2", "euler-identities"])
    assert [claim.status for claim in results] == ["holds"] * 3, str(results)


def test_z_is_what_was_drawn():
    seen = []

    def f(theta, z):
        seen.append((z.dtype, z.tolist()))
        return rayleigh(theta)

    loss = ratecheck.Loss(f, [1.0, 2.0, 3.0], blocks=[3], minibatches=Minibatches.partition(6, 2))
    loss.value_and_grad([1.0, 1.0, 1.0], [4, 5])
    assert seen[-1] == (np.dtype(np.int64), [4, 5])
    assert loss.minibatches.first().tolist() == [0, 1]
    with pytest.raises(InputError, match="from 0 to 5"):
        loss.value_and_grad([1.0, 1.0, 1.0], [6])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"theta": None}, "theta: give the start"),
        ({"theta": [[1.0]]}, r"theta: has shape \(1, 1\)"),
        ({"theta": [1.0, float("nan"), 2.0]}, "theta: entry 1 is not finite"),
        ({"theta": ["a", "b", "c"]}, "theta: give a vector of numbers"),
        ({"theta": []}, "there are no parameters"),
        ({"blocks": {"w": 4}}, "w ends at 4, beyond the 3 parameters"),
        ({"blocks": {"w": 0}}, "w has no parameters"),
        ({"blocks": {"w": [0, 0]}}, "named twice"),
        ({"blocks": {"w": [3]}}, r"place 3 is not in 0\.\.2"),
        ({"blocks": {"w": slice(0, 9)}}, "beyond the 3 parameters"),
        ({"blocks": {"w": [0.5]}}, "give a number of parameters, a slice, or a vector of places"),
        ({"blocks": [("a", [0, 1]), ("b", [1, 2])]}, "parameter 1 is in another part already"),
        ({"blocks": [("a", [0]), ("a", [1, 2])]}, "two of them are called a"),
        ({"blocks": {"w": 2}, "g": 2}, "g: 2 parameters, where 1 of 3 are in no block"),
        ({"blocks": {"w": [0]}, "g": [1]}, "parameter 2 is neither in a block nor in g"),
        ({"minibatches": Minibatches.partition(5, 2)}, "5 examples cannot be cut into minibatches of 2"),
        ({"minibatches": Minibatches.subsets(5, 6)}, "a minibatch of 6 cannot be drawn"),
        ({"minibatches": "all"}, "minibatches: give"),
        ({"hvp": 3}, "hvp: give a function, not int"),
        ({"radius": -1.0}, "radius: -1.0: give a number above 0"),
        ({"loss_min": float("inf")}, "loss_min: inf is not finite"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ratecheck.Loss(rayleigh, **{"theta": [1.0, 2.0, 3.0], **arguments})


def test_a_block_without_a_direction_is_refused():
    with pytest.raises(InputError, match="the block w is 0"):
        ratecheck.Loss(bilinear, [0.0, 0.0, 1.0], blocks={"w": 2})


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda w: (1.0, np.zeros(2)), LossError, r"a gradient of shape \(2,\), where theta has shape \(3,\)"),
        (lambda w: (1.0, None), LossError, "a gradient that is None"),
        (lambda w: (1.0, ["a", "b", "c"]), LossError, "no array of numbers"),
        (lambda w: (1.0, np.zeros(3, dtype=complex)), LossError, "no array of numbers"),
        (lambda w: ("high", np.zeros(3)), LossError, "the value high, which is no number"),
        (lambda w: 1.0, LossError, "return the value and the gradient"),
        (lambda w: (float("nan"), np.zeros(3)), NotFiniteError, "the loss is nan at the start"),
        (
            lambda w: (1.0, np.array([0.0, np.inf, 0.0])),
            NotFiniteError,
            "1 entries of the gradient are not finite at the start, first entry 1",
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_of_its_class(function, error, message):
    with pytest.raises(error, match=message) as raised:
        ratecheck.Loss(function, [1.0, 2.0, 3.0], blocks=[3])
    assert isinstance(raised.value, RatecheckError)


def test_randomness_is_found():
    generator = np.random.default_rng(0)

    def noisy(w):
        value, grad = rayleigh(w)
        return value, grad + 1e-9 * generator.standard_normal(3)

    with pytest.raises(NotDeterministicError, match="not the same twice at one point"):
        ratecheck.Loss(noisy, [1.0, 2.0, 3.0], blocks=[3])


def test_wrong_products_are_found():
    with pytest.raises(LossError, match="hvp is off by"):
        ratecheck.Loss(rayleigh, [1.0, 2.0, 3.0], hvp=lambda w, d: -rayleigh_hvp(w, d), blocks=[3])


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda grad: grad.astype(np.float32), "dtype float32: it is copied"),
        (lambda grad: np.repeat(grad, 2)[::2], "not contiguous: it is copied"),
    ],
)
def test_what_is_copied_is_said(convert, message):
    def f(w):
        value, grad = rayleigh(w)
        return value, convert(grad)

    with pytest.warns(RatecheckWarning, match=message):
        loss = ratecheck.Loss(f, [1.0, 2.0, 3.0], blocks=[3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.allclose(loss.value_and_grad([1.0, 2.0, 3.0])[1], rayleigh(np.array([1.0, 2.0, 3.0]))[1], rtol=1e-6)


def test_what_a_function_raises_comes_out_as_it_was():
    class Mine(Exception):
        pass

    def f(w):
        raise Mine("as it was")

    with pytest.raises(Mine, match="as it was"):
        ratecheck.Loss(f, [1.0, 2.0, 3.0], blocks=[3])
    # Nothing of it is left behind.
    assert ratecheck.Loss(rayleigh, [1.0, 2.0, 3.0], blocks=[3]).value_and_grad([1.0, 0.0, 0.0])[0] == A[0]


def test_a_start_can_come_later():
    loss = ratecheck.Loss(bilinear, blocks={"w": 2}, g=1)
    with pytest.raises(InputError, match="give the start"):
        ratecheck.verify(loss)
    assert ratecheck.verify(loss, [3.0, 4.0, 1.0], claims="definition-2.1").ok
