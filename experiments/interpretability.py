"""Can the first layer be read? Its filters are the profiles of densities and bond-order parameters (paper, section on interpretability)."""

import numpy as np
from matplotlib.figure import Figure

from equijax.analysis.filters import bond_order_weights, first_filters, first_messages
from equijax.graph.graph import build_graph
from equijax.graph.neighbors import NeighborSearch
from equijax.inputs import graph_positions
from equijax.network import NetworkConfig
from equijax.snapshot import TYPE_NAMES, Snapshot
from experiments.lab import Lab
from experiments.study import Study, main

DISTANCES = np.linspace(0.75, 2.0, 101)
"""Where there are neighbours (sigma_AA)."""


def run(lab: Lab) -> dict:
    """Read the filters of trained networks, and let the first layer compute bond-order parameters that are known."""
    point = lab.points[0]
    networks = lab.networks(lab.scale.network, point, point.label)
    filters = [
        [{"input": one.input, "order": one.order, "values": one.values.tolist()} for one in first_filters(n.network, n.variables["params"], DISTANCES)] for n in networks
    ]
    snapshot = point.part("test")[0]
    pairs = NeighborSearch(snapshot.box, 2.0).pairs(graph_positions(snapshot, lab.scale.network.inputs.sets[0]))
    width = DISTANCES[1] - DISTANCES[0]
    edges = np.append(DISTANCES - width / 2, DISTANCES[-1] + width / 2)
    density = {}
    for kind in np.unique(snapshot.types):
        chosen = (snapshot.types[pairs.senders] == kind) & (snapshot.types[pairs.receivers] == 0)
        density[TYPE_NAMES[kind]] = (np.histogram(np.linalg.norm(pairs.vectors[chosen], axis=1), edges)[0] / (snapshot.types == 0).sum()).tolist()
    return {"point": point.label, "distances": DISTANCES.tolist(), "filters": filters, "neighbours": density, "largest difference": _reproduced(snapshot)}


def _reproduced(snapshot: Snapshot) -> float:
    """Return the largest relative difference between the bond-order parameters of the first layer, its weights set by hand, and their definition.

    The definition here uses no spherical harmonics: by the addition theorem q_l^2 = (2l + 1) sum_jk u_j u_k P_l(cos gamma_jk), over pairs of neighbours.
    """
    config = NetworkConfig(kernel="reference", mean_degree=1.0)
    pairs = NeighborSearch(snapshot.box, config.cutoff).pairs(snapshot.positions)
    messages = first_messages(config, bond_order_weights(config), build_graph(pairs, snapshot.types, config.cutoff))
    worst = 0.0
    for particle in range(min(50, len(snapshot))):
        mine = pairs.receivers == particle
        vectors, kinds = np.asarray(pairs.vectors, float)[mine], snapshot.types[pairs.senders[mine]]
        distance = np.linalg.norm(vectors, axis=1)
        x, p = distance / config.cutoff, config.envelope_power
        u = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
        cosines = np.clip(vectors @ vectors.T / np.outer(distance, distance), -1, 1)
        for (_, irrep), chunk in zip(messages.irreps, messages.chunks, strict=True):
            legendre = np.polynomial.legendre.legval(cosines, np.eye(irrep.l + 1)[irrep.l])
            for kind in range(2):
                own = u * (kinds == kind)
                by_hand = np.sqrt(max((2 * irrep.l + 1) * own @ legendre @ own, 0))
                ours = float(np.linalg.norm(np.asarray(chunk)[particle, kind]))
                worst = max(worst, abs(ours - by_hand) / max(own.sum(), 1e-9))
    return worst


def draw(content: dict) -> Figure:
    """Draw the filters of the first seed by order, over the numbers of neighbours that they weigh."""
    found = content["found"]
    filters = found["filters"][0]
    orders = sorted({one["order"] for one in filters})
    figure = Figure(figsize=(4.2 * len(orders), 4), layout="constrained")
    for axes, order in zip(figure.subplots(1, len(orders), squeeze=False)[0], orders, strict=True):
        largest = max(max(np.abs(one["values"])) for one in filters if one["order"] == order)
        for colour, (kind, count) in enumerate(found["neighbours"].items()):
            axes.fill_between(found["distances"], 0.5 * np.array(count) / max(count) * largest, step="mid", alpha=0.15, color=f"C{colour}", label=f"neighbours {kind}")
        for number, one in enumerate(filter(lambda one: one["order"] == order, filters)):
            axes.plot(found["distances"], one["values"], color=f"C{number}", label=one["input"])
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.set(xlabel="r (sigma_AA)", ylabel="filter", title=f"l = {order}: {'density' if order == 0 else 'bond order'}")
        axes.legend(fontsize=7)
    figure.suptitle(f"{found['point']}: first layer; set by hand it gives bond-order parameters to {found['largest difference']:.0e}", fontsize=10)
    return figure


STUDY = Study("interpretability", "What do the filters of the first layer weigh?", run, draw)

if __name__ == "__main__":
    main(STUDY)
