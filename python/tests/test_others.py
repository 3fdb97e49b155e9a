"""fit, constants, sweep."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import A, bilinear, optional, rayleigh, rayleigh_hvp

import ratecheck
from ratecheck import InputError

T = np.unique(np.geomspace(1, 1e5, 80).round())


def test_a_power_law_is_fitted_as_by_the_command():
    generator = np.random.default_rng(1)
    values = 3.0 * T**-0.25 * np.exp(0.05 * generator.standard_normal((6, len(T))))
    found = ratecheck.fit(T, values, against=-0.25)
    assert found.verdict == "holds" and found.interval[0] < -0.25 < found.interval[1]
    slope, (low, high) = found.run_by_run
    assert low < slope < high and abs(slope - found.slope) < 0.01
    # The same in one column, with names of runs.
    named = ratecheck.fit(
        np.tile(T, 6), values.ravel(), run=np.repeat([f"seed {k}" for k in range(6)], len(T)), against=-0.25
    )
    assert named.slope == found.slope and named.interval == found.interval
    assert ratecheck.fit(T, values, against=-0.5).verdict == "fails"
    assert ratecheck.fit(T, values**2, squared=True, against=-0.25).slope == pytest.approx(found.slope, abs=0.05)


def test_one_run_of_a_random_method_has_no_interval():
    found = ratecheck.fit(T, T**-0.5, against=-0.5)
    assert (found.verdict, found.interval, found.run_by_run) == ("inconclusive", None, None)
    exact = ratecheck.fit(T, T**-0.5, against=-0.5, deterministic=True, form="min")
    assert exact.verdict == "holds" and abs(exact.slope + 0.5) < 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": -T}, "not positive and finite"),
        ({"value": T[1:]}, "give one length"),
        ({"value": np.ones((2, 3))}, "give runs x steps"),
        ({"value": ["a"] * len(T)}, "give numbers"),
        ({"margin": -1.0}, "margin: -1.0"),
        ({"level": 1.0}, "level: 1.0"),
        ({"form": "best"}, 'form: "best"'),
        ({"t": np.zeros(len(T))}, "occurs twice"),
        ({"run": np.zeros(len(T)), "deterministic": True}, "several runs"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(InputError, match=message) as raised:
        ratecheck.fit(**{"t": T, "value": T**-0.5, **arguments})
    assert "--" not in str(raised.value)


def test_constants_are_found_from_below():
    loss = ratecheck.Loss(rayleigh, [1.0, 2.0, -0.5], hvp=rayleigh_hvp, blocks={"w": 3})
    found = ratecheck.constants(loss, points=20, restarts=2, evaluations=200)
    # L of a Rayleigh quotient is lambda_max - lambda_min, twice.
    true = 2.0 * (A.max() - A.min())
    assert 0.9 * true < found.largest("vv") <= true * (1.0 + 1e-12)
    assert all(block["proved"] is None for block in found)
    with pytest.raises(InputError, match="give radius=K"):
        ratecheck.constants(ratecheck.Loss(bilinear, [3.0, 4.0, 1.0], blocks={"w": 2}))
    with pytest.raises(InputError, match="whole numbers from 1"):
        ratecheck.constants(loss, points=0)


def test_a_sweep_follows_lemma_2_4():
    loss = ratecheck.Loss(bilinear, [3.0, 4.0, 1.0], blocks={"w": 2})
    found = ratecheck.sweep(loss, eta_w=[0.1, 10.0], eta_g=0.1, steps=100, horizons=20)
    assert not found.diverged and len(found["t"]) == len(found["loss"]) == len(found["w_norm_sq"])
    # It never falls, but for the roundings of up to a hundred steps of numbers near 26.
    one = found.where(eta_w=10.0)
    n = one["w_norm_sq"][:, 0]
    assert one["t"][0] == 0 and n[0] == 25.0 and np.all(np.diff(n) >= -100 * 2.0**-52 * 26)
    # The first step: ||w_1||^2 = ||w_0||^2 + eta^2 ||grad_w||^2.
    grad_sq = np.sum(loss.value_and_grad([3.0, 4.0, 1.0])[1][:2] ** 2)
    assert one["t"][1] == 1 and n[1] == pytest.approx(25.0 + 100.0 * grad_sq, rel=1e-14)
    assert np.allclose(one["effective_rate"][:, 0], 10.0 / n, rtol=1e-14)
    assert np.array_equal(found["grad_sq"], found["grad_v_sq"] + found["grad_g_sq"])


def by_hand(rule, steps, eta_w, eta_g, growth):
    """||w_t||^2 of the loss `bilinear`, with nothing of the engine's."""
    theta, m, s, b = np.array([3.0, 4.0, 1.0]), np.zeros(2), np.zeros(2), 2.0
    norms = []
    for t in range(steps + 1):
        norms.append(theta[:2] @ theta[:2])
        grad = bilinear(theta)[1]
        w, g, eta, step = theta[:2], grad[:2], eta_w * growth**t, None
        if rule == "heavy-ball":
            step = m = 0.5 * m + g
        elif rule == "coupled":
            step = m = 0.5 * m + g + 0.1 * w
        elif rule == "decoupled":
            m = 0.5 * m + g
            step = m + 0.1 * w
        elif rule == "wn-grad":
            b += g @ g / b
            step = g / b
        elif rule == "adagrad-norm":
            b = np.sqrt(b**2 + g @ g)
            step = g / b
        elif rule == "adam":
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
            step = m / (1 - 0.9 ** (t + 1)) / (np.sqrt(s / (1 - 0.999 ** (t + 1))) + 1e-8)
        else:
            step = g
        theta = np.array([*(w - eta * step), theta[2] - eta_g * grad[2]])
    return np.array(norms)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("gradient", "sgd"),
        ("heavy-ball", {"kind": "heavy-ball", "b": 0.5}),
        ("coupled", {"kind": "heavy-ball", "b": 0.5, "decay": "coupled", "lambda": 0.1}),
        ("decoupled", {"kind": "heavy-ball", "b": 0.5, "decay": "decoupled", "lambda": 0.1}),
        ("wn-grad", {"kind": "wn-grad", "b_0": 2.0}),
        ("adagrad-norm", {"kind": "adagrad-norm", "b_0": 2.0}),
        ("adam", "adam"),
    ],
)
def test_rules_are_those_of_a_plan(name, rule):
    loss = ratecheck.Loss(bilinear, [3.0, 4.0, 1.0], blocks={"w": 2})
    found = ratecheck.sweep(loss, eta_w=0.5, eta_g=0.2, steps=6, horizons=7, growth=[1.0, 1.5], rule=rule)
    words = set(found["rule"].tolist())
    assert len(words) == 1 and (name in words.pop() if isinstance(rule, dict) else True)
    for growth in (1.0, 1.5):
        some = found.where(growth=growth)
        expected = by_hand(name, 6, 0.5, 0.2, growth)[some["t"]]
        # Six steps of a few roundings each, of numbers of the size of ||w||^2, whose errors the steps do not amplify
        # by more than ten times.
        assert np.allclose(some["w_norm_sq"][:, 0], expected, rtol=6 * 16 * 10 * 2.0**-53, atol=0.0)
    both = ratecheck.sweep(loss, eta_w=0.5, steps=3, rule=["projected", rule])
    assert both.where(rule="projected")["w_norm_sq"] == pytest.approx(25.0) and "2 runs" in repr(both)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta_w": 0.0}, "eta_w"),
        ({"rule": "adan"}, 'did you mean "adam"'),
        ({"rule": 3}, "rule"),
        ({"rule": []}, "at least one"),
        ({"rule": ["adam", {"kind": "adam", "b_2": 0.999}]}, "two of them are the same"),
        ({"rule": {"kind": "heavy-ball", "b": 1.0}}, "rule.b: 1 is not below 1"),
        ({"rule": {"kind": "heavy-ball", "b_0": 1.0}}, "rule.b-0"),
        ({"rule": {"kind": "sign", "lambda": 0.1}}, "decays nothing by itself"),
        ({"rule": {"kind": "adam", "b_1": None}}, "rule: b-1: give a number"),
        ({"growth": 0.0}, "growth"),
        ({"steps": 0}, "steps"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [-1]}, "seeds"),
    ],
)
def test_grids_that_make_no_sense_are_refused(simple, arguments, message):
    with pytest.raises(InputError, match=message):
        ratecheck.sweep(simple, **{"eta_w": 1.0, "steps": 5, **arguments})


def test_frames():
    optional("pandas")
    loss = ratecheck.Loss(bilinear, [3.0, 4.0, 1.0], blocks={"w": 2})
    frame = ratecheck.sweep(loss, eta_w=[0.1, 1.0], steps=10, seeds=2).to_pandas()
    assert set(frame["eta_w"]) == {0.1, 1.0} and "grad_sq" in frame
    assert len(ratecheck.fit(T, T**-0.5).to_pandas()) == 3
