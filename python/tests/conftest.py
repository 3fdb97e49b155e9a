"""What several tests use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ratecheck

ROOT = Path(__file__).parents[2]
PROBLEMS = ROOT / "examples" / "problems"


def optional(name: str):
    """An optional package; where it is not installed, what needs it says so and is left out."""
    return pytest.importorskip(name, reason=f"NOT CHECKED: {name} is not installed")


A = np.array([0.0, 1.0, 3.0])


def rayleigh(w):
    """w'Aw / w'w, scale invariant in w."""
    n = w @ w
    f = w @ (A * w) / n
    return f, 2.0 * (A * w - f * w) / n


def rayleigh_hvp(w, d):
    """The derivative of the gradient 2 (A w - f w) / n along d."""
    n = w @ w
    f, grad = rayleigh(w)
    df = grad @ d
    return 2.0 * (A * d - df * w - f * d) / n - grad * (2.0 * (w @ d) / n)


def bilinear(theta):
    """g^2/2 - g c'v + 1 with v = w/||w|| and c = (1, 2): one block and a g."""
    w, g = theta[:2], theta[2]
    norm = np.linalg.norm(w)
    v, c = w / norm, np.array([1.0, 2.0])
    grad_w = -g * (c - (c @ v) * v) / norm
    return g * g / 2 - g * (c @ v) + 1, np.array([*grad_w, g - c @ v])


@pytest.fixture
def simple() -> ratecheck.Loss:
    """A Rayleigh quotient in three dimensions with exact products."""
    return ratecheck.Loss(rayleigh, [1.0, 2.0, -0.5], hvp=rayleigh_hvp, blocks={"w": 3}, loss_min=0.0, name="rayleigh")


#: Statements about single points and few steps: quick.
POINT = ["definition-2.1", "lemma-2.2", "lemma-2.4.1", "euler-identities", "appendix-a-identities", "lemma-2.4.2"]
