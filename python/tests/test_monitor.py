"""The monitor: what it records of training is what the paper says of it."""

from __future__ import annotations

import copy
import csv

import numpy as np
import pytest
from conftest import optional

torch = optional("torch")

import ratecheck  # noqa: E402
from ratecheck import InputError, OutputError  # noqa: E402

nn = torch.nn


def trained(optimizer, steps=7, every=2, path=None, **arguments):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, eps=1e-30), nn.Tanh(), nn.Linear(4, 3)).double()
    x, y = torch.randn(16, 5).double(), torch.arange(16) % 3
    mover = optimizer(model.parameters())
    history = []
    with ratecheck.torch.Monitor(model, mover, path, every=every, **arguments) as monitor:
        for _ in range(steps):
            mover.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            before = model[0].weight.detach().clone(), model[0].weight.grad.detach().clone()
            mover.step()
            history.append((*before, model[0].weight.detach().clone()))
    return monitor, history


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.5)


def test_plain_sgd_obeys_lemma_2_4():
    monitor, history = trained(sgd)
    rows = [row for row in monitor.rows if row["block"] == "0.weight"]
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    for row in rows:
        w, grad, after = history[row["step"]]
        n = float((w**2).sum())
        assert row["w_norm_sq"] == pytest.approx(n, rel=1e-14) and row["effective_rate"] == pytest.approx(
            0.5 / n, rel=1e-14
        )
        assert row["grad_v_norm"] == pytest.approx(float(w.norm() * grad.norm()), rel=1e-14)
        cosine = float((w * after).sum() / (w.norm() * after.norm()))
        assert np.cos(row["angular_update"]) == pytest.approx(cosine, rel=1e-12)
        # Perpendicular, and so Pythagoras: both to rounding of the gradient.
        assert row["orthogonality"] < 1e-13 and abs(row["norm_growth"]) < 1e-10


def test_the_whole_loss_has_the_gradient_that_the_theorems_bound():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, eps=1e-30), nn.Tanh(), nn.Linear(4, 3)).double()
    x, y = torch.randn(16, 5).double(), torch.arange(16) % 3
    parts = [(x[:8], y[:8]), (x[8:], y[8:])]
    mover = torch.optim.SGD(model.parameters(), lr=0.5)

    def losses():
        return (nn.functional.cross_entropy(model(a), b) for a, b in parts)

    with ratecheck.torch.Monitor(model, mover, every=2, blocks=["0.weight"], full=losses) as monitor:
        for step in range(5):
            mover.zero_grad()
            nn.functional.cross_entropy(model(parts[step % 2][0]), parts[step % 2][1]).backward()
            w, own = model[0].weight.detach().clone(), model[0].weight.grad.clone()
            running = model[1].running_mean.clone()
            if step == 4:
                # By another way: L as one sum, in a copy.
                other = copy.deepcopy(model)
                (direct,) = torch.autograd.grad(
                    sum(nn.functional.cross_entropy(other(a), b) for a, b in parts) / 2, [other[0].weight]
                )
            mover.step()
            assert torch.equal(model[1].running_mean, running), "running statistics are the loop's own"
    rows = [row for row in monitor.rows if row["block"] == "0.weight"]
    assert [row["step"] for row in rows] == [0, 2, 4]
    row = rows[-1]
    assert row["full_grad_v_norm"] == pytest.approx(float(w.norm() * direct.norm()), rel=1e-13)
    assert row["grad_v_norm"] == pytest.approx(float(w.norm() * own.norm()), rel=1e-13)
    assert abs(row["full_grad_v_norm"] / row["grad_v_norm"] - 1) > 1e-3, "a minibatch is not the whole"

    nothing, number, no_loss = (lambda: iter(())), (lambda: 1.0), (lambda: [x])
    for wrong, message in [(nothing, "no loss at all"), (number, "iterable"), (no_loss, "tensor")]:
        with ratecheck.torch.Monitor(model, mover, every=1, full=wrong):
            with pytest.raises((InputError, TypeError), match=message):
                mover.step()


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.5, momentum=0.9),
        lambda parameters: torch.optim.SGD(parameters, lr=0.5, weight_decay=0.1),
        lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    ],
)
def test_what_is_not_plain_sgd_shows(optimizer):
    monitor, _ = trained(optimizer)
    growth = [abs(row["norm_growth"]) for row in monitor.rows if row["block"] == "0.weight" and row["step"] > 0]
    assert min(growth) > 1e-3


def test_what_is_not_invariant_shows_and_rows_can_be_blocks():
    monitor, _ = trained(sgd)
    last = [row for row in monitor.rows if row["block"] == "3.weight"]
    assert max(row["orthogonality"] for row in last) > 1e-3
    rows = trained(sgd, rows=True, blocks=["0.weight"])[0].rows
    assert {row["block"] for row in rows} == {f"0.weight row {k}" for k in range(1, 5)} | {"1"}
    assert max(row["orthogonality"] for row in rows if row["block"] != "1") < 1e-12


def test_large_parameters_are_taken_in_pieces(monkeypatch):
    whole = trained(sgd)[0].rows
    monkeypatch.setattr("ratecheck.torch._monitor._PIECE", 7)
    pieces = trained(sgd)[0].rows
    for one, other in zip(whole, pieces):
        # Sums of 20 terms in another order.
        for column in ("w_norm_sq", "grad_norm", "effective_rate"):
            assert one[column] == (pytest.approx(other[column], rel=20 * 2.0**-53) if one[column] != "" else "")


def test_the_gradient_of_a_closure_is_the_one_of_its_step():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, eps=1e-30), nn.Tanh(), nn.Linear(4, 3)).double()
    x, y = torch.randn(16, 5).double(), torch.arange(16) % 3
    mover, calls = sgd(model.parameters()), []

    def closure():
        mover.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        calls.append(float(model[0].weight.grad.norm()))
        return loss

    with ratecheck.torch.Monitor(model, mover, every=1, blocks=["0.weight"]) as monitor:
        values = [mover.step(closure), mover.step(closure), mover.step(closure=closure)]
    rows = [row for row in monitor.rows if row["block"] == "0.weight"]
    assert len(values) == 3 and [row["grad_norm"] for row in rows] == pytest.approx(calls, rel=1e-14)
    assert all(row["orthogonality"] < 1e-13 and abs(row["norm_growth"]) < 1e-10 for row in rows)


def test_the_share_of_epsilon_is_recorded():
    monitor, _ = trained(sgd)
    shares = [row["epsilon_share"] for row in monitor.rows if row["block"] == "1"]
    assert len(shares) == 4 and all(0.0 < share < 1e-25 for share in shares)


def test_the_csv_is_what_fit_reads(tmp_path):
    path = tmp_path / "norms.csv"
    monitor, _ = trained(sgd, steps=40, every=1, path=path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(monitor.rows) and rows[0]["block"] == "0.weight"
    one = [row for row in rows if row["block"] == "0.weight"]
    found = ratecheck.fit(
        [int(row["step"]) + 1 for row in one], [float(row["w_norm_sq"]) for row in one], deterministic=True
    )
    assert found.slope > 0.0


def test_what_cannot_be_watched_is_named(tmp_path):
    model = nn.Linear(3, 2)
    with pytest.raises(InputError, match="the model has no parameter W"):
        ratecheck.torch.Monitor(model, sgd(model.parameters()), blocks=["W"])
    with pytest.raises(InputError, match="moves none"):
        ratecheck.torch.Monitor(nn.Linear(3, 2), sgd(model.parameters()))
    with pytest.raises(InputError, match="give a torch.optim.Optimizer, not str"):
        ratecheck.torch.Monitor(model, "sgd")
    with pytest.raises(InputError, match="every"):
        ratecheck.torch.Monitor(model, sgd(model.parameters()), every=0)
    with pytest.raises(OutputError, match="cannot write"):
        ratecheck.torch.Monitor(model, sgd(model.parameters()), tmp_path / "nowhere" / "a.csv")
