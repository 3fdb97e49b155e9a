"""What :func:`ratecheck.discover` returns."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._results import pandas_of


@dataclass
class Part:
    """A scale-invariant part, or one that is but for a constant epsilon."""

    name: str
    """What a reader calls it: ``features.0.weight row 3``."""
    places: NDArray[np.int64]
    """Where it is in theta."""
    norm: float
    """||w||."""
    residual: float
    """|w' grad_w F| / (||w|| ||grad_w F||), the largest at the points looked at: rounding if it is invariant."""
    noise: float
    """What rounding makes of that, as it was found."""
    negligible_norm: float = 0.0
    """The norm from which on rounding hides a constant epsilon; 0 if there is none."""
    epsilon_share: float | None = None
    """epsilon / (variance + epsilon), the mean over the units of normalisation that the part feeds, where the framework
    knows them."""

    @property
    def exact(self) -> bool:
        """Whether it is invariant to rounding, and not only but for epsilon."""
        return self.negligible_norm == 0.0


@dataclass
class Discovery:
    """What :func:`discover` found. ``loss.with_blocks(found)`` is the loss with these blocks."""

    invariant: list[Part] = field(default_factory=list)
    """The finest partition that is."""
    nearly: list[Part] = field(default_factory=list)
    """Parts that are invariant but for a constant epsilon."""
    not_invariant: dict[str, float] = field(default_factory=dict)
    """Names of arrays, with how far they are from it: |w' grad_w F| / (||w|| ||grad_w F||)."""
    overlapping: list[str] = field(default_factory=list)
    """Further parts that are invariant, and share arrays with those above: as where only the product of two arrays
    matters."""
    without_effect: list[str] = field(default_factory=list)
    """Arrays (or what is left of them) that F does not depend on, such as a bias before a batch normalisation."""
    gradients: int = 0
    """How many gradients it took."""

    @property
    def blocks(self) -> list[tuple[str, NDArray[np.int64]]]:
        """All parts, the nearly invariant ones included, as :class:`ratecheck.Loss` takes them."""
        parts = sorted(self.invariant + self.nearly, key=lambda part: int(part.places[0]))
        return [(part.name, part.places) for part in parts]

    def to_pandas(self) -> Any:
        """A data frame, one row a part."""
        return pandas_of(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        rows = [
            {
                "part": part.name,
                "size": len(part.places),
                "verdict": "invariant" if part.exact else "but for epsilon",
                "norm": part.norm,
                "residual": part.residual,
                "noise": part.noise,
                "epsilon_share": part.epsilon_share,
                "negligible_norm": part.negligible_norm,
            }
            for part in self.invariant + self.nearly
        ]
        for name, residual in self.not_invariant.items():
            rows.append({"part": name, "verdict": "not invariant", "residual": residual})
        for name in self.without_effect:
            rows.append({"part": name, "verdict": "without effect", "residual": 0.0})
        return rows

    def _grouped(self) -> list[tuple[str, str, str]]:
        """Rows of one array together: what, verdict, figures."""
        groups: dict[tuple[str, str], list[Part]] = {}
        for part in self.invariant + self.nearly:
            array, _, _ = part.name.partition(" row")
            groups.setdefault((array, "invariant" if part.exact else "but for epsilon"), []).append(part)
        lines = []
        for (array, verdict), parts in groups.items():
            what = (
                parts[0].name
                if len(parts) == 1
                else f"{array}: {len(parts)} parts of {_range([len(part.places) for part in parts])}"
            )
            figures = f"residual {max(part.residual for part in parts):.1e}"
            if verdict != "invariant":
                shares = [part.epsilon_share for part in parts if part.epsilon_share is not None]
                figures += f", epsilon is up to {max(shares):.1e} of the variance" if shares else ""
                figures += f", hidden by rounding from norm {max(part.negligible_norm for part in parts):.1e} on"
            lines.append((what, verdict, figures))
        lines += [(name, "not invariant", f"residual {residual:.1e}") for name, residual in self.not_invariant.items()]
        lines += [(name, "without effect", "") for name in self.without_effect]
        lines += [(name, "invariant too", "shares arrays with a part above") for name in self.overlapping]
        return lines

    def __str__(self) -> str:
        lines = self._grouped()
        width = max((len(what) for what, _, _ in lines), default=0)
        return "\n".join(f"{what:{width}}  {verdict:15}  {figures}".rstrip() for what, verdict, figures in lines)

    def __repr__(self) -> str:
        return f"<ratecheck.Discovery: {len(self.invariant)} parts invariant, {len(self.nearly)} but for epsilon, {len(self.not_invariant)} arrays not>"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in line) + "</tr>"
            for line in self._grouped()
        )
        return f"<table><thead><tr><th>part</th><th>verdict</th><th></th></tr></thead><tbody>{rows}</tbody></table>"


def _range(sizes: list[int]) -> str:
    return str(sizes[0]) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
