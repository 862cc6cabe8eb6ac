"""What has the network learned to see? The invariants that its decoder reads as a structural order parameter (paper, section on the learned representation)."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from equijax.analysis.fields import correlation_length, principal_components, spatial_correlation, tetrahedrality
from equijax.baselines import physics
from equijax.baselines.descriptors import CUTOFF, DescriptorConfig, descriptors
from equijax.baselines.ridge import Ridge, Table
from equijax.graph.neighbors import Searches
from equijax.metrics import pearson
from equijax.predictor import Predictor
from equijax.snapshot import Snapshot
from experiments.lab import Lab, StatePoint
from experiments.study import Study, main


def run(lab: Lab) -> dict:
    """Train at the first temperature; describe, at every temperature, the A particles of configurations that were not trained on."""
    source = lab.points[0]
    out: dict = {"trained at": source.label, "points": {}, "measured": {}}
    networks = lab.networks(lab.scale.network, source, source.label)
    learned = [_Learned(network, source) for network in networks]
    for point in lab.points:
        tested = point.part("test")
        known, propensity = _known(tested), np.concatenate([s.propensity[s.types == 0] for s in tested if s.propensity is not None])
        out["points"][point.label] = [_described(one, tested, known, propensity) for one in learned]
        out["measured"][point.label] = {name: pearson(propensity[:, -1], values) for name, values in known.items()}
    return out


class _Learned:
    """The invariants of a network: their principal components and a linear decoder, both from the configurations that it was trained with."""

    def __init__(self, network: Predictor, source: StatePoint) -> None:
        self._network = network
        train, validation = (self._tables(source.part(name)) for name in ("train", "validation"))
        seen = np.concatenate([features for features, _, _ in train])
        self._directions, _ = principal_components(seen)
        self._mean, self._scale = seen.mean(0), np.where(seen.std(0) > 0, seen.std(0), 1.0)
        self._decoder = Ridge()
        self._decoder.fit(train, validation)

    def features(self, snapshot: Snapshot) -> np.ndarray:
        """Return the invariants of the A particles (n, c)."""
        return self._network.invariants(snapshot)[snapshot.types == 0].astype(float)

    def components(self, features: np.ndarray) -> np.ndarray:
        """Return the first three principal components (n, 3)."""
        return self._scaled(features) @ self._directions[:3].T

    def shares(self, features: np.ndarray) -> np.ndarray:
        """Return the share of their variance along each principal component, largest first where the network was trained."""
        scaled = self._scaled(features)
        return (scaled @ self._directions.T).var(0) / scaled.var(0).sum()

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return (features - self._mean) / self._scale

    def order(self, features: np.ndarray) -> np.ndarray:
        """Return the linear combination (n,) that predicts the last propensity at the temperature of the training."""
        return self._decoder.outputs(features, np.zeros(len(features), int))[:, 0]

    def _tables(self, snapshots: Sequence[Snapshot]) -> list[Table]:
        tables = []
        for s in snapshots:
            assert s.propensity is not None
            chosen = s.propensity[s.types == 0, -1:]
            tables.append((self.features(s), np.zeros(len(chosen), int), chosen))
        return tables


def _described(learned: _Learned, tested: Sequence[Snapshot], known: dict[str, np.ndarray], propensity: np.ndarray) -> dict:
    kinds = [s.types == 0 for s in tested]
    features = np.concatenate([learned.features(s) for s in tested])
    projected, order = learned.components(features), learned.order(features)
    fields = {f"component {k + 1}": projected[:, k] for k in range(3)} | {"decoder direction": order}
    found: dict = {"variance explained": learned.shares(features)[:10].tolist(), "mean of the decoder direction": float(order.mean()), "fields": {}}
    bounds = np.cumsum([0] + [int(kind.sum()) for kind in kinds])
    for name, field in fields.items():
        each = [field[a:b] for a, b in itertools.pairwise(bounds)]
        r, g = spatial_correlation([s.positions[kind] for s, kind in zip(tested, kinds, strict=True)], [s.box for s in tested], each, longest=6.0)
        found["fields"][name] = {
            "known": {other: pearson(field, values) for other, values in known.items()},
            "propensity": [pearson(field, propensity[:, t]) for t in range(propensity.shape[1])],
            "r": r.tolist(),
            "correlation": g.tolist(),
            "length": correlation_length(r, g),
        }
    return found


def _known(snapshots: Sequence[Snapshot]) -> dict[str, np.ndarray]:
    """Return order parameters of the A particles that are known: density, energies, bond order of the first shell, tetrahedrality."""
    near, wide = Searches(CUTOFF), Searches(physics.REACH)
    out: dict[str, list[np.ndarray]] = {name: [] for name in ("density", "inherent energy", "mean inherent energy", "q4", "q6", "tetrahedrality")}
    for s in snapshots:
        assert s.inherent_positions is not None
        assert s.inherent_energy is not None
        angular = descriptors(s, DescriptorConfig(("inherent",), energy=False, generations=0), near)[:, 66:]
        # Seven orders for each type in each shell: those of A neighbours in the shell of width 0.2 around 1.25.
        first = angular[:, 14:21]
        out["density"].append(physics.densities(s, wide)[:, 4:6].sum(1))
        out["inherent energy"].append(s.inherent_energy)
        out["mean inherent energy"].append(physics.energies(s, wide)[:, 1 + 2 * 4])
        out["q4"].append(first[:, 3])
        out["q6"].append(first[:, 5])
        out["tetrahedrality"].append(tetrahedrality(s.inherent_positions, s.box))
    return {name: np.concatenate([values[s.types == 0] for values, s in zip(column, snapshots, strict=True)]) for name, column in out.items()}


def draw(content: dict) -> Figure:
    """Draw what the learned field correlates with, how far it is correlated, and how much variance the components hold; bars are worst and best seed."""
    points, measured = content["found"]["points"], content["found"]["measured"]
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for number, (label, seeds) in enumerate(points.items()):
        names = list(seeds[0]["fields"]["decoder direction"]["known"])
        values = np.abs([[seed["fields"]["decoder direction"]["known"][name] for name in names] for seed in seeds])
        mean = values.mean(0)
        where = np.arange(len(names)) + 0.25 * number
        left.bar(where, mean, 0.22, yerr=[mean - values.min(0), values.max(0) - mean], color=f"C{number}", label=label, capsize=2)
        left.plot(where, np.abs([*measured[label].values()]), "k_", markersize=12, label=None if number else "the propensity itself, at the last time")
        left.set_xticks(np.arange(len(names)), names, rotation=30, ha="right", fontsize=8)
        fields = [seed["fields"]["decoder direction"] for seed in seeds]
        length = np.mean([np.nan if field["length"] is None else field["length"] for field in fields])
        middle.plot(fields[0]["r"], np.mean([field["correlation"] for field in fields], 0), "o-", markersize=3, color=f"C{number}", label=f"{label}: length {length:.2f}")
        right.plot(
            range(1, 11),
            np.mean([np.pad(seed["variance explained"], (0, 10 - len(seed["variance explained"]))) for seed in seeds], 0),
            "o-",
            color=f"C{number}",
            label=label,
        )
    left.margins(y=0.35)
    left.set(ylabel="|Pearson correlation| with the learned field", title=f"learned at {content['found']['trained at']}, A particles")
    middle.set(xlabel="r (sigma_AA)", ylabel="G(r) of the learned field", title="spatial correlation")
    right.set(xlabel="principal component", ylabel="share of the variance", title="invariants that the decoder reads")
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


STUDY = Study("representation", "What does the learned structural order parameter resemble, and how far does it reach?", run, draw)

if __name__ == "__main__":
    main(STUDY)
