"""The same network in e3nn-PyTorch, written the way its users write it: tensor product on the edges, then a scatter. Needs torch and e3nn."""

import os
from collections.abc import Callable

import numpy as np
import torch
from e3nn import nn, o3
from protocol import arguments, serve

CUTOFF, BESSEL, HIDDEN, DEGREE, TIMES = 2.0, 10, 16, 40.6, 10


class Radial(torch.nn.Module):
    """Bessel functions, one hidden layer, a smooth envelope."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(BESSEL, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, filters)
        self.register_buffer("n", torch.arange(1, BESSEL + 1) * torch.pi / CUTOFF)

    def forward(self, r: torch.Tensor) -> torch.Tensor:  # noqa: D102 (torch's name for the call)
        bessel, envelope = self.basis(r)
        return self.out(torch.nn.functional.silu(self.hidden(bessel))) * envelope

    def basis(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Bessel functions (e, 10) and envelope (e, 1)."""
        bessel = (2 / CUTOFF) ** 0.5 * torch.sin(r[:, None] * self.n) / r[:, None]
        x = r / CUTOFF
        return bessel, (1 - 28 * x**6 + 48 * x**7 - 21 * x**8)[:, None]


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

    def forward(self, x: torch.Tensor, r: torch.Tensor, y: torch.Tensor, senders: torch.Tensor, receivers: torch.Tensor) -> torch.Tensor:  # noqa: D102
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

    def forward(self, vectors: torch.Tensor, senders: torch.Tensor, receivers: torch.Tensor, types: torch.Tensor) -> torch.Tensor:  # noqa: D102
        r = vectors.norm(dim=1)
        y = o3.spherical_harmonics(list(range(self.l_max + 1)), vectors, True, "component")
        x = self.layers[0](types, r, y, senders, receivers)
        for layer in self.layers[1:]:
            x = x + layer(torch.cat([x[:, : self.channels], types, x[:, self.channels :]], 1), r, y, senders, receivers)
        return self.decoder(x[:, : self.channels])


def tasks_of(model: torch.nn.Module, vectors: torch.Tensor, targets: torch.Tensor, *rest: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return forward, training step and gradient with respect to the edge vectors of any model (vectors, senders, receivers, types) -> outputs."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward() -> None:
        with torch.no_grad():
            model(vectors, *rest)

    def step() -> None:
        optimizer.zero_grad()
        ((model(vectors, *rest) - targets) ** 2).mean().backward()
        optimizer.step()

    def gradient() -> None:
        moved = vectors.clone().requires_grad_()
        torch.autograd.grad((model(moved, *rest) ** 2).sum(), moved)

    return {"forward": forward, "step": step, "gradient": gradient}


def tensors(problem: str) -> tuple[torch.Tensor, ...]:
    """Return vectors, targets, senders, receivers and one-hot types of a problem."""
    data = np.load(problem)
    senders, receivers = (torch.from_numpy(data[key].astype(np.int64)) for key in ("senders", "receivers"))
    types = torch.nn.functional.one_hot(torch.from_numpy(data["types"].astype(np.int64)), 2).float()
    return torch.from_numpy(data["vectors"]), torch.from_numpy(data["targets"]), senders, receivers, types


def main() -> None:
    """Answer requests until told to quit."""
    parser = arguments(__doc__)
    parser.add_argument("--compile", action="store_true", help="torch.compile every layer")
    settings = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = Network(settings.layers, settings.channels, settings.l_max)
    if settings.compile:
        model.layers = torch.nn.ModuleList([torch.compile(layer) for layer in model.layers])
    serve(tasks_of(model, *tensors(settings.problem)))


if __name__ == "__main__":
    main()
