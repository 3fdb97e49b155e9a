"""Checks the theorems of Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR
2019), on your own loss.

>>> import ratecheck
>>> loss = ratecheck.torch.loss(model, criterion, batches)   # or ratecheck.jax.loss, or ratecheck.Loss over NumPy    # doctest: +SKIP
>>> results = ratecheck.verify(loss)                         # doctest: +SKIP
>>> print(results)                                           # doctest: +SKIP

``ratecheck.torch``, ``ratecheck.jax`` and ``ratecheck.lightning`` import their frameworks when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from ._constants import Constants, constants
from ._core import __version__
from ._discover import Discovery, discover
from ._fit import Fitted, fit
from ._loss import Loss, Minibatches, Parameter
from ._results import Claim, Results
from ._sweep import Sweep, sweep
from ._verify import Statement, claims, inspect, verify
from .errors import (
    FrozenParameterError,
    InputError,
    InternalError,
    LossError,
    MissingError,
    NoGradientError,
    NotDeterministicError,
    NotFiniteError,
    OutputError,
    RatecheckError,
    RatecheckWarning,
)

__all__ = [
    "Claim",
    "Constants",
    "Discovery",
    "Fitted",
    "FrozenParameterError",
    "InputError",
    "InternalError",
    "Loss",
    "LossError",
    "Minibatches",
    "MissingError",
    "NoGradientError",
    "NotDeterministicError",
    "NotFiniteError",
    "OutputError",
    "Parameter",
    "RatecheckError",
    "RatecheckWarning",
    "Results",
    "Statement",
    "Sweep",
    "__version__",
    "claims",
    "constants",
    "discover",
    "fit",
    "inspect",
    "jax",
    "lightning",
    "sweep",
    "torch",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in ("torch", "jax", "lightning"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
