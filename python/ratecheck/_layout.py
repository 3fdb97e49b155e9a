"""Where the scale-invariant blocks are in a user's flat vector of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard, Union

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

#: A number of parameters (the next ones in order), a slice, or their places in theta.
Where = Union[int, slice, Sequence[int], NDArray[np.integer]]
#: Blocks with names, or without: then they are called block 1, block 2, ...
Blocks = Union[Mapping[str, Where], Iterable[Union[Where, tuple[str, Where]]]]


def _is_count(where: object) -> TypeGuard[int]:
    return isinstance(where, (int, np.integer)) and not isinstance(where, bool)


def _named(blocks: Blocks | None) -> list[tuple[str, Where]]:
    if blocks is None:
        return []
    if isinstance(blocks, Mapping):
        return list(blocks.items())
    named = []
    for k, block in enumerate(blocks, 1):
        if isinstance(block, tuple) and len(block) == 2 and isinstance(block[0], str):
            named.append(block)
        else:
            named.append((f"block {k}", block))
    return named


def size_of(blocks: Blocks | None, g: Where | None) -> int:
    """The number of parameters, where no start says it: every part has to be a number then."""
    parts = [where for _, where in _named(blocks)] + ([] if g is None else [g])
    counts = [int(part) for part in parts if _is_count(part)]
    if not parts or len(counts) < len(parts):
        raise InputError("theta: give the start, or blocks and g as numbers of parameters")
    return sum(counts)


class Layout:
    """Names and places of blocks, and of g.

    Attributes:
        names: the names of the blocks.
        places: for every block, where its parameters are in theta (int64).
        g: the same of what is in no block.
    """

    def __init__(self, n: int, blocks: Blocks | None, g: Where | None) -> None:
        taken = np.zeros(n, dtype=bool)
        start = 0
        self.names: list[str] = []
        self.places: list[NDArray[np.int64]] = []
        for name, where in _named(blocks):
            if _is_count(where):
                first, start = start, start + int(where)
                where = slice(first, start)
                if start > n:
                    raise InputError(f"blocks: {name} ends at {start}, beyond the {n} parameters of theta")
            self.names.append(str(name))
            self.places.append(self._take(f"blocks: {name}", where, taken, n))
            if not len(self.places[-1]):
                raise InputError(f"blocks: {name} has no parameters; leave it out")
        rest = np.flatnonzero(~taken)
        if g is not None:
            if _is_count(g):
                if int(g) != len(rest):
                    raise InputError(
                        f"g: {g} parameters, where {len(rest)} of {n} are in no block; leave g out to take them"
                    )
            else:
                given = self._take("g", g, taken, n)
                left = np.flatnonzero(~taken)
                if len(left):
                    raise InputError(f"g: parameter {left[0]} is neither in a block nor in g")
                rest = given
        self.g = rest
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"blocks: two of them are called {twice}")
        order = np.concatenate([*self.places, self.g]) if n else np.empty(0, dtype=np.int64)
        #: The user's place of each of the engine's parameters; None if they are the same.
        self.order: NDArray[np.int64] | None = None if np.array_equal(order, np.arange(n)) else order

    @staticmethod
    def _take(name: str, where: Where, taken: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
        if isinstance(where, slice):
            if max(abs(where.start or 0), abs(where.stop or 0)) > n:
                raise InputError(f"{name}: {where} reaches beyond the {n} parameters of theta")
            places = np.arange(n, dtype=np.int64)[where]
        else:
            places = np.asarray(where)
            if places.ndim != 1 or (places.size and not np.issubdtype(places.dtype, np.integer)):
                raise InputError(f"{name}: give a number of parameters, a slice, or a vector of places, not {where!r}")
            places = places.astype(np.int64)
            if places.size and (places.min() < 0 or places.max() >= n):
                raise InputError(
                    f"{name}: place {places.max() if places.max() >= n else places.min()} is not in 0..{n - 1}"
                )
            if len(np.unique(places)) < len(places):
                raise InputError(f"{name}: a parameter is named twice")
        if taken[places].any():
            raise InputError(f"{name}: parameter {places[taken[places]][0]} is in another part already")
        taken[places] = True
        return places
