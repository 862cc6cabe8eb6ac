"""The same network in e3nn-PyTorch, written the way its users write it: a worker that times what it is asked to time.

    python benchmarks/peers/e3nn_torch.py problem.npz --layers 8 --l-max 2 --channels 8 [--compile]

Needs torch and e3nn, not equijax. Reads "forward", "step" or "quit" from standard input and answers with one line of JSON.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np
import torch
from e3nn import nn, o3

CUTOFF, BESSEL, HIDDEN, DEGREE, TIMES = 2.0, 10, 16, 40.6, 10


class Radial(torch.nn.Module):
    """Bessel functions, one hidden layer, a smooth envelope."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(BESSEL, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, filters)
        self.register_buffer("n", torch.arange(1, BESSEL + 1) * torch.pi / CUTOFF)

    def forward(self, r: torch.Tensor) -> torch.Tensor:
        bessel = (2 / CUTOFF) ** 0.5 * torch.sin(r[:, None] * self.n) / r[:, None]
        x = r / CUTOFF
        envelope = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
        return self.out(torch.nn.functional.silu(self.hidden(bessel))) * envelope[:, None]


class Layer(torch.nn.Module):
    """Convolution (channel-wise tensor product, scatter), self-interaction, gate."""

    def __init__(self, inputs: o3.Irreps, channels: int, l_max: int) -> None:
        super().__init__()
        harmonics = o3.Irreps([(1, (order, 1)) for order in range(l_max + 1)])
        middle, instructions = [], []
        for i, (mul, ir) in enumerate(inputs):
            for j, (_, filters) in enumerate(harmonics):
                for out in ir * filters:
                    if out.l <= l_max:
                        instructions.append((i, j, len(middle), "uvu", True))
                        middle.append((mul, out))
        sort = o3.Irreps(middle).sort()
        instructions = [(i, j, sort.p[k], mode, train) for i, j, k, mode, train in instructions]
        self.product = o3.TensorProduct(inputs, harmonics, sort.irreps, instructions, shared_weights=False, internal_weights=False)
        self.radial = Radial(self.product.weight_numel)
        self.gate = nn.Gate(
            f"{channels}x0e",
            [torch.nn.functional.silu],
            f"{channels * l_max}x0e",
            [torch.sigmoid],
            o3.Irreps([(channels, (order, 1)) for order in range(1, l_max + 1)]),
        )
        self.mix = o3.Linear(sort.irreps.simplify(), self.gate.irreps_in, biases=True)

    def forward(self, x: torch.Tensor, r: torch.Tensor, y: torch.Tensor, senders: torch.Tensor, receivers: torch.Tensor) -> torch.Tensor:
        messages = self.product(x[senders], y, self.radial(r))
        summed = torch.zeros(x.shape[0], messages.shape[1], dtype=x.dtype).index_add_(0, receivers, messages)
        return self.gate(self.mix(summed / DEGREE**0.5))


class Network(torch.nn.Module):
    """Layers with residuals, the types given to each, and a decoder."""

    def __init__(self, layers: int, channels: int, l_max: int) -> None:
        super().__init__()
        hidden = o3.Irreps([(channels, (order, 1)) for order in range(l_max + 1)])
        again = o3.Irreps([(channels + 2, (0, 1))]) + hidden[1:]
        self.l_max, self.channels = l_max, channels
        self.layers = torch.nn.ModuleList([Layer(o3.Irreps("2x0e") if k == 0 else again, channels, l_max) for k in range(layers)])
        self.decoder = torch.nn.Sequential(torch.nn.Linear(channels, 32), torch.nn.SiLU(), torch.nn.Linear(32, 32), torch.nn.SiLU(), torch.nn.Linear(32, TIMES))

    def forward(self, vectors: torch.Tensor, senders: torch.Tensor, receivers: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        r = vectors.norm(dim=1)
        y = o3.spherical_harmonics(list(range(self.l_max + 1)), vectors, True, "component")
        x = self.layers[0](types, r, y, senders, receivers)
        for layer in self.layers[1:]:
            x = x + layer(torch.cat([x[:, : self.channels], types, x[:, self.channels :]], 1), r, y, senders, receivers)
        return self.decoder(x[:, : self.channels])


def main() -> None:
    """Answer requests until told to quit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--l-max", type=int, default=2)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    data = np.load(settings.problem)
    senders, receivers = (torch.from_numpy(data[key].astype(np.int64)) for key in ("senders", "receivers"))
    vectors, types = torch.from_numpy(data["vectors"]), torch.nn.functional.one_hot(torch.from_numpy(data["types"].astype(np.int64)), 2).float()
    targets = torch.from_numpy(data["targets"])
    model = Network(settings.layers, settings.channels, settings.l_max)
    if settings.compile:
        model.layers = torch.nn.ModuleList([torch.compile(layer) for layer in model.layers])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward() -> None:
        with torch.no_grad():
            model(vectors, senders, receivers, types)

    def step() -> None:
        optimizer.zero_grad()
        ((model(vectors, senders, receivers, types) - targets) ** 2).mean().backward()
        optimizer.step()

    def gradient() -> None:
        moved = vectors.clone().requires_grad_()
        (model(moved, senders, receivers, types) ** 2).sum().backward()

    tasks = {"forward": forward, "step": step, "gradient": gradient}
    for line in sys.stdin:
        task = line.strip()
        if task == "quit":
            return
        start, cpu = time.perf_counter(), time.process_time()
        tasks[task]()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}), flush=True)


if __name__ == "__main__":
    main()
