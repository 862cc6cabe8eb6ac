import io
import pickle
import tarfile

import numpy as np
import pytest

from equijax.data.formats import read_snapshot, read_snapshots
from equijax.data.formats.extxyz import write_extxyz
from equijax.errors import DataFormatError, SnapshotError

N = 10
RNG = np.random.default_rng(0)


def botan(folder, number=1, index=7, box=(N / 1.2) ** (1 / 3), **change):
    initial = np.random.default_rng(number).random((N, 3)) * box
    final = initial + np.random.default_rng(index).standard_normal((32, N, 3)) + 3 * box  # unwrapped, far away
    arrays = {"types": np.array([0] * 8 + [1] * 2, np.int8), "initial_positions": initial, "positions": final} | change
    path = folder / f"isoconfig_N{N}T0.44_{number}_tc{index:02d}.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path, initial, final


def glassbench(**change):
    initial = RNG.random((N, 3)) * 2 - 1
    arrays = {
        "types": np.array([1] * 8 + [2] * 2),
        "initial_positions": initial,
        "initial_positions_inherent": initial + 0.01,
        "md_prop": np.arange(10.0)[:, None] + np.zeros(N),
        "bb_prop": np.zeros((10, N)),
    } | change
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue(), initial


def deepmind(**change):
    positions = RNG.random((N, 3)) * 40 - 20
    order = [3, 1, 2, 0]
    times = np.array([0.0, 1.0, 5.0, 25.0, 100.0])
    target = [[positions + 10.0 * times[i] * np.array([1.0, 0, 0]) / 10 + 0 * trajectory for trajectory in range(4)] for i in order]
    content = {
        "positions": positions,
        "types": np.array([0] * 8 + [1] * 2),
        "box": np.array([15.1, 15.1, 15.1]),
        "time": times,
        "time_indices": np.array(order),
        "is_values": np.array([0.5, 0.9, 0.7, 0.3]),
        "trajectory_target_positions": target,
        "metadata": {"temperature": 0.44, "pressure": 2.9, "fluid": "KA"},
    } | change
    return {key: value for key, value in content.items() if value is not None}, positions


def test_botan_propensity_box_and_time(tmp_path):
    path, initial, final = botan(tmp_path)
    snapshot = read_snapshot(path)
    distance = np.linalg.norm(final - initial, axis=-1)
    assert np.allclose(snapshot.propensity[:, 0], distance.mean(0))  # absolute displacement, never the minimum image
    assert np.allclose(snapshot.propensity_halves[1, :, 0], distance[16:].mean(0))
    assert snapshot.times.tolist() == [4120.0]
    assert snapshot.box == pytest.approx([(N / 1.2) ** (1 / 3)] * 3)
    assert (snapshot.temperature, snapshot.trajectories, snapshot.name) == (0.44, 32, "T0.44/N10_1")


def test_several_botan_files_of_a_configuration_are_one_snapshot(tmp_path):
    for number, index in ((1, 10), (1, 2), (2, 7), (10, 7)):
        botan(tmp_path, number, index)
    snapshots = list(read_snapshots(tmp_path))
    assert [s.name for s in snapshots] == ["T0.44/N10_1", "T0.44/N10_2", "T0.44/N10_10"]
    assert snapshots[0].times.tolist() == [1.3, 130000.0]
    assert snapshots[0].propensity_halves.shape == (2, N, 2)


def test_files_of_one_configuration_must_start_alike(tmp_path):
    botan(tmp_path, 1, 7)
    botan(tmp_path, 1, 8, initial_positions=np.zeros((N, 3)) + np.arange(N)[:, None] * 0.2)
    with pytest.raises(DataFormatError, match="start from different positions"):
        list(read_snapshots(tmp_path))


def test_real_botan_files(real_files):
    snapshot = read_snapshot(real_files[0])
    assert len(snapshot) == 4096
    assert snapshot.box.tolist() == [15.05658] * 3
    assert snapshot.density == pytest.approx(1.2, abs=1e-6)
    assert snapshot.propensity.mean() == pytest.approx(0.811, abs=0.001)


@pytest.mark.parametrize("packed", [False, True])
def test_glassbench_from_file_and_from_the_archive(tmp_path, packed):
    content, initial = glassbench()
    name = "N10T0.56_7.npz"
    if packed:
        path = tmp_path / "T0.56.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo(f"T0.56/train/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    else:
        path = tmp_path / name
        path.write_bytes(content)
    snapshot = read_snapshot(path)
    assert snapshot.types.tolist() == [0] * 8 + [1] * 2
    assert np.array_equal(snapshot.positions, initial)
    assert snapshot.propensity[:, 3].tolist() == [3.0] * N
    assert snapshot.times[6] == 52
    assert np.allclose(snapshot.inherent_positions, initial + 0.01)
    assert snapshot.cage_positions is None


def test_deepmind_times_are_put_in_order(tmp_path):
    content, positions = deepmind()
    path = tmp_path / "aggregated_data_3.pickle"
    path.write_bytes(pickle.dumps(content, protocol=3))
    snapshot = read_snapshot(path)
    assert snapshot.times.tolist() == [0.0, 1.0, 5.0, 25.0]
    assert np.allclose(snapshot.propensity[0], [0.0, 1.0, 5.0, 25.0])
    assert np.array_equal(snapshot.positions, positions)
    assert (snapshot.temperature, snapshot.name, snapshot.trajectories.tolist()) == (0.44, "T0.44/aggregated_data_3", [4] * 4)


def test_deepmind_files_with_targets_only(tmp_path):
    content, _ = deepmind(trajectory_target_positions=None, targets=np.arange(4.0)[:, None] + np.zeros(N), metadata=None, temperature=0.5)
    path = tmp_path / "aggregated_data_1.pickle"
    path.write_bytes(pickle.dumps(content, protocol=3))
    snapshot = read_snapshot(path)
    assert snapshot.propensity[0].tolist() == [3.0, 1.0, 2.0, 0.0]
    assert snapshot.temperature == 0.5


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return (print, ("this must not be printed",))

    path = tmp_path / "aggregated_data_1.pickle"
    path.write_bytes(pickle.dumps({"positions": Attack()}, protocol=3))
    with pytest.raises(DataFormatError, match=r"asks for builtins.print.*does not run code"):
        read_snapshot(path)


def test_extxyz_both_ways(tmp_path, liquid):
    path = tmp_path / "frames.extxyz"
    other = liquid.replace(name="plain", inherent_positions=None, inherent_energy=None, times=None, propensity=None, propensity_halves=None, trajectories=None)
    liquid = liquid.replace(bond_breaking=liquid.propensity / 3, trajectories=np.arange(len(liquid.times), 0, -1), dynamics="nose-hoover")
    write_extxyz(path, [liquid, other])
    back, plain = read_snapshots(path)
    for field in ("positions", "inherent_positions", "inherent_energy", "propensity", "propensity_halves", "bond_breaking"):
        assert np.abs(getattr(back, field) - getattr(liquid, field)).max() < 1e-8  # eight decimals in the text
        assert getattr(plain, field) is None or field == "positions"
    assert np.array_equal(back.types, liquid.types)
    assert np.array_equal(back.times, liquid.times)
    assert np.array_equal(back.trajectories, liquid.trajectories)
    assert (back.name, back.temperature, back.dynamics) == (liquid.name, liquid.temperature, "nose-hoover")
    assert plain.dynamics is None


@pytest.mark.parametrize("name", ["0044", "1e5", "T", "a\\b", "", "a b", 'say "x"', '\\"', "two\nlines", "1,2", "_JSON x", "T0.44/N4096_1#end3", "Å"])
def test_names_survive_extxyz(tmp_path, liquid, name):
    """ASE takes what looks like a number or a list for one, and reads backslashes as escapes."""
    write_extxyz(tmp_path / "a.extxyz", [liquid.replace(name=name)] * 2)
    assert [snapshot.name for snapshot in read_snapshots(tmp_path / "a.extxyz")] == [name] * 2


def test_plain_xyz_files_are_read(tmp_path):
    """A comment without Properties: species and positions."""
    frame = '3\nLattice="6 0 0 0 6 0 0 0 6"\nA 1 1 1\nB 3 3 3\nA 5 5 5\n'
    for snapshot in read_snapshots(write(tmp_path / "a.xyz", frame + frame)):
        assert snapshot.types.tolist() == [0, 1, 0]
        assert snapshot.positions[:, 0].tolist() == [1, 3, 5]


DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS pp pp pp
-1 5
0 6
0 6
ITEM: ATOMS id type x y z
2 2 2 3 3
1 1 0 1 1
3 1 4 5 5.25
"""


def test_a_lammps_dump_is_read_in_the_order_of_ids_from_the_corner_of_its_box(tmp_path):
    first, second = read_snapshots(write(tmp_path / "traj.lammpstrj", "ITEM: UNITS\nlj\n" + DUMP + DUMP.replace("TIMESTEP\n0", "TIMESTEP\n10")))
    assert first.types.tolist() == [0, 1, 0]
    assert first.positions.tolist() == [[1, 1, 1], [3, 3, 3], [5, 5, 5.25]]
    assert second.box.tolist() == [6, 6, 6]
    assert [first.name, second.name] == [f"{tmp_path.name}/traj/0", f"{tmp_path.name}/traj/1"]


def _with_rows(text, columns, *rows):
    return text[: text.index("id type")] + "\n".join([columns, *rows]) + "\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("BOUNDS pp pp pp", "BOUNDS"),  # as older programs write it
        lambda text: text.replace("BOUNDS pp pp pp\n-1 5\n0 6\n0 6", "BOUNDS xy xz yz pp pp pp\n-1 5 0\n0 6 0\n0 6 0.0"),
        lambda text: text.replace("x y z", "xu yu zu"),
        lambda text: _with_rows(text, "id type xs ys zs", "2 2 .5 .5 .5", f"1 1 {1 / 6} {1 / 6} {1 / 6}", f"3 1 {5 / 6} {5 / 6} .875"),
        lambda text: _with_rows(text, "id element type x y z mass", "2 H 2 2 3 3 1", "1 He 1 0 1 1 1", "3 He 1 4 5 5.25 1"),
        lambda text: text + "\n",
    ],
    ids=["no labels", "zero tilt", "unwrapped", "scaled", "element and mass beside type", "empty line at the end"],
)  # fmt: skip
def test_dumps_of_other_programs_and_settings_are_the_same(tmp_path, change):
    found, same = (read_snapshot(write(tmp_path / name, text)) for name, text in (("a.dump", DUMP), ("b.dump", change(DUMP))))
    assert np.abs(found.positions - same.positions).max() < 1e-15
    assert np.array_equal(found.types, same.types)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DUMP.removesuffix("3 1 4 5 5.25\n"), "holds 2 of its 3 particles: the dump is cut off"),
        (DUMP.removesuffix("5\n"), "the last line has no end"),
        (DUMP + DUMP[:40], r"frame 1: the dump is cut off here"),
        (DUMP.replace("5 5.25", "5"), "not every line has numbers for id type x y z"),
        (DUMP.replace("pp pp pp", "pp ff pp"), "the boundaries are pp ff pp; only boxes that are periodic"),
        (DUMP.replace("pp pp pp\n-1 5", "xy xz yz pp pp pp\n-1 5 0.5"), "is not orthorhombic"),
        (DUMP.replace("id type x", "id kind x"), "has the columns id kind x y z; dump at least: id type x y z"),
        (DUMP.replace("2 2 2 3", "2 3 2 3"), r"particle types \[1\.0, 3\.0\] are not understood"),
        (DUMP.replace("\n2 2", "\n1 2"), "1 particles have the id of another"),
        (DUMP.replace("\n3\n", "\n2\n"), "expected a line that begins with ITEM:, found '3 1 4 5 5.25'"),
        (DUMP.replace("-1 5", "-1 x"), "'-1 x' are not numbers"),
        (DUMP.replace("3 1 4 5 5.25\n", "\n"), "1 of the 3 lines of its particles are empty"),
        (DUMP.replace("\n2 2", "\nnan 2"), "1 particles have ids that are not finite"),
        (DUMP.replace("ATOMS\n3", "ATOMS\n-3"), "its NUMBER OF ATOMS is -3"),
        (DUMP.replace("ATOMS\n3", "ATOMS\n3.5"), "its NUMBER OF ATOMS is 3.5"),
        (DUMP.replace("ATOMS\n3", "ATOMS\nnan"), "its NUMBER OF ATOMS is nan"),
    ],
)
def test_a_dump_that_is_not_whole_is_refused(tmp_path, text, message):
    with pytest.raises(DataFormatError, match=message):
        list(read_snapshots(write(tmp_path / "a.dump", text)))


@pytest.mark.parametrize(
    ("properties", "rows"),
    [
        ("species:S:1:pos:R:3", "A 1 1 1\nB 3 3 3\nA 5 5 5\n"),
        ("species:S:1:pos:R:3", "1 1 1 1\n2 3 3 3\n1 5 5 5\n"),
        ("species:I:1:pos:R:3", "1 1 1 1\n2 3 3 3\n1 5 5 5\n"),
        ("species:S:1:pos:R:3:type:I:1", "X 1 1 1 0\nX 3 3 3 1\nX 5 5 5 0\n"),
        ("type:S:1:pos:R:3", "A 1 1 1\nB 3 3 3\nA 5 5 5\n"),
        ("pos:R:3:Z:I:1", "1 1 1 1\n3 3 3 2\n5 5 5 1\n"),
    ],
)
def test_types_in_extxyz_have_the_names_that_people_give_them(tmp_path, properties, rows):
    assert read_snapshot(write(tmp_path / "a.extxyz", EXTXYZ.replace("species:S:1:pos:R:3", properties) + rows)).types.tolist() == [0, 1, 0]


def test_species_numbers_count_from_one_also_where_only_one_is_there(tmp_path):
    path = tmp_path / "a_only.lammpstrj"
    path.write_text("ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 6\n0 6\n0 6\nITEM: ATOMS id type x y z\n1 1 1 1 1\n2 1 3 3 3\n")
    assert read_snapshot(path).types.tolist() == [0, 0]
    assert read_snapshot(write(tmp_path / "h.extxyz", EXTXYZ.replace("3\n", "2\n", 1) + "H 1 1 1\nH 3 3 3\n")).types.tolist() == [0, 0]


def test_files_of_one_name_in_two_folders_are_two_configurations(tmp_path, liquid):
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "frame.extxyz", EXTXYZ + "H 1 1 1\nHe 3 3 3\nH 5 5 5\n")
    assert [snapshot.name for snapshot in read_snapshots(tmp_path)] == ["1/frame/0", "2/frame/0"]


@pytest.mark.parametrize(("species", "kind"), [("H", 0), ("A", 0), ("1", 0), ("He", 1), ("B", 1), ("X", 1)])
def test_types_that_are_all_one_are_those_of_the_species(tmp_path, species, kind):
    text = EXTXYZ.replace("pos:R:3", "pos:R:3:type:I:1") + f"{species} 1 1 1 1\n{species} 3 3 3 1\n{species} 5 5 5 1\n\n"
    assert read_snapshot(write(tmp_path / "a.extxyz", text)).types.tolist() == [kind] * 3


@pytest.mark.parametrize("name", ["dump.0", "A.DUMP", "a.xyz", "dump"])
def test_dumps_are_known_by_their_first_word(tmp_path, name):
    assert read_snapshot(write(tmp_path / name, DUMP)).types.tolist() == [0, 1, 0]


def simulated(folder, **change):
    """A set that was simulated with another program: two configurations, three times."""
    arrays = {
        "types": np.array([0] * 8 + [1] * 2),
        "positions": RNG.random((2, N, 3)),
        "inherent_positions": RNG.random((2, N, 3)),
        "cage_positions": RNG.random((2, N, 3)),
        "box": np.array(2.0),
        "temperature": np.array([0.5]),
        "times": np.array([1.0, 2.0, 3.0]),
        "trajectories": np.array(32),
        "propensity_halves": RNG.random((2, 2, 3, N)),
    } | change
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz", arrays


def test_a_simulated_set_keeps_all_it_has(tmp_path):
    path, arrays = simulated(tmp_path)
    for i, snapshot in enumerate(read_snapshots(path)):
        assert snapshot.name == f"set/{i}"
        assert snapshot.temperature == 0.5
        assert snapshot.trajectories.tolist() == [32] * 3
        assert np.array_equal(snapshot.inherent_positions, arrays["inherent_positions"][i])
        assert np.array_equal(snapshot.cage_positions, arrays["cage_positions"][i])
        assert np.allclose(snapshot.propensity, arrays["propensity_halves"][:, i].mean(0).T, rtol=1e-15)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


EXTXYZ = '3\nLattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3 pbc="T T T"\n'


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d / "nothing.npz", "there is no such file or folder"),
        (lambda d: write(d / "a.txt", "x"), "no reader for this kind of file"),
        (lambda d: d, "holds no file that equijax reads"),
        (lambda d: write(d / "a.dump", ""), "a.dump: holds no configuration"),
        (lambda d: write(d / "a.extxyz", ""), "a.extxyz: holds no configuration"),
        (lambda d: write(d / "a.extxyz", 2 * (EXTXYZ + "H 1 1 1\nHe 3 3 3\nH 5 5 5\n\n")), "line 6 is empty and others follow"),
        (lambda d: write(d / "a.npz", b"PK\x03\x04 cut off"), "not a whole npz archive"),
        (lambda d: write(d / "a.pickle", pickle.dumps({"positions": np.zeros(99)})[:50]), "damaged or cut off|not a plain pickle"),
        (lambda d: write(d / "a.pickle", pickle.dumps([1, 2])), "holds a list; expected the dictionary"),
        (lambda d: write(d / "a.pickle", pickle.dumps({"types": 1, "box": 2})), "lacks positions, time, time_indices"),
        (lambda d: write(d / "T0.44.tar.gz", b"\x1f\x8b\x08 cut off"), "archive is damaged or cut off"),
        (lambda d: write(d / "a.h5", b"not hdf5"), "not a whole HDF5 file"),
        (lambda d: write(d / "GlassBench.zip", b"PK"), "unpack it first"),
        (lambda d: write(d / "a.dump.gz", b"\x1f\x8b"), "unpack it first"),
        (lambda d: write(d / "a.npz", npy()), "not a whole npz archive"),
        (lambda d: simulated(d, temperature=np.array([0.5, 0.6]))[0], r"temperature is \[0\.5, 0\.6\]; expected one number"),
        (lambda d: simulated(d, temperature=np.array("warm"))[0], "temperature is warm; expected one number"),
        (lambda d: simulated(d, propensity_halves=np.zeros((2, 3, N)))[0], r"propensity_halves have shape \(2, 3, 10\); expected"),
        (lambda d: simulated(d, inherent_positions=np.zeros((N, 3)))[0], r"inherent_positions have shape \(10, 3\); expected 2 configurations"),
        (lambda d: botan(d)[0].rename(d / f"isoconfig_N{N}T0.4.4_1_tc07.npz"), "configuration, temperature and time are in the name only"),
        (lambda d: write(d / "a.pickle", pickle.dumps(deepmind(metadata=None, temperature="warm")[0])), "temperature is 'warm'; expected a number"),
        (lambda d: write(d / "a.pickle", pickle.dumps(deepmind(time_indices=np.array(2))[0])), "times and target positions do not fit together"),
        (lambda d: write(d / "a.extxyz", EXTXYZ + "H 1 1 1\nHe 3 3 3\nH 5 5 5.12"), "the last line has no end, its last number may be cut off"),
        (lambda d: write(d / "a.xyz", "2\nno box\nA 1 1 1\nB 3 3 3\n"), "no periodic box"),
        (lambda d: botan(d, types=None)[0], "keys initial_positions, positions belong to no known format"),
        (lambda d: botan(d, index=11)[0], "time index tc11 is outside 01 to 10"),
        (lambda d: botan(d, positions=np.zeros((32, 3, 3)))[0], r"positions have shape \(32, 3, 3\); expected"),
        (lambda d: botan(d)[0].rename(d / "mine.npz"), "configuration, temperature and time are in the name only"),
        (lambda d: write(d / "N10T0.44_1.npz", glassbench(types=np.zeros(N, int))[0]), r"types are \[0\]; GlassBench writes 1 for A"),
        (lambda d: write(d / "N10T0.45_1.npz", glassbench()[0]), "no time grid is known for T = 0.45"),
        (lambda d: write(d / "a.extxyz", EXTXYZ + "H 1 1 1\nHe 3 3 3\n"), "ASE cannot read it"),
        (lambda d: write(d / "a.extxyz", EXTXYZ + "H 1 1 1\nHe 3 3 3\nAu 5 5 5\n"), r"particle types \['Au', 'H', 'He'\] are not understood"),
        (lambda d: write(d / "a.extxyz", EXTXYZ.replace("0 6 0 0", "1 6 0 0") + "H 1 1 1\nHe 3 3 3\nH 5 5 5\n"), "not orthorhombic"),
        (lambda d: write(d / "a.extxyz", EXTXYZ.replace("T T T", "T T F") + "H 1 1 1\nHe 3 3 3\nH 5 5 5\n"), "only boxes that are periodic in all directions"),
        (lambda d: write(d / "a.extxyz", "2\nProperties=species:S:1:pos:R:3\nH 1 1 1\nHe 3 3 3\n"), "no periodic box"),
        (lambda d: write(d / "a.extxyz", EXTXYZ + "H 1 1 nan\nHe 3 3 3\nH 5 5 5\n"), r"positions\[0, 2\] is nan"),
    ],
)
def test_bad_files_are_named_with_the_reason(tmp_path, make, message):
    path = make(tmp_path)
    with pytest.raises((DataFormatError, SnapshotError), match=message) as caught:
        list(read_snapshots(path))
    assert str(path.name) in str(caught.value) or isinstance(caught.value, SnapshotError)
