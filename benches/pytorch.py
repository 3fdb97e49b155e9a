"""A training step of the network of appendix D, by PyTorch and by ratecheck, in turns on the same threads.

    python benches/pytorch.py [repetitions per round] [rounds]

The network has an eighth of the paper's width, on 32x32 images of 3 channels; a step is forward, backward and SGD's move for a
minibatch of 100, in single precision on the CPU. PyTorch refuses eps = 0 in batch normalisation while training and has 1e-12
instead. Its tensors are in the order that it makes them in (NCHW).
"""

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit("benches/pytorch.py needs PyTorch: pip install torch")

BATCH, CHANNELS, SIZE, CLASSES, WIDTH = 100, 3, 32, 10, 1 / 8
STAGES = [(2, 64), (3, 128), (3, 256), (3, 512), (3, 512)]
DENSE = 512
EPS = 1e-12
WARM_UP = 3
ROOT = Path(__file__).resolve().parent.parent


def network():
    """The layers that `Convolutions::vgg` describes, with BN in front of every ReLU and on the outputs."""
    nn, layers, channels, size = torch.nn, [], CHANNELS, SIZE
    for depth, filters in STAGES:
        filters = round(filters * WIDTH)
        for _ in range(depth):
            layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=EPS), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
        size //= 2
    dense = round(DENSE * WIDTH)
    layers += [nn.Flatten(), nn.Linear(channels * size * size, dense, bias=False), nn.BatchNorm1d(dense, eps=EPS), nn.ReLU()]
    layers += [nn.Linear(dense, CLASSES, bias=False), nn.BatchNorm1d(CLASSES, eps=EPS)]
    return nn.Sequential(*layers)


def pytorch(threads, repetitions):
    """Milliseconds of each step."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net, criterion = network(), torch.nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(net.parameters(), lr=0.01)
    images = torch.randn(BATCH, CHANNELS, SIZE, SIZE)
    labels = torch.randint(0, CLASSES, (BATCH,))
    times = []
    for _ in range(WARM_UP + repetitions):
        begin = time.perf_counter()
        sgd.zero_grad()
        criterion(net(images), labels).backward()
        sgd.step()
        times.append(1e3 * (time.perf_counter() - begin))
    return times[WARM_UP:]


def ratecheck(threads, repetitions):
    """Milliseconds of each step."""
    command = ["cargo", "run", "--quiet", "--release", "--package", "ratecheck", "--example", "vgg_step", "--", str(repetitions)]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return [float(ms) for ms in re.findall(r"step_ms (\S+)", run.stdout)]


def main():
    repetitions, rounds = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in [(1, 20), (2, 3)])
    # Built before anything is timed.
    ratecheck(1, 1)
    print(f"PyTorch {torch.__version__}, eps = {EPS:g}; {rounds} rounds in turns, {repetitions} steps each")
    print(f"{'threads':>7} {'':>8} {'PyTorch ms':>11} {'ratecheck ms':>13} {'ratio':>6}")
    for threads in (1, 2):
        theirs, ours = [], []
        for _ in range(rounds):
            theirs += pytorch(threads, repetitions)
            ours += ratecheck(threads, repetitions)
        for name, of in (("minimum", min), ("median", statistics.median)):
            print(f"{threads:>7} {name:>8} {of(theirs):>11.1f} {of(ours):>13.1f} {of(ours) / of(theirs):>6.2f}")


if __name__ == "__main__":
    main()
