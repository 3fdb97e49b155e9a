"""What a verification found."""

from __future__ import annotations

import html
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from . import _core
from .errors import MissingError, OutputError


class Claim(NamedTuple):
    """One statement on one loss."""

    id: str
    """As the command knows it: ``lemma-2.2``."""
    title: str
    """As the paper names it."""
    status: str
    """``holds``, ``not applicable``, ``inconclusive``, ``control broken``, ``control not rejected``, ``fails`` or
    ``error``."""
    reason: str | None
    """Why it does not hold; nothing if it does."""
    margin: float | None
    """The part of what is allowed that was left unused at the tightest comparison."""
    tightest: str | None
    """Where that is."""
    rejected: int
    """Controls that were rejected, as all must be."""
    controls: int
    """Controls."""
    seconds: float
    """The time it took, controls included."""
    plain: str
    """The statement in a sentence."""
    formula: str
    """The statement as a formula."""


def pandas_of(rows: list[dict[str, Any]] | dict[str, Any]) -> Any:
    """A data frame."""
    try:
        import pandas
    except ImportError as error:
        raise MissingError("pandas is not installed: pip install pandas") from error
    return pandas.DataFrame(rows)


def written(text: str, path: str | os.PathLike[str] | None) -> str:
    """Writes a text whole or not at all, if there is a path, and returns it."""
    if path is None:
        return text
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path}: {error.strerror}; give a path in a directory that can be written"
        ) from error
    return text


_COLOURS = {
    "holds": "#1a7f37",
    "fails": "#cf222e",
    "error": "#cf222e",
    "control not rejected": "#cf222e",
    "control broken": "#9a6700",
}


class Results:
    """The results of :func:`ratecheck.verify`: those of the command ``ratecheck verify``, with its words, reports and
    exit codes.

    ``print(results)`` shows the table of the command; a notebook shows it with colours.
    """

    def __init__(self, core: Any) -> None:
        self._core = core

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Results:
        """Reads a results.json of the command or of :meth:`to_json`."""
        return cls(_core.read(Path(path)))

    @property
    def claims(self) -> list[Claim]:
        """The claims that were checked, in the order of the paper."""
        return [Claim(*row) for row in self._core.rows()]

    def __getitem__(self, claim: str) -> Claim:
        for found in self.claims:
            if found.id == claim:
                return found
        raise KeyError(f"{claim}: it was not checked; there are {', '.join(found.id for found in self.claims)}")

    def __len__(self) -> int:
        return len(self.claims)

    def __iter__(self) -> Any:
        return iter(self.claims)

    def exit_code(self, strict: bool = False) -> int:
        """The exit code of the command: 0 if nothing fails, 1 if something does, 3 if a control was not rejected, and
        with ``strict`` 4 if
        something is inconclusive. ``sys.exit(results.exit_code())`` ends a script as the command would."""
        return int(self._core.exit_code(strict))

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code() == 0

    @property
    def summary(self) -> str:
        """One line of totals."""
        return str(self._core.summary())

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """results.json, which ``ratecheck report``, ``compare`` and :meth:`read` take."""
        return written(self._core.json(), path)

    def to_dict(self) -> dict[str, Any]:
        """The same as Python objects; ``ratecheck schema`` describes every field."""
        found: dict[str, Any] = json.loads(self._core.json())
        return found

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The page: one file that needs no network."""
        return written(self._core.html(), path)

    def to_junit(self, path: str | os.PathLike[str] | None = None) -> str:
        """JUnit XML, for continuous integration: one test case a claim."""
        return written(self._core.junit(), path)

    def write(self, directory: str | os.PathLike[str]) -> Path:
        """Every report of the command into a directory: page, JSON, Markdown, LaTeX, JUnit, plots and their data.
        Returns the path of the page."""
        return Path(self._core.write(Path(directory)))

    def to_pandas(self) -> Any:
        """A data frame, one row a claim.

        Raises:
            MissingError: pandas is not installed.
        """
        return pandas_of([claim._asdict() for claim in self.claims])

    def __str__(self) -> str:
        return f"{self._core.table(shutil.get_terminal_size((100, 24)).columns).rstrip()}"

    def __repr__(self) -> str:
        return f"<ratecheck.Results: {self.summary}>"

    def _repr_html_(self) -> str:
        rows = []
        for claim in self.claims:
            colour = _COLOURS.get(claim.status, "inherit")
            margin = "" if claim.margin is None else f"{claim.margin:.3g}"
            cells = [
                claim.id,
                claim.status,
                margin,
                claim.tightest or "",
                f"{claim.rejected}/{claim.controls}",
                claim.reason or "",
            ]
            marked = "".join(
                f'<td style="text-align:left{";color:" + colour if k == 1 else ""}">{html.escape(cell)}</td>'
                for k, cell in enumerate(cells)
            )
            rows.append(f'<tr title="{html.escape(claim.plain)}">{marked}</tr>')
        head = "".join(
            f'<th style="text-align:left">{name}</th>'
            for name in ("claim", "verdict", "margin", "tightest", "controls rejected", "why")
        )
        return f"<table><caption>{html.escape(self.summary)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
