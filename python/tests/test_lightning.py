"""The callback of Lightning: with the package itself where it is installed, and with what it calls where it is not."""

from __future__ import annotations

import csv
import importlib.util
import sys
import types

import pytest
from conftest import optional

torch = optional("torch")

import ratecheck  # noqa: E402
from ratecheck import InputError, MissingError  # noqa: E402

nn = torch.nn
X, Y = torch.randn(24, 5, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
PACKAGES = ("lightning", "pytorch_lightning")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, eps=1e-30), nn.Tanh(), nn.Linear(4, 3)).double()


def loss_of(model, k):
    some = slice(8 * (k % 3), 8 * (k % 3) + 8)
    return nn.functional.cross_entropy(model(X[some].double()), Y[some])


@pytest.fixture
def afresh(monkeypatch):
    """The module is imported anew, with whichever Lightning there is."""
    monkeypatch.delitem(sys.modules, "ratecheck.lightning", raising=False)
    yield monkeypatch
    sys.modules.pop("ratecheck.lightning", None)
    vars(ratecheck).pop("lightning", None)


class StandIn:
    """The calls of a trainer: an optimizer's step gets a closure that clears, evaluates and differentiates."""

    is_global_zero = True

    def __init__(self, loggers=()):
        self.loggers = list(loggers)

    def fit(self, module, callback, steps):
        self.optimizers = [torch.optim.SGD(module.parameters(), lr=0.5)]
        callback.on_train_start(self, module)
        for k in range(steps):

            def closure(k=k):
                self.optimizers[0].zero_grad()
                loss = loss_of(module, k)
                loss.backward()
                return loss

            self.optimizers[0].step(closure=closure)
        callback.on_train_end(self, module)


def stand_in(monkeypatch):
    package = types.ModuleType("pytorch_lightning")
    package.Callback = type("Callback", (), {})
    monkeypatch.setitem(sys.modules, "pytorch_lightning", package)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)


def plain(rows):
    """Perpendicular, and Lemma 2.4's growth of the norm: the gradient is the one of the step."""
    found = [row for row in rows if row["block"] == "0.weight" or row["block"] == "net.0.weight"]
    return [row["step"] for row in found], all(
        row["orthogonality"] < 1e-13 and abs(row["norm_growth"]) < 1e-9 for row in found
    )


def test_the_callback_watches_what_a_closure_computes(afresh, tmp_path):
    stand_in(afresh)
    logged = []
    logger = types.SimpleNamespace(log_metrics=lambda metrics, step: logged.append((metrics, step)))
    path, model = tmp_path / "norms.csv", network()
    callback = ratecheck.lightning.Monitor(
        path, every=2, log=True, full=lambda module: (loss_of(module, k) for k in range(3))
    )
    trainer = StandIn([logger])
    trainer.fit(model, callback, 5)
    assert plain(callback.rows) == ([0, 2, 4], True)
    assert all(row["full_grad_v_norm"] > 0.0 for row in callback.rows if row["block"] == "0.weight")
    assert any("ratecheck/w_norm_sq/0.weight" in metrics and step == 4 for metrics, step in logged)
    # From a checkpoint, in another process.
    again = ratecheck.lightning.Monitor(path, every=2)
    again.load_state_dict(callback.state_dict())
    trainer.fit(model, again, 4)
    assert plain(again.rows) == ([6, 8], True)
    with path.open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file) if row["block"] == "0.weight"] == [0, 2, 4, 6, 8]


def test_other_processes_do_not_watch_and_what_is_missing_is_said(afresh):
    stand_in(afresh)
    callback = ratecheck.lightning.Monitor()
    other = StandIn()
    other.is_global_zero = False
    other.fit(network(), callback, 2)
    assert callback.rows == []
    with pytest.raises(InputError, match="optimizer: there is no 1, the trainer has 1"):
        StandIn().fit(network(), ratecheck.lightning.Monitor(optimizer=1), 1)
    afresh.setitem(sys.modules, "pytorch_lightning", None)
    afresh.delitem(sys.modules, "ratecheck.lightning")
    vars(ratecheck).pop("lightning", None)
    with pytest.raises(MissingError, match="Lightning is not installed"):
        ratecheck.lightning  # noqa: B018


@pytest.mark.filterwarnings("ignore")  # the package's own
@pytest.mark.parametrize("package", PACKAGES)
def test_a_real_trainer_calls_it(afresh, tmp_path, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"NOT CHECKED: {package} is not installed")
    lightning = importlib.import_module("lightning.pytorch" if package == "lightning" else package)
    for other in ("lightning.pytorch", "pytorch_lightning"):
        if other != lightning.__name__:
            afresh.setitem(sys.modules, other, None)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def training_step(self, batch, k):
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X.double(), Y), batch_size=8)
    callback = ratecheck.lightning.Monitor(tmp_path / "norms.csv", every=2)
    assert isinstance(callback, lightning.Callback)
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, data)
    assert plain(callback.rows) == ([0, 2, 4], True)
