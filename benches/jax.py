"""Small networks by JAX and by ratecheck, in turns on the same threads: SGD of many runs, gradient descent, gradients,
Hessian-vector products, and the norms of all blocks of a Hessian. All in double precision, on the CPU.

    python benches/jax.py [rounds]

Both sides first find the same loss, gradient, product, steps and norms from the same numbers, to 1e-10; `examples/peers.rs`
is the other side. What is given away to JAX: the sweep's minibatches are drawn before its time is taken, and only its
calls inside a compiled loop are counted, since a call from Python takes as long as a small network.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

# This file has the name of the package that it imports: its folder comes last.
HERE = str(Path(__file__).resolve().parent)
sys.path = [path for path in sys.path if os.path.realpath(path or ".") != HERE] + [HERE]

import peers  # noqa: E402

WORKS = {
    "sweep": "SGD step of a run in a sweep",
    "descent": "gradient-descent step",
    "gradient-small": "gradient, small",
    "product-small": "Hessian-vector product, small",
    "gradient-large": "gradient, large",
    "product-large": "Hessian-vector product, large",
    "block-norms": "norms of 595 blocks",
}
REPETITIONS = {"sweep": 1, "descent": 5, "gradient-small": 20, "product-small": 20, "block-norms": 30}
# Repetitions of the large network, and calls in one compiled loop.
LARGE, INNER = 10, 5


def worker(threads):
    """JAX's side: one process for each number of threads, which XLA takes from the processors that it may use."""
    flag = f"--xla_force_host_platform_device_count={threads}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax

    jax.config.update("jax_enable_x64", True)
    given = json.loads(sys.stdin.readline())

    class Network:
        def __init__(self, of):
            self.of, self.widths = of, of["widths"]
            pairs = list(zip(self.widths, self.widths[1:]))
            self.n_weights = sum(a * b for a, b in pairs)
            self.pairs, self.epsilon, self.decay = pairs, of["epsilon"], of["decay"]
            self.x = jnp.array(of["inputs"]).reshape(self.widths[0], -1)
            self.y = jnp.array(of["labels"])
            self.theta, self.direction = jnp.array(of["theta"]), jnp.array(of["direction"])
            self.batch = of["batch"]

        def loss(self, theta, x, y):
            """Smoothed BN behind every product: (z - mean) / sqrt(var + epsilon ||w||^2)."""
            at, weights, g = 0, [], self.n_weights
            for a, b in self.pairs:
                weights.append(theta[at : at + a * b].reshape(b, a))
                at += a * b
            for layer, w in enumerate(weights):
                n = w.shape[0]
                scale, shift = theta[g : g + n], theta[g + n : g + 2 * n]
                g += 2 * n
                z = w @ x
                z = z - z.mean(1, keepdims=True)
                inverse = lax.rsqrt((z * z).mean(1) + self.epsilon * (w * w).sum(1))
                z = z * (scale * inverse)[:, None] + shift[:, None]
                x = jnp.tanh(z) if layer + 1 < len(weights) else z
            if self.widths[-1] == 1:
                value = jax.nn.softplus(-y * x[0]).mean()
            else:
                value = -jnp.take_along_axis(jax.nn.log_softmax(x, 0), y.astype(int)[None], 0).mean()
            rest = theta[self.n_weights :]
            return value + 0.5 * self.decay * (rest @ rest)

        def first(self):
            return self.x[:, : self.batch], self.y[: self.batch]

        def value_and_grad(self, theta):
            return jax.value_and_grad(self.loss)(theta, *self.first())

        def product(self, theta, direction):
            return jax.jvp(lambda theta: jax.grad(self.loss)(theta, *self.first()), (theta,), (direction,))[1]

        def rates(self, t, alpha):
            """Of every parameter."""
            of_w, of_g = 0.5 * (t + 1.0) ** -alpha, 0.1 * (t + 1.0) ** -0.5
            return jnp.where(jnp.arange(len(self.theta)) < self.n_weights, of_w, of_g)

        def step(self, theta, t, alpha, z):
            x, y = self.x[:, z], self.y[z]
            return theta - self.rates(t, alpha) * jax.grad(self.loss)(theta, x, y)

    small, large = Network(given["small"]), Network(given["large"])
    unit = jnp.array(given["theta_unit"])

    def follow(thetas, alphas, drawn):
        """Some runs together: drawn is steps x runs x batch."""

        def step(thetas, at):
            return jax.vmap(small.step, (0, None, 0, 0))(thetas, at[0], alphas, at[1]), None

        t = jnp.arange(drawn.shape[0], dtype=float)
        return lax.scan(step, thetas, (t, drawn))[0]

    def sweep(crew):
        """All runs, so many together, and one device for each thread."""
        n_runs, steps = given["seeds"] * len(given["alphas"]), given["steps"]
        generator = np.random.default_rng(1)
        drawn = generator.random((n_runs * steps, small.x.shape[1]), dtype=np.float32).argpartition(31, 1)[:, :32]
        shape = (threads, n_runs // crew // threads, crew)
        drawn = drawn.astype(np.int32).reshape(*shape, steps, 32).swapaxes(2, 3)
        thetas = np.broadcast_to(np.array(small.theta), (*shape, len(small.theta)))
        alphas = np.repeat(given["alphas"], given["seeds"]).reshape(shape)
        run = jax.pmap(lambda *crews: lax.map(lambda crew: follow(*crew), crews))
        args = [jax.device_put_sharded(list(a), jax.devices()) if hasattr(jax, "device_put_sharded") else jnp.array(a)
                for a in (thetas, alphas, drawn)]  # fmt: skip
        return lambda: run(*args)

    def repeated(call, n, *starts):
        """n calls in one compiled loop, none of which can be left out or shared: each moves the first start a little."""

        def step(carry, _):
            out = call(*carry)
            return (carry[0] + 1e-300 * out, *carry[1:]), None

        run = jax.jit(lambda *starts: lax.scan(step, starts, None, length=n)[0][0])
        return lambda: run(*starts)

    hessian = jax.jit(jax.hessian(lambda theta: small.loss(theta, *small.first())))
    # Blocks of w by length, and g: whole stacks of equal shape go through one call of LAPACK.
    lengths = [a for a, b in small.pairs for _ in range(b)]
    starts = np.cumsum([0, *lengths])
    parts = [np.arange(starts[i], starts[i + 1]) for i in range(len(lengths))] + [np.arange(starts[-1], len(unit))]
    n_blocks, kinds = len(lengths), {}
    for i in range(n_blocks + 1):
        for j in range(i, n_blocks + 1):
            kinds.setdefault((len(parts[i]), len(parts[j])), []).append((i, j))
    stacks = []
    for pairs in kinds.values():
        rows = np.array([parts[i] for i, _ in pairs])[:, :, None]
        columns = np.array([parts[j] for _, j in pairs])[:, None, :]
        stacks.append((np.array(pairs).T, rows, columns))

    def block_norms():
        """The largest singular value of every block, from the eigenvalues of B B', which is faster than an SVD."""
        h, norms = np.asarray(hessian(unit)), np.zeros((n_blocks + 1, n_blocks + 1))
        for (i, j), rows, columns in stacks:
            b = h[rows, columns]
            largest = np.sqrt(np.linalg.eigvalsh(b @ b.swapaxes(1, 2))[:, -1])
            norms[i, j] = norms[j, i] = largest
        return norms

    def check():
        for name, network in (("small", small), ("large", large)):
            of = network.of
            loss, gradient = jax.jit(network.value_and_grad)(network.theta)
            yield f"loss, {name}", float(loss), of["loss"]
            yield f"gradient, {name}", np.asarray(gradient).tolist(), of["gradient"]
            product = jax.jit(network.product)(network.theta, network.direction)
            yield f"Hessian-vector product, {name}", np.asarray(product).tolist(), of["product"]
        z = np.array(small.of["drawn"])[:, None]
        after = jax.jit(follow)(small.theta[None], jnp.array([small.of["alpha"]]), z)[0]
        yield f"{len(z)} steps of SGD", np.asarray(after).tolist(), small.of["after"]
        norms = block_norms()
        yield "norms of blocks, vv", norms[:-1, :-1].ravel().tolist(), given["l_vv"]
        yield "norms of blocks, vg and gg", norms[-1].tolist(), [*given["l_vg"], given["l_gg"]]

    def timed(call, per=1):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        return (time.perf_counter() - begin) / per

    if threads == 1:
        print(json.dumps(list(check())), flush=True)
    # Tuned: as many runs together as turn out best.
    crews = [sweep(crew) for crew in (1, 4, 8, 40)]
    best = min(crews, key=lambda call: (timed(call), timed(call))[1])
    descent = jax.jit(lambda theta: lax.scan(
        lambda theta, t: (small.step(theta, t, 0.5, jnp.arange(small.x.shape[1])), None),
        theta, jnp.arange(given["descent"], dtype=float))[0])  # fmt: skip
    calls = {"sweep": (best, 1), "descent": (lambda: descent(small.theta), 1), "block-norms": (block_norms, 1)}
    for name, network, n in (("small", small, 40 * INNER), ("large", large, INNER)):
        gradient = lambda theta, network=network: network.value_and_grad(theta)[1]  # noqa: E731
        calls[f"gradient-{name}"] = (repeated(gradient, n, network.theta), n)
        calls[f"product-{name}"] = (repeated(network.product, n, network.theta, network.direction), n)
    for call, _ in calls.values():
        timed(call)
    print(json.dumps([jax.__version__, [1, 4, 8, 40][crews.index(best)]]), flush=True)
    for line in sys.stdin:
        what, repetitions = line.split()
        print(json.dumps([timed(*calls[what]) for _ in range(int(repetitions))]), flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    given, allowed = peers.numbers(), peers.cpus()
    runs = given["seeds"] * len(given["alphas"])
    per = {"sweep": runs * given["steps"], "descent": given["descent"]}
    for threads in (1, 2):
        if allowed is not None and len(allowed) < threads:
            break
        peers.pin(threads, allowed)
        jax = subprocess.Popen([sys.executable, __file__, "--worker", str(threads)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip

        def ask(line):
            print(line, file=jax.stdin, flush=True)
            return answer()

        def answer():
            line = jax.stdout.readline()
            return json.loads(line) if line else sys.exit("JAX's side failed")

        print(json.dumps(given), file=jax.stdin, flush=True)
        if threads == 1:
            print("The same numbers:")
            for name, theirs, ours in answer():
                peers.agree(name, theirs, ours)
        version, together = answer()
        print(f"JAX {version}, {threads} thread(s), {together} runs together; {rounds} rounds in turns")
        peers.header("JAX")
        for what in WORKS if threads == 1 else ["sweep"]:
            repetitions = REPETITIONS.get(what, LARGE)
            theirs, ours = peers.in_turns(
                lambda: ask(f"{what} {repetitions}"), lambda: peers.seconds(what, repetitions, threads), rounds
            )
            peers.row(WORKS[what], threads, theirs, ours, per.get(what, 1))
        jax.stdin.close()
        jax.wait()
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


if __name__ == "__main__":
    try:
        import jax  # noqa: F401
    except ImportError:
        sys.exit("benches/jax.py needs JAX: pip install jax")
    if sys.argv[1:2] == ["--worker"]:
        worker(int(sys.argv[2]))
    else:
        main()
