"""Progress of long calls: tqdm where it is installed, on a terminal or in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class Progress:
    """A bar that is there while a call runs, if anybody can see it."""

    def __init__(self, total: int, wanted: bool | None) -> None:
        self._bar: Any = None
        if wanted or (wanted is None and sys.stderr is not None and sys.stderr.isatty()):
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, leave=False)

    def __enter__(self) -> Callable[[str, int], None]:
        return self._say

    def _say(self, what: str, done: int) -> None:
        if self._bar is not None:
            self._bar.set_description_str(what, refresh=False)
            self._bar.update(done - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
