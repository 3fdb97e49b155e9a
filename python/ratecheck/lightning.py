"""The monitor as a callback of Lightning: of ``lightning``, or of ``pytorch_lightning``.

>>> trainer = lightning.Trainer(callbacks=[ratecheck.lightning.Monitor("norms.csv", every=50)])       # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .errors import InputError, MissingError
from .torch import Monitor as _TorchMonitor

__all__ = ["Monitor"]

#: Where the class of callbacks is. Both packages may be installed, and are not each other's.
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _callback() -> Any:
    """The class of callbacks, of the package that the program has imported already, if it has."""
    for name in sorted(_PACKAGES, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name).Callback
        except ImportError:
            continue
    raise MissingError("Lightning is not installed: pip install lightning")


if TYPE_CHECKING:
    _Callback = object
else:
    _Callback = _callback()


class _Loggers:
    """What a monitor writes to, where a trainer's loggers are meant."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        for logger in self._trainer.loggers:
            logger.log_metrics({tag: value}, step=step)


class Monitor(_Callback):
    """:class:`ratecheck.torch.Monitor` as a callback: it watches the module that is fitted and one of its optimizers.

    Steps are those of the optimizer, counted on where training goes on from a checkpoint: rows are then added to the
    CSV that is there. With several processes the first one watches, whose gradients are everybody's. The gradient is
    the one that the optimizer sees: of all accumulated batches, unscaled, and clipped where the trainer clips.

    Args:
        path: where the CSV goes; without it rows are only kept in :attr:`rows`.
        every, blocks, rows: as of :class:`ratecheck.torch.Monitor`.
        full: ``full(module)`` gives the whole loss at the module's parameters, or an iterable of losses whose mean it
            is.
        optimizer: which one of the trainer's optimizers.
        log: whether the trainer's loggers get everything, as ``ratecheck/<quantity>/<block>``.

    Raises:
        InputError, OutputError: when training starts, as of :class:`ratecheck.torch.Monitor`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        every: int = 50,
        blocks: Iterable[str] | None = None,
        rows: bool = False,
        full: Callable[[Any], Any] | None = None,
        optimizer: int = 0,
        log: bool = False,
    ) -> None:
        self._arguments: dict[str, Any] = {"every": every, "blocks": None if blocks is None else list(blocks), "rows": rows}
        self._path, self._full, self._optimizer, self._log = path, full, optimizer, log
        self._monitor: _TorchMonitor | None = None
        self._step = 0
        #: Everything recorded, as dictionaries.
        self.rows: list[dict[str, Any]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts to watch: the optimizers are there now."""
        if not trainer.is_global_zero:
            return
        optimizers = trainer.optimizers
        if not -len(optimizers) <= self._optimizer < len(optimizers):
            raise InputError(f"optimizer: there is no {self._optimizer}, the trainer has {len(optimizers)}")
        full = self._full
        self._monitor = _TorchMonitor(
            pl_module,
            optimizers[self._optimizer],
            self._path,
            **self._arguments,
            full=None if full is None else lambda: full(pl_module),
            writer=_Loggers(trainer) if self._log else None,
            append=self._step > 0,
        )
        self._monitor.step = self._step
        self._monitor.rows = self.rows

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Takes the hooks away and closes the CSV."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The same where training ends otherwise."""
        self._close()

    def _close(self) -> None:
        if self._monitor is not None:
            self._step = self._monitor.step
            self._monitor.close()
            self._monitor = None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the number of steps."""
        return {"step": self._step if self._monitor is None else self._monitor.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Counts on from a checkpoint."""
        self._step = int(state_dict["step"])

    def to_pandas(self) -> Any:
        """A data frame of all rows."""
        from ._results import pandas_of

        return pandas_of(self.rows)
