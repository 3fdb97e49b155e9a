"""A loss from a module, a criterion and minibatches."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._discover import discover
from .._layout import Blocks
from .._loss import Loss, Minibatches, Parameter
from ..errors import FrozenParameterError, InputError, NoGradientError, RatecheckError
from ._layers import differentiable_weight_norm, variance_of

#: Nodes of autograd's graph that have no second derivative somewhere, and what a user calls them.
_KINKS = {
    "Relu": "ReLU",
    "LeakyRelu": "leaky ReLU",
    "PreluKernel": "PReLU",
    "RreluWithNoise": "RReLU",
    "Hardtanh": "Hardtanh",
    "Hardswish": "Hardswish",
    "Hardsigmoid": "Hardsigmoid",
    "Threshold": "a threshold",
    "MaxPool": "pooling",
    "AdaptiveMaxPool": "pooling",
    "Abs": "an absolute value",
    "Max": "a maximum",
    "Min": "a minimum",
    "Amax": "a maximum",
    "Clamp": "clamping",
    "SmoothL1": "the smooth l1 loss",
    "Huber": "the Huber loss",
    "L1Loss": "the l1 loss",
}
#: Criteria that are at least 0.
_NOT_NEGATIVE = (
    torch.nn.CrossEntropyLoss,
    torch.nn.MSELoss,
    torch.nn.L1Loss,
    torch.nn.SmoothL1Loss,
    torch.nn.HuberLoss,
    torch.nn.BCELoss,
    torch.nn.BCEWithLogitsLoss,
    torch.nn.SoftMarginLoss,
    torch.nn.MultiMarginLoss,
)
#: Multiply-adds that one node of the graph costs besides its arithmetic, forward and backward: some 15 microseconds at
#: 2e9 a second.
_PER_NODE = 3e4


class TorchLoss(Loss):
    """A :class:`ratecheck.Loss` that PyTorch evaluates. ``module`` is the copy that it evaluates, in double precision;
    the user's own is left alone."""

    module: torch.nn.Module

    def _suspects(self) -> str:
        random = [
            f"{name} ({type(module).__name__}, p = {module.p:g})"
            for name, module in self.module.named_modules()
            if isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0 and module.training
        ]
        random += [
            f"{name} (a transformer's or recurrent layer's dropout = {module.dropout:g})"
            for name, module in self.module.named_modules()
            if isinstance(module, (torch.nn.MultiheadAttention, torch.nn.RNNBase))
            and module.dropout > 0
            and module.training
        ]
        if random:
            return f", since {', '.join(random[:3])}{' and more' if len(random) > 3 else ''} draws at random; set its p to 0"
        state = sorted(name for name, module in self.module.named_modules() if hasattr(module, "n_power_iterations"))
        if state:
            return f", since {state[0]} (spectral norm) goes one power iteration further in every call"
        return ""

    def _epsilon_shares(
        self, theta: NDArray[np.float64], z: list[int] | None, parts: Sequence[NDArray[np.int64]]
    ) -> Sequence[Sequence[float]]:
        def variances(theta: NDArray[np.float64]) -> dict[str, torch.Tensor]:
            seen: dict[str, torch.Tensor] = {}
            hooks = []
            for name, layer in self.module.named_modules():
                of = variance_of(layer)
                if of is not None:
                    hook = lambda layer, inputs, name=name, of=of: seen.__setitem__(
                        name, of(layer, inputs[0].detach()).reshape(-1)
                    )
                    hooks.append(layer.register_forward_pre_hook(hook))
            try:
                self._functions["value"](theta, np.array([0] if z is None else z[:1]))
            finally:
                for hook in hooks:
                    hook.remove()
            return seen

        found: list[list[float]] = []
        before = variances(theta) if parts else {}
        for places in parts:
            longer = theta.copy()
            longer[places] *= 2.0
            shares: list[float] = []
            for (name, short), long in zip(before.items(), variances(longer).values()):
                eps = getattr(self.module.get_submodule(name), "eps", None)
                # The layer that the parameters feed: its variances are four times as large, and those of other layers
                # are not.
                fed = (long / short - 4.0).abs() < 1e-6
                if fed.any() and isinstance(eps, float):
                    shares += (eps / (short[fed] + eps)).tolist()
            found.append(shares)
        return found

    def with_blocks(self, blocks: Any, g: Any = None) -> TorchLoss:
        """The same loss with other blocks."""
        other = super().with_blocks(blocks, g)
        other.__class__ = TorchLoss
        assert isinstance(other, TorchLoss)
        other.module = self.module
        return other

    def state_dict(self, theta: NDArray[np.float64]) -> dict[str, torch.Tensor]:
        """theta as parameters by name, of the shapes that the module has, in double precision:
        ``model.load_state_dict(..., strict=False)``."""
        return {
            p.name: torch.from_numpy(np.array(theta[p.start : p.start + p.size])).reshape(p.shape)
            for p in self.parameters
        }


class _Evaluator:
    """The module with all its parameters in one vector, so that setting theta is one copy."""

    def __init__(
        self, module: torch.nn.Module, forward: Callable[[torch.nn.Module, Any], torch.Tensor], batches: list[Any]
    ) -> None:
        self.module, self.forward, self.batches = module, forward, batches
        named = list(module.named_parameters())
        self.names = [name for name, p in named if p.requires_grad]
        self.tensors = [p for _, p in named if p.requires_grad]
        device = self.tensors[0].device
        self.flat = torch.empty(sum(p.numel() for p in self.tensors), dtype=torch.float64, device=device)
        with torch.no_grad():
            start = 0
            for p in self.tensors:
                view = self.flat[start : start + p.numel()].view(p.shape)
                view.copy_(p)
                p.data = view
                start += p.numel()
        self.theta = self.flat.cpu().numpy().copy()
        self.grad = torch.empty_like(self.flat)
        sizes = [p.numel() for p in self.tensors]
        self._places = [part.view(p.shape) for part, p in zip(torch.split(self.grad, sizes), self.tensors)]
        #: The parameters as NumPy's: a copy between two of its arrays costs the least.
        self._shared = self.flat.numpy() if device.type == "cpu" else None

    def _set(self, theta: NDArray[np.float64]) -> None:
        if self._shared is not None:
            np.copyto(self._shared, theta)
        else:
            with torch.no_grad():
                self.flat.copy_(torch.from_numpy(theta))

    def _mean(self, z: NDArray[np.int64]) -> Iterator[tuple[torch.Tensor, float]]:
        """F of every batch of z, with its share: z of several batches has the mean of their losses."""
        for k in z:
            yield self._loss(self.batches[k]), 1.0 / len(z)

    def _loss(self, batch: Any) -> torch.Tensor:
        found = self.forward(self.module, batch)
        if not isinstance(found, torch.Tensor) or found.numel() != 1:
            what = f"shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else f"type {type(found).__name__}"
            raise InputError(f"criterion: returned a loss of {what}: reduce it to one number")
        return found.reshape(())

    def _gathered(self, grads: Iterable[torch.Tensor | None]) -> torch.Tensor:
        """One vector, in a buffer that the next call overwrites: a new one of a megabyte would cost more in page faults
        than the copy."""
        places, found = [], []
        for place, grad in zip(self._places, grads):
            if grad is None:
                place.zero_()
            else:
                places.append(place)
                found.append(grad)
        with torch.no_grad():
            torch._foreach_copy_(places, found)  # one call for all of them
        return self.grad

    def value(self, theta: NDArray[np.float64], z: NDArray[np.int64]) -> float:
        self._set(theta)
        with torch.no_grad():
            return float(sum(share * loss for loss, share in self._mean(z)))

    def value_and_grad(self, theta: NDArray[np.float64], z: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
        self._set(theta)
        value, total = 0.0, torch.zeros_like(self.grad) if len(z) > 1 else self.grad
        with torch.enable_grad():
            for loss, share in self._mean(z):
                grad = self._gathered(torch.autograd.grad(loss, self.tensors, allow_unused=True))
                if len(z) == 1:
                    return loss.item(), grad.cpu().numpy()
                value += share * loss.item()
                total.add_(grad, alpha=share)
        return value, total.cpu().numpy()

    def hvp(
        self, theta: NDArray[np.float64], direction: NDArray[np.float64], z: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        self._set(theta)
        along = torch.from_numpy(direction).to(self.flat.device)
        total = torch.zeros_like(self.flat)
        with torch.enable_grad(), _differentiable_attention():
            for loss, share in self._mean(z):
                grads = torch.autograd.grad(loss, self.tensors, create_graph=True, allow_unused=True)
                parts = zip(grads, torch.split(along, [p.numel() for p in self.tensors]))
                products = [(g.reshape(-1) * d).sum() for g, d in parts if g is not None and g.requires_grad]
                if products:  # else the loss is linear
                    second = torch.autograd.grad(torch.stack(products).sum(), self.tensors, allow_unused=True)
                    total.add_(self._gathered(second), alpha=share)
        return total.cpu().numpy()

    def unused(self) -> list[str]:
        """Parameters that the first batch gives no gradient."""
        with torch.enable_grad():
            loss = self._loss(self.batches[0])
            if not loss.requires_grad:
                return self.names
            grads = torch.autograd.grad(loss, self.tensors, allow_unused=True)
        return [name for name, grad in zip(self.names, grads) if grad is None]

    def nodes(self) -> list[str]:
        """The names of the nodes of autograd's graph of the first batch."""
        with torch.enable_grad():
            todo = [self._loss(self.batches[0]).grad_fn]
        seen, names = set(), []
        while todo:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            names.append(node.name())
            todo += [follower for follower, _ in node.next_functions]
        return names

    def multiply_adds(self) -> float:
        """Of the module's forward pass on the first batch."""
        try:
            from torch.utils.flop_counter import FlopCounterMode
        except ImportError:
            return 0.0
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self._loss(self.batches[0])
        return float(counter.get_total_flops()) / 2.0


@contextlib.contextmanager
def _differentiable_attention() -> Iterator[None]:
    """Fused attention cannot be differentiated twice; the plain one can."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _converted(x: Any, device: torch.device) -> Any:
    """A batch with its floating-point tensors in double precision, on the module's device."""
    if isinstance(x, torch.Tensor):
        return x.detach().to(device=device, dtype=torch.float64 if x.is_floating_point() else x.dtype)
    if isinstance(x, np.ndarray):
        return _converted(torch.from_numpy(x), device)
    if isinstance(x, Mapping):
        return {key: _converted(value, device) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return (
            type(x)(_converted(value, device) for value in x)
            if not hasattr(x, "_fields")
            else type(x)(*(_converted(v, device) for v in x))
        )
    return x


def _forward(criterion: Callable[..., Any] | None) -> Callable[[torch.nn.Module, Any], torch.Tensor]:
    def forward(module: torch.nn.Module, batch: Any) -> Any:
        if criterion is None:
            if isinstance(batch, dict):
                return module(**batch)
            return module(*batch) if isinstance(batch, (list, tuple)) else module(batch)
        if not isinstance(batch, (list, tuple)) or len(batch) < 2:
            raise InputError(
                "batches: a batch is (inputs, .., target) for criterion(model(inputs, ..), target); for others give forward="
            )
        return criterion(module(*batch[:-1]), batch[-1])

    return forward


def loss(
    model: torch.nn.Module,
    criterion: Callable[..., torch.Tensor] | None,
    batches: Iterable[Any],
    *,
    forward: Callable[[torch.nn.Module, Any], torch.Tensor] | None = None,
    blocks: Blocks | None = None,
    epsilon: float | None = None,
    frozen: str = "error",
    hvp: bool = True,
    name: str | None = None,
    loss_min: float | None = None,
    radius: float | None = None,
    kinks: str | None = None,
) -> TorchLoss:
    """A :class:`ratecheck.Loss` of a module: F_k(theta) = criterion(model(x_k), y_k) on the batch (x_k, y_k), and L the
    mean over the batches.

    The module is copied, in double precision and training mode, on the device that it is on; yours keeps its
    parameters, its precision, its mode and its running
    statistics. theta is its parameters in the order of ``model.named_parameters()``, flattened; parameters that share
    memory are one. Gradients and Hessian-vector
    products are autograd's. A minibatch z of the engine is one of the batches; a z of several has the mean of their
    losses.

    Args:
        model: the module.
        criterion: ``criterion(output, target)``, reduced to one number; None if the module returns the loss itself.
        batches: (inputs, .., target) tuples, or one of them; a data loader is gone through once, so that every batch is
            fixed.
        forward: ``forward(model, batch) -> loss`` for batches of another kind.
        blocks: what is scale invariant, by places in theta. Left out, :func:`ratecheck.discover` finds it, from some
            gradients.
        epsilon: set in every normalisation layer of the copy; 1e-30 makes their statements exact in double precision,
            and frameworks refuse 0.
        frozen: what parameters with ``requires_grad=False`` are: ``"error"``, or ``"constant"``.
        hvp: whether products are autograd's; else they are central differences of gradients, for what cannot be
            differentiated twice.
        name, loss_min, radius, kinks: as of :class:`ratecheck.Loss`. ``loss_min`` is 0 for the criteria of PyTorch that
            are not negative, and ``kinks`` follows
            from autograd's graph (ReLU, pooling, ...).

    Raises:
        FrozenParameterError, NoGradientError: named in the message, with what to do.
        NotDeterministicError: dropout, a random augmentation, a state that changes.
        InputError: an argument makes no sense.
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"model: give a torch.nn.Module, not {type(model).__name__}")
    if frozen not in ("error", "constant"):
        raise InputError(f'frozen: {frozen!r}: give "error" or "constant"')
    lazy = [n for n, p in model.named_parameters() if isinstance(p, torch.nn.parameter.UninitializedParameter)]
    if lazy:
        raise InputError(f"model: {lazy[0]} has no shape yet: call the model on a batch once")
    still = [n for n, p in model.named_parameters() if not p.requires_grad]
    if still and frozen == "error":
        raise FrozenParameterError(
            f'{_some(still)} frozen (requires_grad=False): they would not move. Give frozen="constant" to keep them as they are, or unfreeze them'
        )
    if len(still) == len(list(model.named_parameters())):
        raise InputError("model: it has no parameters that can be trained")
    _refuse_parameters(model)
    if criterion is not None and not callable(criterion):
        raise InputError(f"criterion: give a function or a module, not {type(criterion).__name__}")
    try:
        module = copy.deepcopy(model)
    except Exception as error:
        raise InputError(
            f"model: it cannot be copied ({error}); give a module whose tensors are parameters or buffers"
        ) from error
    module = module.double().train()
    if epsilon is not None:
        _set_epsilon(module, epsilon)
    differentiable_weight_norm(module)
    device = next(module.parameters()).device
    if isinstance(criterion, torch.nn.Module):
        criterion = copy.deepcopy(criterion).double().to(device)
        of_criterion = [n for n, p in criterion.named_parameters() if p.requires_grad]
        if of_criterion:
            raise InputError(
                f"criterion: its parameter {of_criterion[0]} would not be part of theta: put it into the model and give criterion=None"
            )
    if isinstance(batches, tuple) and batches and all(isinstance(x, (torch.Tensor, np.ndarray)) for x in batches):
        batches = [batches]
    fixed = [_converted(batch, device) for batch in batches]
    if not fixed:
        raise InputError("batches: there is none")
    evaluator = _Evaluator(module, forward or _forward(criterion), fixed)
    unused = evaluator.unused()
    if unused:
        raise NoGradientError(
            f'{_some(unused)} without a gradient: the loss does not depend on them. Remove them, or freeze them and give frozen="constant"'
        )
    nodes = evaluator.nodes()
    if kinks is None:
        kinks = next(
            (
                f"{what}: no Hessian"
                for node in nodes
                for key, what in _KINKS.items()
                if node.startswith(key) and node[len(key) :][:1].isupper() | node[len(key) :][:1].isdigit()
            ),
            None,
        )
    if loss_min is None and forward is None and isinstance(criterion, _NOT_NEGATIVE):
        loss_min = 0.0
    parameters, start = [], 0
    for n, p in zip(evaluator.names, evaluator.tensors):
        parameters.append(Parameter(n, start, tuple(p.shape), _layer(n)))
        start += p.numel()
    made = TorchLoss.__new__(TorchLoss)
    made.module = module
    Loss.__init__(
        made,
        evaluator.value_and_grad,
        evaluator.theta,
        hvp=evaluator.hvp if hvp else None,
        value=evaluator.value,
        blocks=blocks,
        minibatches=Minibatches.partition(len(fixed), 1) if len(fixed) > 1 else Minibatches.full(1),
        name=name or type(model).__name__,
        about=f"{type(model).__name__} of PyTorch {torch.__version__}, {len(parameters)} arrays, float64"
        + (f", epsilon {epsilon:g}" if epsilon is not None else ""),
        loss_min=loss_min,
        radius=radius,
        kinks=kinks,
        operations=3.0 * evaluator.multiply_adds() + _PER_NODE * len(nodes),
        parameters=parameters,
        probe=blocks is not None,
    )
    if blocks is not None:
        return made
    made.probe()
    return made.with_blocks(discover(made))


def _has_doubles(device: str) -> bool:
    """Whether a device has double precision, which Apple's has not."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def _refuse_parameters(model: torch.nn.Module) -> None:
    """Refuses parameters that no vector of doubles can stand for."""
    named = list(model.named_parameters())
    devices = {str(p.device) for _, p in named}
    if len(devices) > 1:
        raise InputError(f"model: its parameters are on several devices, {', '.join(sorted(devices))}: move it to one")
    if devices == {"meta"}:
        raise InputError("model: its parameters are on the device meta and have no values: build it on another")
    for device in devices:
        if not _has_doubles(device):
            raise InputError(f"model: the device {device} has no double precision: move it to the CPU")
    places: list[tuple[int, int, str]] = []
    for name, p in named:
        if p.is_complex():
            raise InputError(f"model: {name} is complex; theta is real: give its real and imaginary part")
        if p.layout == torch.strided and p.numel() > 0:
            span = 1 + sum((n - 1) * abs(step) for n, step in zip(p.shape, p.stride()))
            places.append((p.data_ptr(), p.data_ptr() + span * p.element_size(), name))
    places.sort()
    for (_, end, name), (start, _, other) in zip(places, places[1:]):
        if start < end:
            raise InputError(
                f"model: {name} and {other} share memory and are two parameters, which a step would move twice; tie them "
                "as one: assign the parameter itself, not its data"
            )


def _layer(name: str) -> str:
    """The layer of a parameter: the module that has it, or that has it parametrised."""
    owner = name.rpartition(".")[0]
    return owner.partition(".parametrizations.")[0] if ".parametrizations." in f".{owner}." else owner


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"


def _set_epsilon(module: torch.nn.Module, epsilon: float) -> None:
    if not 0.0 < epsilon < float("inf"):
        raise InputError(f"epsilon: {epsilon}: give a number above 0, as 1e-30; frameworks refuse 0")
    changed = 0
    for layer in module.modules():
        if isinstance(getattr(layer, "eps", None), float):
            layer.eps = epsilon  # type: ignore[assignment]
            changed += 1
    if not changed:
        raise RatecheckError("epsilon: no layer of the module has an attribute eps; set it in the module itself")
