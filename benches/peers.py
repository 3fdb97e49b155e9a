"""What the programs beside this one share: ours as a process, turns, and the table."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ["cargo", "run", "--quiet", "--release", "--package", "ratecheck", "--example", "peers", "--"]
# One that is built already.
if os.environ.get("RATECHECK_PEERS"):
    EXAMPLE = [os.environ["RATECHECK_PEERS"]]


def cpus():
    """The processors that this process may use, or None where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def pin(threads, allowed):
    """Keeps this process and those it starts on as many processors as there are threads: the last ones, since systems
    like to put other work on the first."""
    if allowed is not None:
        os.sched_setaffinity(0, allowed[-threads:])


def ratecheck(*arguments, threads=1):
    """What our side prints."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    run = subprocess.run([*EXAMPLE, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(EXAMPLE)} {' '.join(map(str, arguments))} failed:\n{run.stderr}")
    return run.stdout


def numbers():
    """The data, and what our side finds on them. This builds it, too."""
    return json.loads(ratecheck("numbers"))


def seconds(what, repetitions, threads=1):
    """Our times."""
    return [float(line) for line in ratecheck("time", what, repetitions, threads=threads).split()]


def agree(name, theirs, ours, tolerance=1e-10):
    """Stops unless both sides found the same, relative to the largest number."""
    theirs, ours = ([x] if isinstance(x, float) else list(x) for x in (theirs, ours))
    largest = max(map(abs, ours))
    error = max(abs(a - b) for a, b in zip(theirs, ours, strict=True)) / largest
    if not error <= tolerance:
        sys.exit(f"{name}: the two sides differ by {error:.1e} of the largest number, and at most {tolerance:g} is rounding")
    print(f"  {name:32} agrees to {error:.0e}", flush=True)


def in_turns(theirs, ours, rounds):
    """The times of both sides, which take turns."""
    found = [], []
    for _ in range(rounds):
        for times, measure in zip(found, (theirs, ours)):
            times += measure()
    return found


def header(peer):
    print(f"{'work':34} {'threads':>7} {'':>7} {peer + ' us':>12} {'ratecheck us':>13} {'ratio':>6}")


def row(name, threads, theirs, ours, per=1):
    """Microseconds of the best and of the median of each side, and ours by theirs."""
    for which, of in (("best", min), ("median", statistics.median)):
        a, b = (1e6 * of(times) / per for times in (theirs, ours))
        print(f"{name:34} {threads:>7} {which:>7} {a:>12.2f} {b:>13.2f} {b / a:>6.2f}", flush=True)
