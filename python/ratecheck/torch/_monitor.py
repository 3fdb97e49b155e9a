"""What scale-invariant parameters do while a model trains."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ..errors import InputError, OutputError
from ._layers import variance_of

_COLUMNS = (
    "step",
    "block",
    "w_norm_sq",
    "grad_norm",
    "grad_v_norm",
    "effective_rate",
    "angular_update",
    "orthogonality",
    "norm_growth",
    "epsilon_share",
    "full_grad_v_norm",
)

#: A megabyte of doubles.
_PIECE = 2**17


class Monitor:
    """Records, every so many steps, what the paper speaks of, for every watched parameter: one row a step and block, in
    CSV.

    ============================  ==================================================================================================
    ``w_norm_sq``                 ||w||^2 before the step
    ``grad_norm``                 ||grad_w||, of the gradient that the optimizer sees
    ``grad_v_norm``               ||w|| ||grad_w||: the gradient at the normalised point w / ||w|| (Lemma 2.2)
    ``effective_rate``            eta_w / ||w||^2
    ``angular_update``            the angle between w before and after the step, in radians
    ``orthogonality``             |w' grad_w| / (||w|| ||grad_w||): rounding if the block is scale invariant (Lemma 2.4)
    ``norm_growth``               (||w_(t+1)||^2 - ||w_t||^2) / (eta_w^2 ||grad_w||^2) - 1: 0 under plain SGD (Lemma 2.4); momentum, weight decay and
                                  adaptive rates show here
    ``full_grad_v_norm``          ||w|| ||grad_w L||, of the gradient of the whole loss, which the theorems bound; empty without ``full``
    ``epsilon_share``             of a layer of normalisation (rows of their own): the mean over units of epsilon / (variance + epsilon); else empty
    ============================  ==================================================================================================

    ``ratecheck fit monitor.csv --where block=NAME --value full_grad_v_norm --skip-empty`` fits the rate of one block,
    with one file for every seed. Blocks of one model are no independent runs. ``grad_v_norm`` is that of the gradient
    that the optimizer sees: of one minibatch, whose noise does not fall, and clipped where the loop clips. Under
    ``optimizer.step(closure)`` it is the one that the closure's first evaluation leaves.

    Args:
        model: the module.
        optimizer: a ``torch.optim.Optimizer``; its hooks around ``step`` do the work, so that nothing in a loop
            changes.
        path: where the CSV goes; without it rows are only kept in :attr:`rows`.
        every: the interval in steps. At other steps nothing is computed.
        blocks: names of the parameters to watch; left out, all with two dimensions or more. Each is one block: where
            rows are scale invariant, the whole is too.
        rows: whether each row (unit, filter) is a block of its own.
        full: a function without arguments that gives the whole loss L at the model's parameters, or an iterable of
            losses of equally likely minibatches, whose mean L is. It is called at the recorded steps; the model's
            buffers (running statistics) are put back as they were.
        writer: a ``SummaryWriter`` of TensorBoard, or anything with ``add_scalar(tag, value, step)``.
        append: whether rows are added to a CSV that is there, as where training goes on: set :attr:`step` then.

    Example:
        >>> monitor = Monitor(model, optimizer, "norms.csv", every=50)         # doctest: +SKIP
        >>> for x, y in loader:                                                # doctest: +SKIP
        ...     optimizer.zero_grad(); criterion(model(x), y).backward(); optimizer.step()
        >>> monitor.close()                                                    # doctest: +SKIP

    Raises:
        InputError: nothing is to be watched, or a name is not one of the model's.
        OutputError: the CSV cannot be written.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        path: str | os.PathLike[str] | None = None,
        *,
        every: int = 50,
        blocks: Iterable[str] | None = None,
        rows: bool = False,
        full: Callable[[], torch.Tensor | Iterable[torch.Tensor]] | None = None,
        writer: Any = None,
        append: bool = False,
    ) -> None:
        if not isinstance(every, int) or every < 1:
            raise InputError(f"every: give a whole number from 1 on, not {every!r}")
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(f"optimizer: give a torch.optim.Optimizer, not {type(optimizer).__name__}")
        named = dict(model.named_parameters())
        wanted = [name for name, p in named.items() if p.dim() >= 2] if blocks is None else list(blocks)
        unknown = [name for name in wanted if name not in named]
        if unknown:
            raise InputError(
                f"blocks: the model has no parameter {unknown[0]}; it has {', '.join(list(named)[:6])}, .."
            )
        rates = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        self._watched = [(name, named[name], rates[id(named[name])]) for name in wanted if id(named[name]) in rates]
        if not self._watched:
            raise InputError("blocks: the optimizer moves none of the parameters to watch")
        self._every, self._by_row, self._writer = every, bool(rows), writer
        self._model, self._full = model, full
        self._whole: list[torch.Tensor | None] = []
        self.step = 0
        #: Everything recorded, as dictionaries.
        self.rows: list[dict[str, Any]] = []
        self._before: list[Any] = []
        self._shares: dict[str, torch.Tensor] = {}
        self._file, self._csv = self._opened(path, append)
        self._hooks = [optimizer.register_step_pre_hook(self._before_step), optimizer.register_step_post_hook(self._after)]
        for name, layer in model.named_modules():
            variance = variance_of(layer)
            if variance is not None:
                self._hooks.append(layer.register_forward_pre_hook(self._share_hook(name, variance)))

    @staticmethod
    def _opened(path: str | os.PathLike[str] | None, append: bool) -> tuple[Any, Any]:
        if path is None:
            return None, None
        try:
            file = Path(path).open("a" if append else "w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; give a path in a directory that can be written"
            ) from error
        writer = csv.DictWriter(file, _COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        return file, writer

    def _share_hook(
        self, name: str, variance: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]
    ) -> Callable[..., None]:
        def hook(layer: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            if self.step % self._every == 0 and layer.training and inputs and isinstance(inputs[0], torch.Tensor):
                with torch.no_grad():
                    of_units = variance(layer, inputs[0].detach())
                    epsilon: Any = layer.eps
                    self._shares[name] = (epsilon / (of_units + epsilon)).mean()

        return hook

    def _dots(self, x: torch.Tensor, y: torch.Tensor, minus: bool = False) -> list[torch.Tensor]:
        """<x, x>, <y, y> and <x, y> of the blocks of one parameter, in double precision; with ``minus``, x - y is in the
        place of x."""
        if self._by_row:
            x, y = x.double().flatten(1), y.double().flatten(1)
            x = x - y if minus else x
            return [(x * x).sum(dim=1), (y * y).sum(dim=1), (x * y).sum(dim=1)]
        x, y = x.reshape(-1), y.reshape(-1)
        # What is larger than the caches of a processor is taken in pieces, with two places for their doubles.
        size = min(len(x), _PIECE) if x.device.type == "cpu" else len(x)
        places = torch.empty(2, size, dtype=torch.float64, device=x.device)
        sums = torch.zeros(3, dtype=torch.float64, device=x.device)
        for start in range(0, len(x), size):
            n = min(size, len(x) - start)
            a, b = places[0, :n].copy_(x[start : start + n]), places[1, :n].copy_(y[start : start + n])
            if minus:
                a -= b
            sums += torch.stack([torch.dot(a, a), torch.dot(b, b), torch.dot(a, b)])
        return [one.reshape(1) for one in sums]

    def _before_step(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Looks before the parameters move: at once, or where the gradient comes from a closure, after that."""
        if self.step % self._every:
            return None
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._look()
            return None
        looked = False

        def looking() -> Any:
            nonlocal looked
            found = closure()
            # Some optimizers evaluate at further points; the first is where the step starts.
            if not looked:
                looked = True
                self._look()
            return found

        return args[:1], {**kwargs, "closure": looking}

    @torch.no_grad()
    def _look(self) -> None:
        for name, p, group in self._watched:
            if p.grad is None:
                continue
            # In double precision: ||w_(t+1)||^2 - ||w_t||^2 would not be there in single. What is kept is as it was.
            dots = self._dots(p.detach(), p.grad.detach())
            self._before.append((name, p, p.detach().clone(), dots, float(group["lr"])))
        self._whole = [] if self._full is None else self._full_gradients(self._full)

    def _full_gradients(self, full: Callable[[], torch.Tensor | Iterable[torch.Tensor]]) -> list[torch.Tensor | None]:
        """grad_w L of every watched parameter, in double precision; the gradients of the loop stay as they are."""
        parameters = [p for _, p, *_ in self._before]
        # A forward pass moves running statistics, and would be taken for the loop's own by the hooks of layers.
        buffers = [(buffer, buffer.detach().clone()) for buffer in self._model.buffers()]
        shares = dict(self._shares)
        try:
            with torch.enable_grad():
                found = full()
                sums: list[torch.Tensor | None] = [None] * len(parameters)
                n = 0
                for loss in [found] if isinstance(found, torch.Tensor) else found:
                    if not isinstance(loss, torch.Tensor) or loss.dim() > 0 or not loss.requires_grad:
                        raise InputError("full: give the loss, a tensor of no dimension that depends on the parameters")
                    n += 1
                    for k, grad in enumerate(torch.autograd.grad(loss, parameters, allow_unused=True)):
                        if grad is not None:
                            grad = grad.detach().to(torch.float64)
                            before = sums[k]
                            sums[k] = grad if before is None else before + grad
        finally:
            for buffer, value in buffers:
                buffer.copy_(value)
            self._shares = shares
        if n == 0:
            raise InputError("full: gave no loss at all; an iterator is used up after the first time, give a function")
        return [None if grad is None else grad / n for grad in sums]

    @torch.no_grad()
    def _after(self, *_: Any) -> None:
        if self._before:
            found = []
            whole = self._whole or [None] * len(self._before)
            for (name, p, before, (n, sq, dot), rate), of_loss in zip(self._before, whole):
                moved, _w, along = self._dots(p.detach(), before, minus=True)
                # ||w + d||^2 - ||w||^2, and the chord between the directions: |d|^2 without what the lengths differ by.
                growth = moved + 2.0 * along
                length, after = n.sqrt(), (n + growth).clamp(min=0.0).sqrt()
                chord = ((moved - (growth / (length + after)).square()) / (length * after)).clamp(min=0.0).sqrt()
                columns = torch.stack(
                    [
                        n,
                        sq.sqrt(),
                        (n * sq).sqrt(),
                        rate / n,
                        2.0 * torch.asin((0.5 * chord).clamp(max=1.0)),
                        dot.abs() / (n * sq).sqrt(),
                        growth / (rate * rate * sq) - 1.0,
                    ]
                )
                full = None if of_loss is None else (n * self._dots(of_loss, of_loss)[0]).sqrt().cpu().tolist()
                found.append((name, columns.cpu(), full))
            self._before = []
            self._whole = []
            self._record(found)
        self.step += 1

    def _record(self, found: list[tuple[str, torch.Tensor, list[float] | None]]) -> None:
        new = []
        for name, columns, full in found:
            for k, values in enumerate(columns.T.tolist()):
                block = f"{name} row {k + 1}" if self._by_row else name
                new.append(dict(zip(_COLUMNS, [self.step, block, *values, "", "" if full is None else full[k]])))
        for name, share in self._shares.items():
            new.append({**dict.fromkeys(_COLUMNS, ""), "step": self.step, "block": name, "epsilon_share": share.item()})
        self._shares = {}
        self.rows += new
        if self._csv is not None:
            self._csv.writerows(new)
            self._file.flush()
        if self._writer is not None:
            for row in new:
                for column in _COLUMNS[2:]:
                    if row[column] != "":
                        self._writer.add_scalar(f"ratecheck/{column}/{row['block']}", row[column], self.step)

    def to_pandas(self) -> Any:
        """A data frame of all rows."""
        from .._results import pandas_of

        return pandas_of(self.rows)

    def close(self) -> None:
        """Takes the hooks away and closes the CSV."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        if self._file is not None:
            self._file.close()
            self._file = self._csv = None

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
