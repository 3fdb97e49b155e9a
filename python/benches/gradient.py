"""What ratecheck adds to a gradient of PyTorch's own, for a network of 1e5 parameters.

    python python/benches/gradient.py [--batch 128] [--rounds 900]

The module's own forward pass and `torch.autograd.grad`, the function that ratecheck.torch.loss makes of it, and the same
as the engine gets it, through the extension module, are timed in turns; the mean of the five best of each is taken.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import ratecheck


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("batch", 128), ("rounds", 900)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(64, 256), nn.BatchNorm1d(256), nn.Tanh(), nn.Linear(256, 256), nn.BatchNorm1d(256), nn.Tanh(),
        nn.Linear(256, 64),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    x, y = torch.randn(asked.batch, 64), torch.arange(asked.batch) % 64
    loss = ratecheck.torch.loss(model, criterion, (x, y), blocks={})
    module, double, theta, first = loss.module, x.double(), loss.theta, np.array([0])
    parameters = list(module.parameters())
    function = loss._functions["value_and_grad"]

    def own():
        value = criterion(module(double), y)
        return value.item(), torch.autograd.grad(value, parameters)

    calls = {
        "PyTorch": own,
        "ratecheck.torch": lambda: function(theta, first),
        "as the engine gets it": lambda: loss._core.value_and_grad(theta, [0]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(asked.rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    best = {name: float(np.mean(np.sort(found)[:5])) for name, found in seconds.items()}
    print(f"{loss.n_parameters} parameters, {asked.batch} examples, one thread:")
    for name, found in best.items():
        print(f"{name:22} {1e6 * found:6.0f} us  {100.0 * (found / best['PyTorch'] - 1.0):+.1f} %")


if __name__ == "__main__":
    main()
