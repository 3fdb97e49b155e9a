"""The exceptions and the warning of ratecheck.

What a user's own function raises comes out as it was raised. Everything else that goes wrong is one of these, with one
sentence that
says what is wrong, where, and what to do:

==========================  ====================================================================================================
:class:`InputError`         an argument makes no sense (also a ``ValueError``)
:class:`LossError`          a loss returned something that cannot be used: another shape, no number, a wrong product
:class:`NotFiniteError`     a loss, or its gradient, is not finite at the start
:class:`NotDeterministicError`  two evaluations of F_z at one point differ: dropout, a random augmentation, a state that changes
:class:`NoGradientError`    parameters that get no gradient, because nothing that is computed depends on them
:class:`FrozenParameterError`  parameters with ``requires_grad=False``
:class:`MissingError`       an optional package is not installed (also an ``ImportError``)
:class:`OutputError`        a file cannot be written or read
:class:`InternalError`      a bug in ratecheck
:class:`RatecheckWarning`   an array was converted or copied, and results do not suffer
==========================  ====================================================================================================
"""

__all__ = [
    "FrozenParameterError",
    "InputError",
    "InternalError",
    "LossError",
    "MissingError",
    "NoGradientError",
    "NotDeterministicError",
    "NotFiniteError",
    "OutputError",
    "RatecheckError",
    "RatecheckWarning",
]


class RatecheckError(Exception):
    """What all of them are."""


class InputError(RatecheckError, ValueError):
    """An argument makes no sense."""


class LossError(RatecheckError):
    """A loss returned something that cannot be used."""


class NotFiniteError(LossError, ArithmeticError):
    """A loss, or its gradient, is not finite at the start."""


class NotDeterministicError(LossError):
    """Two evaluations of F_z at one point differ."""


class NoGradientError(LossError):
    """Parameters get no gradient."""


class FrozenParameterError(InputError):
    """Parameters are frozen."""


class MissingError(RatecheckError, ImportError):
    """An optional package is not installed."""


class OutputError(RatecheckError, OSError):
    """A file cannot be written or read."""


class InternalError(RatecheckError):
    """A bug in ratecheck."""


class RatecheckWarning(UserWarning):
    """An array was converted or copied."""
