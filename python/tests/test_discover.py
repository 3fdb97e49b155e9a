"""Scale-invariant parts of NumPy functions, whose partition is known."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import bilinear, rayleigh

import ratecheck
from ratecheck import InputError, Parameter


def two_rayleighs(theta):
    """Two vectors in one theta, each scale invariant, and a number that is not."""
    one, two = rayleigh(theta[:3]), rayleigh(theta[3:6])
    value = one[0] * two[0] * theta[6]
    return value, np.array([*(one[1] * two[0] * theta[6]), *(two[1] * one[0] * theta[6]), one[0] * two[0]])


def names(found):
    return [name for name, _ in found.blocks]


def test_the_finest_partition_of_a_vector():
    loss = ratecheck.Loss(two_rayleighs, [1.0, 2.0, -0.5, 0.3, 0.7, 2.0, 1.5])
    found = ratecheck.discover(loss)
    assert [places.tolist() for _, places in found.blocks] == [[0, 1, 2], [3, 4, 5]]
    assert all(part.exact and part.residual <= part.noise for part in found.invariant)
    assert found.not_invariant == {"theta": pytest.approx(1.0)}
    assert ratecheck.verify(loss.with_blocks(found), claims=["definition-2.1", "lemma-2.2"]).ok


def test_rows_and_what_is_not():
    def rows(theta):
        w, a = theta[:6].reshape(2, 3), theta[6:8]
        each = [rayleigh(row) for row in w]
        value = sum(a[k] * each[k][0] for k in range(2))
        return value, np.concatenate([a[0] * each[0][1], a[1] * each[1][1], [each[0][0], each[1][0]]])

    arrays = [Parameter("W", 0, (2, 3), "layer"), Parameter("a", 6, (2,), "head")]
    loss = ratecheck.Loss(rows, [1.0, 2.0, -0.5, 0.3, 0.7, 2.0, 1.5, -1.0], parameters=arrays)
    found = ratecheck.discover(loss)
    assert names(found) == ["W row 1", "W row 2"] and list(found.not_invariant) == ["a"]
    assert "W: 2 parts of 3" in str(found) and "not invariant" in str(found) and found._repr_html_().count("<tr>") == 3


@pytest.mark.parametrize("epsilon", [1e-3, 1e-6, 1e-9, 1e-12])
def test_an_epsilon_is_found_at_any_size_and_the_norm_from_which_on_it_is_hidden(epsilon):
    def smoothed(theta):
        """w'Aw / (w'w + epsilon): what a constant epsilon does."""
        n, a = theta @ theta + epsilon, np.array([0.0, 1.0, 3.0])
        f = theta @ (a * theta) / n
        return f, 2.0 * (a * theta - f * theta) / n

    loss = ratecheck.Loss(smoothed, [1.0, 2.0, -0.5], parameters=[Parameter("w", 0, (1, 3))])
    found = ratecheck.discover(loss)
    assert names(found) == ["w"] and not found.invariant
    part = found.nearly[0]
    # Its effect, rho = 2 epsilon f / n of a gradient of size 1, is hidden where epsilon / n is some roundings.
    assert part.residual > part.noise and 1e-3 < part.negligible_norm / (np.sqrt(epsilon) * 2.0**26.5) < 1.0
    # A little longer, rho is hidden in most draws of four samples. 5 times as long (and the norm is 2.3) it is a
    # hundredth of the noise: four samples that say a hundredth of it are seen once in a million draws (chi^2 of 3).
    longer = loss.theta * 5.0 * part.negligible_norm
    again = ratecheck.discover(loss, longer)
    assert again.invariant and not again.nearly


def test_members_of_a_group_do_not_pass_by_one_another(monkeypatch):
    """F = a'Aa / (a'a + epsilon) + x/y^2 with x = ||b||^2 and y = ||c||^2: neither b nor c is invariant, but along a
    common length both fall as with an epsilon."""

    def f(theta):
        a, b, c = theta[:3], theta[3:5], theta[5:7]
        diagonal, n = np.array([0.0, 1.0, 3.0]), a @ a + 1e-6
        value = a @ (diagonal * a) / n
        x, y = b @ b, c @ c
        # As where it is a part of something of size 1, whose rounding hides it in the end.
        of_b, of_c = (1.0 + 2.0 * b / y**2) - 1.0, (1.0 - 4.0 * c * x / y**3) - 1.0
        return value + x / y**2, np.concatenate([2.0 * (diagonal * a - value * a) / n, of_b, of_c])

    arrays = [Parameter("a", 0, (1, 3), "a"), Parameter("b", 3, (1, 2), "b"), Parameter("c", 5, (1, 2), "c")]
    loss = ratecheck.Loss(f, [1.0, 2.0, -0.5, 0.3, 0.4, 0.5, 0.6], parameters=arrays)
    found = ratecheck.discover(loss)
    assert names(found) == ["a"] and not found.invariant and set(found.not_invariant) == {"b", "c"}
    # Were all made longer by the same, they would pass.
    monkeypatch.setattr("ratecheck._epsilon.SPREAD", 0.0)
    assert names(ratecheck.discover(loss)) == ["a", "b", "c"]


def test_what_saturates_is_not_taken_for_an_epsilon():
    def saturated(theta):
        """tanh(c'w): flat where w is long, and not scale invariant."""
        c = np.array([0.5, -0.3, 0.2])
        f = np.tanh(c @ theta)
        return f, (1.0 - f * f) * c

    loss = ratecheck.Loss(saturated, [1.0, 0.2, -0.5], parameters=[Parameter("w", 0, (1, 3))])
    found = ratecheck.discover(loss)
    assert not found.blocks and list(found.not_invariant) == ["w"]


def test_what_has_no_effect_is_no_block():
    def f(theta):
        value, grad = rayleigh(theta[:3])
        return value, np.array([*grad, 0.0, 0.0])

    arrays = [Parameter("w", 0, (1, 3)), Parameter("unused", 3, (2,))]
    found = ratecheck.discover(ratecheck.Loss(f, [1.0, 2.0, -0.5, 4.0, 5.0], parameters=arrays))
    assert names(found) == ["w"] and found.without_effect == ["unused"]


def test_arrays_of_several_layers_together():
    """F(a + b) with F scale invariant: only both together are; F(c d) in numbers c and d: each is, and only their
    product matters."""

    def f(theta):
        value, grad = rayleigh(theta[:3] + theta[3:6])
        return value, np.concatenate([grad, grad])

    arrays = [Parameter("a", 0, (1, 3), "first"), Parameter("b", 3, (1, 3), "second")]
    found = ratecheck.discover(ratecheck.Loss(f, [1.0, 2.0, -0.5, 0.3, -0.2, 0.4], parameters=arrays))
    assert names(found) == ["a and b"] and not found.not_invariant


def test_what_overflows_where_it_is_long_is_not_invariant():
    def f(w):
        return float(np.exp(w[0]) + w[1]), np.array([np.exp(w[0]), 1.0])

    with np.errstate(over="ignore"):
        found = ratecheck.discover(ratecheck.Loss(f, [1.0, 2.0]))
    assert not found.blocks and list(found.not_invariant) == ["theta"]


def test_single_precision_is_noticed():
    def single(theta):
        w = theta.astype(np.float32)
        value, grad = rayleigh(w)
        return float(value), grad.astype(np.float64)

    found = ratecheck.discover(ratecheck.Loss(single, [1.0, 2.0, -0.5]))
    assert names(found) == ["theta"] and found.invariant[0].noise > 1e-8


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="give a point"):
        ratecheck.discover(ratecheck.Loss(bilinear, blocks={"w": 2}, g=1))
    loss = ratecheck.Loss(bilinear, [3.0, 4.0, 1.0])
    with pytest.raises(InputError, match="give a ratecheck.Loss, not str"):
        ratecheck.discover("loss")
    with pytest.raises(InputError, match="entry 1 is not finite"):
        ratecheck.discover(loss, [1.0, float("nan"), 1.0])
    with pytest.raises(InputError, match="points: give a whole number from 1"):
        ratecheck.discover(loss, points=0)
    with pytest.raises(InputError, match="the arrays of the loss have 2"):
        ratecheck.discover(ratecheck.Loss(bilinear, [3.0, 4.0, 1.0], parameters=[Parameter("w", 0, (2,))]))
