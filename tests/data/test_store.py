from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from equijax.data.convert import summary, write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.snapshots import SnapshotSet
from equijax.data.store import Store, StoreWriter
from equijax.errors import DataFormatError, EquijaxError
from equijax.testing import toy_snapshot


def test_a_store_gives_back_what_it_was_given(tmp_path, liquid):
    path = tmp_path / "set.h5"
    # Not the mean of its halves, and measured by fewer trajectories at later times.
    odd = liquid.replace(name="odd", propensity=liquid.propensity * 1.01, trajectories=np.arange(len(liquid.times), 0, -1), dynamics="langevin")
    with StoreWriter(path) as writer:
        for snapshot in (liquid, odd, toy_snapshot(5)):
            writer.append(snapshot)
    with Store(path) as store:
        assert store.names == [liquid.name, "odd", "toy/0"]
        for back, snapshot in zip(store, (liquid, odd, toy_snapshot(5)), strict=True):
            for field in (
                "positions",
                "types",
                "box",
                "inherent_positions",
                "inherent_energy",
                "times",
                "propensity",
                "propensity_halves",
                "temperature",
                "trajectories",
                "dynamics",
            ):
                assert np.array_equal(getattr(back, field), getattr(snapshot, field)), field
            # As text too, by which what is found at a temperature is cached.
            assert repr(back.temperature) == repr(snapshot.temperature)


def test_an_interrupted_write_leaves_nothing(tmp_path, liquid):
    path = tmp_path / "set.h5"

    def write():
        with StoreWriter(path) as writer:
            writer.append(liquid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_the_first_version_wrote_is_read(tmp_path, liquid):
    """One number of trajectories for all times."""
    path = tmp_path / "set.h5"
    write_snapshots(path, [liquid])
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 1
        file["configurations/000000"].attrs["trajectories"] = 16
    with Store(path) as store:
        assert store[0].trajectories.tolist() == [16] * len(liquid.times)


def test_a_later_version_is_refused(tmp_path, liquid):
    path = tmp_path / "set.h5"
    write_snapshots(path, [liquid])
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 9
    with pytest.raises(DataFormatError, match="version 9; this equijax reads 'equijax-store' up to version 2"):
        Store(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.attrs.__setitem__("version", "two"), "version two; this equijax reads"),
        (lambda file: file.__delitem__("configurations"), "has no group `configurations`"),
        (lambda file: file["configurations/000000"].attrs.__delitem__("name"), "configuration 000000 is damaged"),
        (lambda file: file["configurations/000000"].__delitem__("types"), "configuration 000000 is damaged"),
    ],
)
def test_a_damaged_store_says_where(tmp_path, liquid, spoil, message):
    path = tmp_path / "set.h5"
    write_snapshots(path, [liquid])
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(DataFormatError, match=message):
        list(SnapshotSet.read([path]))


def test_a_store_is_read_one_configuration_at_a_time():
    """A data set larger than memory trains because opening it reads names only."""
    snapshots = SnapshotSet.read([embedded_path()])
    loaded = []
    watched = snapshots.mapped(lambda snapshot: loaded.append(snapshot.name) or snapshot)
    assert len(watched) == 20
    assert loaded == []
    part = watched.chosen([snapshots.names[7], snapshots.names[2]])
    assert part[1].name == snapshots.names[2]
    assert loaded == [snapshots.names[2]]


def test_a_configuration_given_twice_is_refused(tmp_path, liquid):
    path = tmp_path / "set.h5"
    write_snapshots(path, [liquid])
    with pytest.raises(DataFormatError, match=r"is there twice .* or, if they are others, another name to one of the files"):
        SnapshotSet.read([path, embedded_path()])


def test_the_embedded_set_is_small_and_what_it_says():
    assert embedded_path().stat().st_size < 2e6
    lines = "\n".join(summary(embedded_path()))
    assert "20 configurations" in lines
    assert "1000 particles (800 A, 200 B)" in lines
    # LAMMPS gave .97 .97 .95 .95 .93 .92 for 32 trajectories at about these times, which for 16 is (Spearman-Brown) what stands here; other configurations.
    ceilings = [float(line.split("ceiling ")[1].split()[0]) for line in lines.splitlines() if "ceiling" in line]
    assert np.abs(np.array(ceilings) - [0.943, 0.943, 0.907, 0.907, 0.873, 0.857]).max() < 0.04
    with Store(embedded_path()) as store:
        energies = [snapshot.inherent_energy.mean() for snapshot in store]
    assert np.mean(energies) == pytest.approx(-7.61, abs=0.01)


def test_a_store_that_finds_no_room_leaves_nothing(tmp_path, liquid, monkeypatch):
    """HDF5 would end the process on a full disk, so the room is looked for before every configuration."""
    room = iter([2**30, 1000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(room)))
    with pytest.raises(EquijaxError, match=r"set.h5: cannot be written \(0.0 MiB are free"):
        write_snapshots(tmp_path / "set.h5", [liquid, liquid.replace(name="second")])
    assert list(tmp_path.iterdir()) == []
