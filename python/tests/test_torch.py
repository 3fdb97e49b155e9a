"""Losses from PyTorch: the module is left alone, the numbers are the engine's, and theory says which parts are
invariant."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import POINT, PROBLEMS, optional

torch = optional("torch")

import ratecheck  # noqa: E402
from ratecheck import FrozenParameterError, InputError, NoGradientError, NotDeterministicError  # noqa: E402

nn = torch.nn
X, Y = torch.randn(32, 5, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3
BATCHES = [(X[:16], Y[:16]), (X[16:], Y[16:])]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def mlp(norm, activation=nn.Tanh):
    return nn.Sequential(
        nn.Linear(5, 8), norm(8), activation(), nn.Linear(8, 6), norm(6), activation(), nn.Linear(6, 3)
    )


def groups(found):
    """Array names with the number of their parts."""
    count: dict[str, int] = {}
    for part in found.invariant + found.nearly:
        array = part.name.partition(" row")[0]
        count[array] = count.get(array, 0) + 1
    return count


def test_values_gradients_and_products_are_the_engines():
    """examples/problems/pytorch-layer-norm.toml, which says which module it is."""
    at = ratecheck.inspect(PROBLEMS / "pytorch-layer-norm.toml")
    table = np.genfromtxt(PROBLEMS / "irises.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    inputs = np.array([[row[name] for name in table.dtype.names if name != "species"] for row in table], dtype=float)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    kinds = sorted(set(table["species"]))
    target = np.array([kinds.index(kind) for kind in table["species"]])
    model = nn.Sequential(
        nn.Linear(2, 4, bias=False),
        nn.LayerNorm(4),
        nn.GELU(),
        nn.Linear(4, 4),
        nn.LayerNorm(4, elementwise_affine=False),
        nn.GELU(),
        nn.Linear(4, 3),
    ).double()
    # The engine's theta: W1, then W2 with b2, then g: W3, gamma, beta and b3, as the blocks and layers come.
    theta = np.array(at["at_W"]["theta"])
    arrays = {"0.weight": theta[:8], "3.weight": theta[8:24], "3.bias": theta[24:28]}
    rest = theta[28:]
    arrays["6.weight"] = rest[:12]
    left = {0.9: "1.weight", -0.05: "1.bias"}
    pieces = [rest[12:16], rest[16:20], rest[20:23]] if len(rest) == 23 else []
    for piece in pieces:
        key = next((name for value, name in left.items() if value in piece), "6.bias")
        arrays[key] = piece
    model.load_state_dict(
        {
            name: torch.from_numpy(value.copy()).reshape(dict(model.named_parameters())[name].shape)
            for name, value in arrays.items()
        }
    )
    order = {name: np.array([np.flatnonzero(theta == x)[0] for x in value]) for name, value in arrays.items()}
    assert sum(map(len, order.values())) == len(theta)
    loss = ratecheck.torch.loss(
        model, nn.CrossEntropyLoss(), (torch.from_numpy(inputs), torch.from_numpy(target)), blocks={}
    )
    starts = np.cumsum([0, 8, 16, 4, 12])
    places = {
        "0.weight": np.arange(8),
        "3.weight": np.arange(8, 24),
        "3.bias": np.arange(24, 28),
        "6.weight": np.arange(28, 40),
    }
    at_most = lambda difference, size: np.abs(difference).max() <= 1e-12 * size
    value, grad = loss.value_and_grad(loss.theta)
    assert at_most(np.array(value - at["at_W"]["loss"]), abs(value)) and starts[-1] == 40
    mine = np.concatenate([grad[parameter.start : parameter.start + parameter.size] for parameter in loss.parameters])
    engine = np.array(at["at_W"]["gradient"])
    hessian = np.array(at["at_W"]["hessian"])
    for name, where in places.items():
        parameter = next(parameter for parameter in loss.parameters if parameter.name == name)
        assert at_most(
            mine[parameter.start : parameter.start + parameter.size] - engine[where], np.abs(engine).max()
        ), name
    first = next(parameter for parameter in loss.parameters if parameter.name == "0.weight")
    direction = np.zeros_like(loss.theta)
    direction[first.start] = 1.0
    product = loss.hvp(loss.theta, direction)
    assert at_most(product[first.start : first.start + 8] - hessian[:8, 0], np.abs(hessian).max())


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (nn.BatchNorm1d, {"0.weight": 8, "3.weight": 6}),
        (nn.LayerNorm, {"0.weight and 0.bias": 1, "3.weight and 3.bias": 1}),
        (lambda units: nn.GroupNorm(2, units), {"0.weight and 0.bias": 2, "3.weight and 3.bias": 2}),
        (lambda units: nn.Identity(), {}),
    ],
)
def test_discover_says_what_theory_says(norm, expected):
    """Rows under batch normalisation, whole matrices with their bias under layer normalisation, groups of rows under
    group normalisation."""
    loss = ratecheck.torch.loss(mlp(norm), nn.CrossEntropyLoss(), BATCHES)
    found = ratecheck.discover(loss)
    assert groups(found) == expected and not found.invariant, str(found)
    shares = [part.epsilon_share for part in found.nearly]
    assert all(share is not None and 1e-6 < share < 1e-2 for share in shares), str(found)
    if expected:
        exact = ratecheck.discover(ratecheck.torch.loss(mlp(norm), nn.CrossEntropyLoss(), BATCHES, epsilon=1e-30))
        assert groups(exact) == expected and not exact.nearly, str(exact)


def test_the_share_of_epsilon_is_that_of_the_variance():
    model = nn.Sequential(nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4, eps=0.01), nn.Tanh(), nn.Linear(4, 3))
    found = ratecheck.discover(ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES[:1]))
    assert groups(found) == {"0.weight": 4}
    variance = (X[:16].double() @ model[0].weight.double().T).var(dim=0, unbiased=False)
    shares = (0.01 / (variance + 0.01)).detach().numpy()
    # The point that was looked at is a tenth away from the start.
    assert np.allclose([part.epsilon_share for part in found.nearly], shares, rtol=0.6)


def test_a_vgg_has_joint_pairs():
    """Filters under batch normalisation, and (gamma, beta) of a layer together before ReLU, pooling and another batch
    normalisation (section 2.1)."""
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3),
    )  # fmt: skip
    images, labels = torch.randn(9, 2, 8, 8), torch.arange(9) % 3
    loss = ratecheck.torch.loss(model, nn.CrossEntropyLoss(), (images, labels), epsilon=1e-30)
    found = ratecheck.discover(loss)
    assert groups(found) == {
        "0.weight": 3,
        "1.weight and 1.bias": 1,
        "4.weight": 4,
        "5.weight and 5.bias": 1,
        "8.weight": 3,
    }, str(found)
    assert set(found.not_invariant) == {"9.weight", "9.bias"} and set(found.without_effect) == {
        "0.bias",
        "4.bias",
        "8.bias",
    }
    assert loss.kinks == "ReLU: no Hessian" or loss.kinks == "pooling: no Hessian"


class Residual(nn.Module):
    """A block of a ResNet."""

    def __init__(self, channels=4):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.c2, self.b2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.c3, self.b3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, 3)

    def forward(self, x):
        x = torch.relu(self.b1(self.c1(x)))
        return self.fc(torch.relu(x + self.b3(self.c3(torch.relu(self.b2(self.c2(x)))))).mean((2, 3)))


def test_a_residual_block_keeps_gamma_and_beta_of_its_ends_variant():
    images, labels = torch.randn(6, 3, 6, 6), torch.arange(6) % 3
    loss = ratecheck.torch.loss(Residual(), nn.CrossEntropyLoss(), (images, labels), epsilon=1e-30)
    found = ratecheck.discover(loss)
    assert groups(found) == {"c1.weight": 4, "c2.weight": 4, "c3.weight": 4, "b2.weight and b2.bias": 1}, str(found)


class Transformer(nn.Module):
    """A block with layer normalisation first: what writes into the residual stream is invariant together."""

    def __init__(self, d=6):
        super().__init__()
        self.emb, self.head = nn.Linear(4, d, bias=False), nn.Linear(d, 3)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.n1, self.n2, self.n3 = (nn.LayerNorm(d) for _ in range(3))
        self.f1, self.f2 = nn.Linear(d, 2 * d), nn.Linear(2 * d, d, bias=False)

    def forward(self, x):
        x = self.emb(x)
        y = self.n1(x)
        x = x + self.o(nn.functional.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y), is_causal=True))
        x = x + self.f2(nn.functional.gelu(self.f1(self.n2(x))))
        return self.head(self.n3(x)).mean(1)


@pytest.mark.parametrize("epsilon", [None, 1e-30])
def test_a_transformer_block_is_invariant_in_its_residual_stream(epsilon):
    batch = (torch.randn(4, 5, 4), torch.arange(4) % 3)
    loss = ratecheck.torch.loss(Transformer(), nn.CrossEntropyLoss(), batch, epsilon=epsilon)
    found = ratecheck.discover(loss)
    # Doubling v or o is the same to what attention writes, so that there are two such parts, which share arrays.
    assert groups(found) == {"emb.weight and v.weight and f2.weight": 1}, str(found)
    assert {"q.weight", "k.weight", "f1.weight", "head.weight"} <= set(found.not_invariant)
    if epsilon:
        assert found.overlapping == ["emb.weight and o.weight and f2.weight"]


def test_weight_normalisation_is_differentiated_twice():
    """autograd's own function for it has a wrong second derivative; the copy has a right one, which the probe of the
    loss checks."""
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3))
    loss = ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES)
    assert groups(ratecheck.discover(loss)) == {"0.parametrizations.weight.original1": 4}
    results = ratecheck.verify(loss, claims=POINT[:5])
    assert [claim.status for claim in results] == ["holds"] * 5, str(results)


def test_statements_hold_on_a_module_and_fail_where_epsilon_is_constant():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3))
    exact = ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES, epsilon=1e-30)
    results = ratecheck.verify(exact, claims=POINT, eta_w=[0.1, 10.0], steps=20)
    assert {claim.id: claim.status for claim in results} == dict.fromkeys(POINT, "holds"), str(results)
    assert all(claim.rejected == claim.controls > 0 for claim in results)
    results = ratecheck.verify(
        ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES), claims=["definition-2.1", "theorem-2.5"]
    )
    assert results["definition-2.1"].status == "fails" and results.exit_code() == 1


def test_the_users_module_is_left_alone():
    model = mlp(nn.BatchNorm1d).eval()
    before = copy.deepcopy(model.state_dict())
    loss = ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES)
    loss.value_and_grad(2.0 * loss.theta)
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert all(
        torch.equal(before[name], now) and before[name].dtype == now.dtype for name, now in model.state_dict().items()
    )
    # And back: the parameters as a state of the module.
    state = loss.state_dict(loss.theta)
    assert all(torch.equal(state[name].float(), p) for name, p in model.named_parameters())


def test_z_of_several_batches_has_the_mean():
    loss = ratecheck.torch.loss(mlp(nn.BatchNorm1d), nn.CrossEntropyLoss(), BATCHES)
    one, two, both = (loss.value_and_grad(loss.theta, z) for z in ([0], [1], [0, 1]))
    assert both[0] == pytest.approx((one[0] + two[0]) / 2, rel=1e-15)
    assert np.allclose(both[1], (one[1] + two[1]) / 2, rtol=0, atol=1e-16 * len(both[1]))


def test_tied_parameters_are_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.norm = (
                nn.Linear(5, 5, bias=False),
                nn.Linear(5, 5, bias=False),
                nn.BatchNorm1d(5, affine=False),
            )
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.norm(self.second(torch.tanh(self.norm(self.first(x)))))[:, :3]

    loss = ratecheck.torch.loss(Tied(), nn.CrossEntropyLoss(), BATCHES, epsilon=1e-30)
    assert [parameter.name for parameter in loss.parameters] == ["first.weight"] and loss.n_parameters == 25
    assert len(loss.layout.places) == 5


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (
            lambda: nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 3)),
            NotDeterministicError,
            r"1 \(Dropout, p = 0.5\) draws at random; set its p to 0",
        ),
        (lambda: Noisy(), NotDeterministicError, "not the same twice"),
        (lambda: Frozen(), FrozenParameterError, r"0\.weight, 0\.bias are frozen .* frozen=\"constant\""),
        (lambda: Unused(), NoGradientError, r"spare\.weight, spare\.bias are without a gradient"),
        (lambda: nn.Identity(), InputError, "no parameters that can be trained"),
        (lambda: nn.LazyLinear(3), InputError, "has no shape yet"),
        (lambda: "model", InputError, "give a torch.nn.Module, not str"),
        (lambda: Detached(), NoGradientError, r"linear\.weight, linear\.bias are without a gradient"),
        (lambda: nn.Linear(5, 3, device="meta"), InputError, "have no values"),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 3, device="meta")), InputError, "several devices, cpu, meta"),
        (lambda: nn.Linear(5, 3, dtype=torch.complex64), InputError, "weight is complex"),
        (lambda: Shared(), InputError, r"0\.weight and 2\.weight share memory and are two parameters"),
    ],
)
def test_modules_that_cannot_be_used_are_named(model, error, message):
    with pytest.raises(error, match=message):
        ratecheck.torch.loss(model(), nn.CrossEntropyLoss(), BATCHES)


def test_a_device_without_double_precision_is_named(monkeypatch):
    monkeypatch.setattr("ratecheck.torch._loss._has_doubles", lambda device: False)
    with pytest.raises(InputError, match="the device cpu has no double precision: move it to the CPU"):
        ratecheck.torch.loss(nn.Linear(5, 3), nn.CrossEntropyLoss(), BATCHES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT CHECKED: there is no GPU")
def test_a_module_on_a_gpu_has_the_numbers_of_the_cpu():
    """Moved by the framework: batches go to the module, products are taken there, and it stays where it is."""
    model = mlp(nn.BatchNorm1d)
    here = ratecheck.torch.loss(model, nn.CrossEntropyLoss(), BATCHES)
    there = ratecheck.torch.loss(copy.deepcopy(model).cuda(), nn.CrossEntropyLoss(), BATCHES)
    along = np.random.default_rng(0).standard_normal(len(here.theta))
    for z in range(2):
        value, grad = here.value_and_grad(here.theta, [z])
        on_gpu, grad_on_gpu = there.value_and_grad(there.theta, [z])
        np.testing.assert_allclose([on_gpu, *grad_on_gpu], [value, *grad], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(there.hvp(there.theta, along, [z]), here.hvp(here.theta, along, [z]), atol=1e-10)


class Noisy(nn.Module):
    """A random augmentation."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x):
        return self.linear(x + 0.01 * torch.randn_like(x))


def Frozen():
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    return model


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x):
        return self.linear(x).detach()


def Shared():
    """One array, read in two ways by two parameters."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 5))
    model[2].weight = nn.Parameter(model[0].weight.data.T)
    return model


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.spare = nn.Linear(5, 3), nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(x)


def test_frozen_parameters_can_be_constants():
    loss = ratecheck.torch.loss(Frozen(), nn.CrossEntropyLoss(), BATCHES, frozen="constant")
    assert [parameter.name for parameter in loss.parameters] == ["1.weight", "1.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batches": []}, "batches: there is none"),
        ({"batches": [X]}, "a batch is"),
        ({"criterion": nn.CrossEntropyLoss(reduction="none")}, r"a loss of shape \(16,\): reduce it"),
        ({"epsilon": 0.0}, "epsilon: 0.0"),
        ({"criterion": "mse"}, "criterion: give a function or a module, not str"),
        ({"frozen": "maybe"}, "frozen: 'maybe'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ratecheck.torch.loss(
            **{"model": mlp(nn.BatchNorm1d), "criterion": nn.CrossEntropyLoss(), "batches": BATCHES, **arguments}
        )


def test_products_by_differences_where_nothing_else_is_to_be_had():
    loss = ratecheck.torch.loss(mlp(nn.BatchNorm1d), nn.CrossEntropyLoss(), BATCHES, hvp=False)
    exact = ratecheck.torch.loss(mlp(nn.BatchNorm1d), nn.CrossEntropyLoss(), BATCHES)
    assert loss.relative_error == 2.0**-24 and exact.relative_error == 0.0


def test_other_batches_need_forward():
    batch = {"x": X[:16], "y": Y[:16]}
    forward = lambda model, batch: nn.functional.cross_entropy(model(batch["x"]), batch["y"])
    loss = ratecheck.torch.loss(mlp(nn.BatchNorm1d), None, [batch], forward=forward)
    same = ratecheck.torch.loss(loss.module.float(), nn.CrossEntropyLoss(), BATCHES[:1], blocks={})
    assert loss.minibatches.how == "full" and len(loss.layout.places) == 14 and same.n_parameters == loss.n_parameters
