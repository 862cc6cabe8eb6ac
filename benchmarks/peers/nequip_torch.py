"""NequIP's own layers (PyTorch) at equal width, with a residual and a decoder around them. Needs torch, e3nn and nequip."""

import os

import torch
from e3nn import o3
from e3nn_torch import BESSEL, DEGREE, HIDDEN, TIMES, Radial, tasks_of, tensors
from nequip.data import AtomicDataDict as keys
from nequip.nn.convnetlayer import ConvNetLayer
from protocol import arguments, serve


class Network(torch.nn.Module):
    """Types -> layers of NequIP -> decoder."""

    def __init__(self, layers: int, channels: int, l_max: int) -> None:
        super().__init__()
        hidden = o3.Irreps([(channels, (order, 1)) for order in range(l_max + 1)])
        irreps = {
            keys.EDGE_EMBEDDING_KEY: o3.Irreps(f"{BESSEL}x0e"),
            keys.EDGE_ATTRS_KEY: o3.Irreps([(1, (order, 1)) for order in range(l_max + 1)]),
            keys.NODE_ATTRS_KEY: o3.Irreps("2x0e"),
            keys.NODE_FEATURES_KEY: o3.Irreps("2x0e"),
        }
        settings = {"radial_mlp_depth": 1, "radial_mlp_width": HIDDEN, "avg_num_neighbors": DEGREE, "type_names": ["A", "B"]}
        self.layers = torch.nn.ModuleList()
        for number in range(layers):
            layer = ConvNetLayer(irreps, hidden, convolution_kwargs=settings | {"is_first_layer": number == 0}, resnet=True)
            self.layers.append(layer)
            irreps = layer.irreps_out
        self.l_max, self.channels = l_max, channels
        self.bessel = Radial(1)
        self.decoder = torch.nn.Sequential(torch.nn.Linear(channels, 32), torch.nn.SiLU(), torch.nn.Linear(32, 32), torch.nn.SiLU(), torch.nn.Linear(32, TIMES))

    def forward(self, vectors: torch.Tensor, senders: torch.Tensor, receivers: torch.Tensor, types: torch.Tensor) -> torch.Tensor:  # noqa: D102
        bessel, envelope = self.bessel.basis(vectors.norm(dim=1))
        data = {
            keys.EDGE_EMBEDDING_KEY: bessel * envelope,
            keys.EDGE_ATTRS_KEY: o3.spherical_harmonics(list(range(self.l_max + 1)), vectors, True, "component"),
            keys.NODE_ATTRS_KEY: types,
            keys.NODE_FEATURES_KEY: types,
            keys.ATOM_TYPE_KEY: types.argmax(1, keepdim=True),
            keys.EDGE_INDEX_KEY: torch.stack([receivers, senders]),
        }
        for layer in self.layers:
            data = layer(data)
        return self.decoder(data[keys.NODE_FEATURES_KEY][:, : self.channels])


def main() -> None:
    """Answer requests until told to quit."""
    settings = arguments(__doc__).parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    serve(tasks_of(Network(settings.layers, settings.channels, settings.l_max), *tensors(settings.problem)))


if __name__ == "__main__":
    main()
