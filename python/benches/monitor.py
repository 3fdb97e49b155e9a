"""What ratecheck.torch.Monitor costs on a training step of torchvision's ResNet-18, on the CPU in single precision.

    python python/benches/monitor.py [--batch 32] [--size 64] [--every 50] [--rounds 10] [--threads 1]

Steps without the monitor, steps between two recorded ones and recorded steps are timed in turns, in time of the
processor, and the best of each is taken: other work on a shared machine only ever adds. Ends with 1 if the overhead is 5 % or more.
"""

from __future__ import annotations

import argparse
import time

import torch
import torchvision

import ratecheck


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("batch", 32), ("size", 64), ("every", 50), ("rounds", 10), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(asked.threads)
    model = torchvision.models.resnet18(num_classes=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(asked.batch, 3, asked.size, asked.size), torch.arange(asked.batch) % 10

    def step() -> float:
        start = time.process_time()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        return time.process_time() - start

    best = {"plain": float("inf"), "between": float("inf"), "recorded": float("inf")}

    def timed(what: str) -> None:
        # Several: the first one finds the caches, and the memory, as another kind of step left them.
        best[what] = min(best[what], *(step() for _ in range(3)))

    step()
    for _ in range(asked.rounds):
        timed("plain")
        with ratecheck.torch.Monitor(model, optimizer, every=10**9) as monitor:
            monitor.step = 1
            timed("between")
        with ratecheck.torch.Monitor(model, optimizer, every=1):
            timed("recorded")
    plain = best["plain"]
    overhead = ((asked.every - 1) * max(best["between"] - plain, 0.0) + best["recorded"] - plain) / (asked.every * plain)
    print(f"a step of ResNet-18, {asked.batch} images of {asked.size}x{asked.size}, {asked.threads} thread(s):", end=" ")
    print(", ".join(f"{what} {1e3 * seconds:.0f} ms" for what, seconds in best.items()))
    print(f"recording every {asked.every} steps adds {100 * overhead:.2f} %")
    print(f"a recorded step alone adds {100 * (best['recorded'] - plain) / plain / asked.every:.2f} % of {asked.every} steps")
    return int(not overhead < 0.05)


if __name__ == "__main__":
    raise SystemExit(main())
