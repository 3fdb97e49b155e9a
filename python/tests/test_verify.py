"""The claims on losses of Python: verdicts, controls, exits, reports, interruptions; and the same as the engine's
own."""

from __future__ import annotations

import json
import xml.etree.ElementTree

import numpy as np
import pytest
from conftest import POINT, PROBLEMS, optional, rayleigh, rayleigh_hvp

import ratecheck
from ratecheck import InputError, OutputError


def test_what_is_invariant_passes_and_every_control_is_rejected(simple):
    results = ratecheck.verify(simple, eta_w=[0.1, 10.0], steps=50, runs=2)
    found = {claim.id: claim.status for claim in results}
    assert set(found) == {statement.id for statement in ratecheck.claims()}
    assert all(found[id] == "holds" for id in POINT), str(results)
    assert "fails" not in found.values() and "error" not in found.values(), str(results)
    assert all(claim.rejected == claim.controls for claim in results if claim.status == "holds")
    assert results.ok and results.exit_code() == 0


def test_differences_pass_with_the_room_they_need_and_say_so(simple):
    without = ratecheck.Loss(rayleigh, simple.theta, blocks={"w": 3})
    exact, rough = (
        ratecheck.verify(loss, claims=["euler-identities", "appendix-a-identities"]) for loss in (simple, without)
    )
    for claim in rough:
        assert claim.status == "holds" and claim.rejected == claim.controls
    allowed = lambda results: results.to_dict()["claims"][0]["worst"]["rhs"]
    assert allowed(rough) == allowed(exact) + 2.0**-24
    assert "central differences" in rough.to_dict()["provenance"]["problem"]["about"]


def test_what_is_not_invariant_fails():
    def decayed(w):
        value, grad = rayleigh(w)
        return value + 0.05 * w @ w, grad + 0.1 * w

    results = ratecheck.verify(
        ratecheck.Loss(decayed, [1.0, 2.0, -0.5], blocks={"w": 3}),
        claims=["definition-2.1", "lemma-2.4.1", "lemma-3.2"],
    )
    assert [claim.status for claim in results] == ["fails", "fails", "not applicable"], str(results)
    assert results.exit_code() == 1 and not results.ok
    assert "w" in results["definition-2.1"].reason


def test_the_same_seed_gives_the_same_numbers(simple):
    def numbers():
        found = ratecheck.verify(simple, claims=["lemma-2.4.2", "theorem-2.5"], steps=30).to_dict()["claims"]
        return [{key: claim[key] for key in ("verdict", "worst", "instances", "observations")} for claim in found]

    assert numbers() == numbers()


def test_reports_are_those_of_the_command(simple, tmp_path):
    results = ratecheck.verify(simple, claims=POINT[:3])
    page = results.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page and page.startswith("<!DOCTYPE html>")
    assert (
        "ratecheck.verify(loss, claims=[" in page
        and "ratecheck verify" not in page.split("<main")[-1].split("All of it again")[0]
    )
    suite = xml.etree.ElementTree.fromstring(results.to_junit())
    assert suite.get("tests") == "3" and suite.get("failures") == "0"
    assert json.loads(results.to_json())["claims"][0]["id"] == "definition-2.1"
    assert results.write(tmp_path / "all") == tmp_path / "all" / "index.html"
    again = ratecheck.Results.read(tmp_path / "all" / "results.json")
    assert again.to_json() == results.to_json() and again.claims == results.claims
    assert "definition-2.1" in str(results) and "3 of 3 hold" in repr(results)
    table = results._repr_html_()
    assert table.count("<tr") == 4 and "definition-2.1" in table
    with pytest.raises(KeyError, match="it was not checked"):
        results["lemma-3.2"]
    with pytest.raises(OutputError, match="cannot write"):
        results.to_html(tmp_path / "nowhere" / "page.html")
    with pytest.raises(OutputError, match="cannot read"):
        ratecheck.Results.read(tmp_path / "nothing.json")


def test_a_frame_has_a_row_a_claim(simple):
    optional("pandas")
    frame = ratecheck.verify(simple, claims=POINT[:2]).to_pandas()
    assert frame["status"].tolist() == ["holds", "holds"] and frame["id"].tolist() == POINT[:2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"claims": "lemma-2.3"}, 'no claim is called "lemma-2.3"; did you mean'),
        ({"claims": ["equation-8"]}, "equation-8 does not speak of a loss"),
        ({"profile": "slow"}, 'profile: "slow"'),
        ({"eta_w": -1.0}, "a learning rate of -1"),
        ({"eta_w": "fast"}, "eta_w: give a number or several"),
        ({"eta_g": float("inf")}, "a learning rate of inf"),
        ({"alphas": 0.75}, "alphas: 0.75"),
        ({"steps": 0}, "steps: give a whole number from 1"),
        ({"runs": 0}, "runs: give a whole number from 1"),
        ({"seed": -1}, "seed: give a whole number"),
        ({"theta": [1.0]}, r"theta: has shape \(1,\), where there are 3 parameters"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(simple, arguments, message):
    with pytest.raises(InputError, match=message):
        ratecheck.verify(simple, **arguments)


def test_a_loss_without_blocks_is_told_how_to_get_some():
    with pytest.raises(InputError, match=r"ratecheck\.discover"):
        ratecheck.verify(ratecheck.Loss(rayleigh, [1.0, 2.0, 3.0]))
    with pytest.raises(InputError, match="give a ratecheck.Loss, not function"):
        ratecheck.verify(rayleigh)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_interrupts_comes_out_with_what_was_found_until_then(error):
    calls = 0

    def f(w):
        nonlocal calls
        calls += 1
        if calls > 60:
            raise error
        return rayleigh(w)

    loss = ratecheck.Loss(f, [1.0, 2.0, -0.5], blocks={"w": 3})
    with pytest.raises(error) as raised:
        ratecheck.verify(loss, steps=1000)
    assert 1 <= len(raised.value.results) < len(ratecheck.claims())
    assert all(claim.status in ("holds", "not applicable") for claim in raised.value.results)
    assert raised.value.results.to_dict()["pending"]


def test_a_real_interrupt_stops_a_long_call(simple):
    import signal
    import threading

    # A shell's background job ignores the signal, and would compute for hours.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ratecheck.verify(simple, steps=10**9, claims=["lemma-2.4.2", "auto-tuning-gd"])
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_call_too(simple):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda seed: ratecheck.verify(simple, claims=POINT[:4], seed=seed), [1, 2]))
    assert all(results.ok for results in both)


def test_the_network_of_a_problem_file_and_the_same_from_python_have_the_same_verdicts():
    """values, gradients and products of the engine, read as JSON, against the same network in NumPy: see test_torch.py
    for larger ones."""
    path = PROBLEMS / "one-neuron.toml"
    at = ratecheck.inspect(path)
    x = np.array([[0.4, -1.2], [1.1, 0.3], [-0.7, 0.9], [-1.5, -0.4], [0.6, 1.3]])
    y = np.array([1.0, 1.0, -1.0, -1.0, 1.0])
    centred = x - x.mean(axis=0)
    s = centred.T @ centred / len(x) + 0.1 * np.eye(2)  # variance + epsilon ||w||^2 = w'Sw

    def one_neuron(theta):
        w, gamma, beta = theta[:2], theta[2], theta[3]
        d = np.sqrt(w @ s @ w)
        u = centred @ w / d
        p = -y / (1.0 + np.exp(y * (gamma * u + beta))) / len(y)
        value = np.mean(np.log1p(np.exp(-y * (gamma * u + beta))))
        return value, np.array([*(gamma * (centred.T @ p / d - (p @ u) * (s @ w) / d**2)), p @ u, p.sum()])

    theta = np.array(at["at_W"]["theta"])
    loss = ratecheck.Loss(one_neuron, theta, blocks={"W1 row 1": 2}, radius=2.0, loss_min=0.0)
    value, grad = loss.value_and_grad(theta)
    hessian = np.array([loss.hvp(theta, e) for e in np.eye(4)])
    # A few dozen roundings of numbers near 1.
    assert abs(value - at["at_W"]["loss"]) < 1e-14
    assert np.abs(grad - at["at_W"]["gradient"]).max() < 1e-14
    assert np.abs(hessian - at["at_W"]["hessian"]).max() < loss.relative_error * np.linalg.norm(at["at_W"]["hessian"])
    both = [ratecheck.verify(each, claims=POINT) for each in (path, loss)]
    assert [[claim.status for claim in results] for results in both] == [["holds"] * len(POINT)] * 2


def test_a_problem_file_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "bad.toml").write_text("[network]\nwidth = [1, 1]\n")
    for call in (ratecheck.verify, ratecheck.inspect):
        with pytest.raises(InputError, match=r"bad\.toml:2: network\.width: unknown key; did you mean"):
            call(tmp_path / "bad.toml")


def test_kinks_make_statements_about_hessians_not_applicable(simple):
    kinked = ratecheck.Loss(rayleigh, simple.theta, hvp=rayleigh_hvp, blocks={"w": 3}, kinks="ReLU: no Hessian")
    claim = ratecheck.verify(kinked, claims="euler-identities")["euler-identities"]
    assert (claim.status, claim.reason) == ("not applicable", "ReLU: no Hessian")
