"""Losses from PyTorch modules, and what to watch while one trains."""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ImportError as _error:
    from ..errors import MissingError

    raise MissingError("PyTorch is not installed: pip install torch") from _error

from ._loss import TorchLoss, loss
from ._monitor import Monitor

__all__ = ["Monitor", "TorchLoss", "loss"]
