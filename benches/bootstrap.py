"""The bootstrap of a slope over runs, by NumPy and by ratecheck, in turns on one thread.

    python benches/bootstrap.py [rounds]

10,000 resamples of 64 runs at 40 horizons: each draws 64 runs with replacement, takes the root of their mean at every
horizon, and fits a power of T. NumPy has the resamples as a matrix of counts, times the values. The slope of all runs is the
same to 1e-10; the ends of the interval differ by what 10,000 draws leave open.
"""

import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

try:
    import numpy as np
except ImportError:
    sys.exit("benches/bootstrap.py needs NumPy: pip install numpy")
import peers


def bootstrap(t, values, resamples, generator):
    """The slope and the ends of its 95 % interval."""
    runs = len(values)
    x = np.log(t) - np.log(t).mean()
    weights = 0.5 * x / (x @ x)
    drawn = generator.integers(0, runs, (resamples, runs), dtype=np.int32)
    drawn += runs * np.arange(resamples, dtype=np.int32)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * runs).reshape(resamples, runs)
    slopes = np.log(counts @ values / runs) @ weights
    return [np.log(values.mean(0)) @ weights, *np.quantile(slopes, [0.025, 0.975])]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    given, allowed = peers.numbers(), peers.cpus()
    peers.pin(1, allowed)
    t, resamples = np.array(given["t"]), given["resamples"]
    values = np.array(given["values"]).reshape(-1, len(t))
    generator = np.random.default_rng(1)
    found, ours = bootstrap(t, values, resamples, generator), given["slope"]
    peers.agree("slope", float(found[0]), ours[0])
    # An end of the interval is known to 2.7/sqrt(10,000) standard errors, of which the interval has about 4; both sides
    # draw, and six deviations of their difference are 6 * sqrt(2) * 0.027 / 3.92 of its length.
    length = ours[2] - ours[1]
    for k, name in ((1, "lower end"), (2, "upper end")):
        if not abs(found[k] - ours[k]) < 6 * 2**0.5 * 0.027 / 3.92 * length:
            sys.exit(f"{name}: {found[k]} and {ours[k]} differ by more than the draws do")

    def theirs():
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            bootstrap(t, values, resamples, generator)
            times.append(time.perf_counter() - begin)
        return times

    found = peers.in_turns(theirs, lambda: peers.seconds("bootstrap", 5), rounds)
    print(f"NumPy {np.__version__}, one thread; {rounds} rounds in turns, 5 each")
    peers.header("NumPy")
    peers.row("bootstrap 10,000 x 64 x 40", 1, *found)


if __name__ == "__main__":
    main()
