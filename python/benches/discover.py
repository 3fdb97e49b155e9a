"""What is scale invariant in torchvision's ResNet-18, how far epsilon is from it layer by layer, and what it takes to
find that out.

    python python/benches/discover.py [--batch 8] [--size 32] [--epsilon 1e-30] [--threads 1]
"""

from __future__ import annotations

import argparse
import time

import torch
import torchvision

import ratecheck


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("batch", 8), ("size", 32), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--epsilon", type=float)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(asked.threads)
    model = torchvision.models.resnet18(num_classes=10)
    batch = (torch.randn(asked.batch, 3, asked.size, asked.size), torch.arange(asked.batch) % 10)
    loss = ratecheck.torch.loss(model, torch.nn.CrossEntropyLoss(), batch, blocks={}, epsilon=asked.epsilon)
    start = time.perf_counter(), time.process_time()
    found = ratecheck.discover(
        loss, progress=lambda what: print(f"{time.perf_counter() - start[0]:6.1f} s  {what}", flush=True)
    )
    print(found)
    seconds, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    print(f"{found.gradients} gradients, {seconds:.0f} s, {cpu:.0f} s of the processor")


if __name__ == "__main__":
    main()
