import numpy as np

from equijax.data.cache import Cache
from equijax.data.samples import Capacity, PairFinder, Quenches, SampleSource
from equijax.data.snapshots import SnapshotSet
from equijax.graph.graph import slot_capacity
from equijax.inputs import InputConfig
from equijax.md import quench as quench_module
from equijax.targets import TargetConfig, measure
from equijax.testing import toy_snapshot

INPUTS = InputConfig("thermal", energy=False)


def source(memory):
    snapshots = [toy_snapshot(4, seed=seed) for seed in range(6)]
    snapshots = [s.replace(times=[1.0], propensity=s.positions[:, :1]) for s in snapshots]
    reads = []
    whole = SnapshotSet([s.name for s in snapshots], lambda i: reads.append(i) or snapshots[i])
    pairs = PairFinder(1.6, Cache(None))
    capacity = Capacity(64, slot_capacity(max(int(np.bincount(pairs(s, "thermal").receivers).max()) for s in snapshots)))
    statistics = measure(snapshots, INPUTS, TargetConfig())
    return SampleSource(whole, pairs, INPUTS, TargetConfig(), statistics, capacity, memory=memory), reads


def test_what_does_not_fit_the_memory_is_read_again_and_the_same():
    roomy, reads = source(memory=2**30)
    first = [roomy[i] for i in (0, 1, 2, 0, 1, 2)]
    assert reads == [0, 1, 2]
    cramped, reads = source(memory=1)
    again = [cramped[i] for i in (0, 1, 2, 0, 1, 2)]
    assert reads == [0, 1, 2, 0, 1, 2]
    assert len(cramped._kept) == 1
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.graph.vectors, b.graph.vectors)
        assert np.array_equal(a.targets, b.targets)


def test_every_configuration_has_one_shape():
    samples, _ = source(2**30)
    assert len({samples[i].graph.vectors.shape for i in range(6)}) == 1
    assert len({int(samples[i].graph.edge_mask.sum()) for i in range(6)}) > 1


def test_a_quench_is_run_once(tmp_path, monkeypatch):
    snapshot = toy_snapshot(6, jitter=0.05)
    reports = []
    cold = Quenches(Cache(tmp_path), lambda _, report: reports.append(report), tolerance=1e-3)(snapshot)
    monkeypatch.setattr(quench_module.Quencher, "__call__", lambda *_: 1 / 0)
    again = Quenches(Cache(tmp_path), tolerance=1e-3)(snapshot.replace(name="another name"))
    assert np.array_equal(again.inherent_positions, cold.inherent_positions)
    assert len(reports) == 1
    known = Quenches(Cache(None))(cold.replace(inherent_energy=None))  # positions from a file that holds no energies
    assert np.abs(known.inherent_energy - cold.inherent_energy).max() < 1e-12


def test_a_damaged_cache_entry_counts_as_absent(tmp_path):
    cache = Cache(tmp_path)
    cache.put("pairs", "key", numbers=np.arange(3))
    assert cache.get("pairs", "key")["numbers"].tolist() == [0, 1, 2]
    (tmp_path / "pairs" / "key.npz").write_bytes(b"PK cut off")
    assert cache.get("pairs", "key") is None
