"""From a config to a data set, at toy size; and what equilibrium and resuming mean."""

import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from equijax.configs import from_dict, to_dict
from equijax.data.snapshots import SnapshotSet
from equijax.data.store import Store
from equijax.errors import CheckpointError, ConfigError, ConvergenceError, DataFormatError, EquijaxError
from equijax.md.integrators import Ensemble
from equijax.md.observables import WAVE_NUMBER
from equijax.simulate import pieces
from equijax.simulate.chain import Chain
from equijax.simulate.config import PRESETS, Mixture, SimulateConfig
from equijax.simulate.engine import JaxMd
from equijax.simulate.equilibrate import FRAMES, compare
from equijax.simulate.isoconfigurational import step_numbers
from equijax.simulate.liquid import expected_time, lattice, make_system
from equijax.simulate.pipeline import simulate
from equijax.simulate.report import summary, write_report
from equijax.simulate.run import estimate, run
from tests.simulate.test_isoconfigurational import Straight

TINY = SimulateConfig((1.5,), Mixture(216), configurations=3, trajectories=4, times=(0.05, 0.5, 1.0), replicas=2, waiting=4.0, spacing=1.0, cage=True)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    return folder, simulate(TINY, folder, say=lambda _: None)


def test_the_data_set_is_whole_and_physical(simulated):
    folder, measured = simulated
    with Store(folder / "T1.5.h5") as store:
        assert len(store) == 3
        snapshots = list(store)
    for snapshot in snapshots:
        assert snapshot.temperature == 1.5
        assert snapshot.dynamics == "nve"
        assert snapshot.trajectories.tolist() == [4, 4, 4]
        assert snapshot.density == pytest.approx(1.2)
        assert np.bincount(snapshot.types).tolist() == [173, 43]
        np.testing.assert_allclose(snapshot.propensity, snapshot.propensity_halves.mean(0), atol=1e-6)
        assert (np.diff(snapshot.propensity.mean(0)) > 0).all(), "particles go further in longer times"
        assert snapshot.inherent_energy.mean() == pytest.approx(-7.4, abs=0.2)
        assert np.linalg.norm(snapshot.cage_positions - snapshot.positions, axis=1).max() < 0.45
        assert 0 < snapshot.bond_breaking[:, -1].mean() < 0.6
        assert (np.diff(snapshot.bond_breaking.mean(0)) > 0).all()
    assert len({snapshot.name for snapshot in snapshots}) == 3
    apart = snapshots[0].positions - snapshots[2].positions
    assert np.linalg.norm(apart, axis=1).mean() > 0.2, "configurations of one replica lie a relaxation time apart"
    assert measured[0].equilibrium.halves.deviation <= 3.5


@pytest.mark.slow
def test_two_dimensions_are_a_config(tmp_path):
    flat = dataclasses.replace(TINY, temperatures=(1.0,), mixture=Mixture(200, 0.35, 1.1944, dimensions=2), configurations=2, trajectory="langevin")
    flat, said = dataclasses.replace(flat, times=(0.001, 0.05, 0.5, 1.0)), []
    measured = simulate(flat, tmp_path / "flat", say=said.append)
    assert any("0.001 tau_alpha" in sentence and "measured at 0.005" in sentence for sentence in said), "a fifth of a step is told to have become one"
    assert measured[0].samples.shape == (2, 200, 2)
    with Store(tmp_path / "flat" / "T1.h5") as store:
        snapshot = store[0]
    for name in ("positions", "inherent_positions", "cage_positions"):
        assert np.abs(getattr(snapshot, name)[:, 2]).max() == 0, name
    assert snapshot.inherent_energy.mean() < -2
    assert snapshot.dynamics == "langevin"
    assert summary(measured[0])["mean_squared_displacement"][0] == pytest.approx(2 * snapshot.times[0] ** 2, rel=0.3), "<r^2> = 2 T t^2 in two dimensions"
    assert all(plot.exists() for plot in write_report(measured, [summary(measured[0])], tmp_path / "flat"))


def test_the_report_says_what_was_measured(simulated):
    folder, measured = simulated
    numbers = summary(measured[0])
    plots = write_report(measured, [numbers], folder)
    assert all(plot.stat().st_size > 10_000 for plot in plots)
    assert json.loads((folder / "report.json").read_text()) == [numbers]
    assert 0.2 < numbers["relaxation_time_waiting"] < 1.5
    nearest = numbers["pair_correlation"]["r"][int(np.argmax(numbers["pair_correlation"]["AA"]))]
    assert 1.0 < nearest < 1.2, "first shell of A about A"
    assert 6.5 < numbers["structure_factor"]["k"][int(np.argmax(numbers["structure_factor"]["A"]))] < 8, "first peak of S(k)"
    short = numbers["times"][0]
    # The beginning is ballistic: <r^2> = 3 T t^2 and F_s = 1 - k^2 T t^2 / 2.
    assert numbers["mean_squared_displacement"][0] == pytest.approx(3 * 1.5 * short**2, rel=0.15)
    assert numbers["self_intermediate"][0] == pytest.approx(1 - WAVE_NUMBER**2 * 1.5 * short**2 / 2, abs=0.02)
    assert all(0 <= value <= 1 for value in numbers["overlap"])
    assert numbers["largest_energy_change"] < 5e-3


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chained")
    config = dataclasses.replace(TINY, chain=True, trajectories=2, configurations=5, cage=False, tau_alpha=0.6)
    return folder, config, simulate(config, folder, say=lambda _: None)


def test_a_chain_looks_forward_and_back(chained):
    """By hand from the positions of the chain: neighbours on it share the trajectory between them."""
    folder, _, measured = chained
    with Store(folder / "T1.5.h5") as store:
        snapshots = list(store)
    assert [s.name for s in snapshots] == [f"T1.5-seed0-chain{r:02d}#link{k:04d}" for k, r in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))]
    first, second = snapshots[0], snapshots[2]
    between = np.linalg.norm(second.positions - first.positions, axis=1)  # of one replica, a trajectory apart
    np.testing.assert_allclose(first.propensity_halves[1, :, -1], between, atol=1e-5)
    np.testing.assert_allclose(second.propensity_halves[0, :, -1], between, atol=1e-5)
    for snapshot in snapshots:
        assert snapshot.trajectories.tolist() == [2, 2, 2]
        assert snapshot.times == pytest.approx([0.03, 0.3, 0.6])
        np.testing.assert_allclose(snapshot.propensity, snapshot.propensity_halves.mean(0), atol=1e-6)
        assert (np.diff(snapshot.propensity.mean(0)) > 0).all()
        assert snapshot.inherent_energy.mean() == pytest.approx(-7.4, abs=0.2)
        assert 0 < snapshot.bond_breaking[:, -1].mean() < 0.6
    assert summary(measured[0])["trajectories"] == 2
    assert summary(measured[0])["largest_energy_change"] < 5e-3


def test_no_trajectory_of_a_chain_is_run_twice(tmp_path, monkeypatch):
    started = []
    session = JaxMd.session
    monkeypatch.setattr(JaxMd, "session", lambda self, ensemble, *rest: started.append(ensemble.kind) or session(self, ensemble, *rest))
    config = dataclasses.replace(TINY, chain=True, trajectories=2, configurations=5, cage=False, bonds=False)
    simulate(config, tmp_path / "chain", say=lambda _: None)
    assert started.count("nve") == 4  # three ends on two replicas have four trajectories around them


def test_both_ways_go_equally_far(tmp_path):
    """Time reversal in equilibrium: the same F_s and displacements forward and back, at every time, within four standard errors."""
    config = dataclasses.replace(TINY, temperatures=(1.0,), chain=True, trajectories=2, configurations=32, replicas=8, cage=False, bonds=False)
    observed = simulate(config, tmp_path / "both", say=lambda _: None)[0].observed
    for name in ("scattering", "squared"):
        difference = np.array([one[name][1] - one[name][0] for one in observed])
        error = difference.std(0, ddof=1) / len(difference) ** 0.5
        assert (np.abs(difference.mean(0)) < 4 * error).all(), name


def test_a_chain_goes_on_with_the_same_numbers(chained, tmp_path):
    folder, config, _ = chained
    cut = tmp_path / "cut"
    simulate(dataclasses.replace(config, configurations=2), cut, say=lambda _: None)
    simulate(config, cut, resume=True, say=lambda _: None)
    with Store(folder / "T1.5.h5") as whole, Store(cut / "T1.5.h5") as resumed:
        for a, b in zip(whole, resumed, strict=True):
            assert a.name == b.name
            np.testing.assert_array_equal(a.propensity_halves, b.propensity_halves)


def test_noise_along_chains_differs_by_seed_temperature_and_trajectory(tmp_path):
    system = make_system(Mixture(216), 0)
    seeds = []

    class Recording(Straight):
        def session(self, ensemble, positions, momenta, seed):
            seeds.append(seed)
            raise ConvergenceError("only its seed is asked for")

    for seed in ((0, 5, 560_000), (1, 5, 560_000), (0, 5, 640_000)):
        for number in (0, 1):
            folder = tmp_path / f"{seed}"
            if number:
                pieces.save(folder / f"0000{pieces.SUFFIX}", {"end": np.zeros((1, 216, 3))})
            chain = Chain(Recording(), system, Ensemble("langevin", 0.56), np.zeros((1, 216, 3)), [10], False, seed, folder, lambda *_, **__: None)
            with pytest.raises(ConvergenceError):
                chain.link(0)
    assert len(set(seeds)) == 6


def test_a_chain_has_liquids_of_its_own(simulated, chained):
    """With the seed of an ensemble set too: nothing that is tested on lies on a chain that is trained on."""
    (folder, _), (other, _, _) = simulated, chained
    with Store(folder / "T1.5.h5") as ensembles, Store(other / "T1.5.h5") as chain:
        assert (ensembles[0].types != chain[0].types).any()
    with pytest.raises(ConfigError, match="trajectories is 4; along a chain every configuration has 2"):
        dataclasses.replace(TINY, chain=True)
    with pytest.raises(ConfigError, match="and one temperature"):
        dataclasses.replace(TINY, temperatures=(1.5, 1.0), tau_alpha=0.6)


def test_configurations_are_added_to_a_finished_simulation(simulated, tmp_path):
    """What there was stays; the new ones are those of a simulation that was begun with as many. A setting that is newer than the folder has its default."""
    folder, _ = simulated
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    shutil.copytree(folder, grown)
    kept = json.loads((grown / "config.json").read_text())
    del kept["chain"], kept["tau_alpha"]
    (grown / "config.json").write_text(json.dumps(kept))
    more = dataclasses.replace(TINY, configurations=4)
    simulate(more, grown, resume=True, say=lambda _: None)
    simulate(more, whole, say=lambda _: None)
    with Store(folder / "T1.5.h5") as before, Store(grown / "T1.5.h5") as one, Store(whole / "T1.5.h5") as other:
        assert (len(before), len(one), len(other)) == (3, 4, 4)
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.propensity_halves, b.propensity_halves)
        np.testing.assert_array_equal(before[2].propensity_halves, one[2].propensity_halves)


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_numbers(simulated, tmp_path):
    """kill -9 in the middle of waiting, of sampling and of a configuration, bitwise; the pieces are forced out often so that each has one to lose."""
    whole, _ = simulated
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(to_dict(TINY)))
    program = (
        "import sys, equijax.simulate.equilibrate as e; e.SAVE_SECONDS = 0.0; "
        "from equijax.configs import read_config; from equijax.simulate.pipeline import simulate; from equijax.simulate.config import SimulateConfig; "
        "from pathlib import Path; simulate(read_config(Path(sys.argv[1]), SimulateConfig), Path(sys.argv[2]), resume=sys.argv[3] == 'resume')"
    )
    folder = tmp_path / "run"
    waits_for = [f"T1.5/equilibrium{pieces.SUFFIX}", f"T1.5/samples{pieces.SUFFIX}", "T1.5/configurations/001.h5"]
    for number, wanted in enumerate(waits_for):
        process = subprocess.Popen([sys.executable, "-c", program, str(config), str(folder), "resume" if number else "new"])
        while not (folder / wanted).exists():
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-c", program, str(config), str(folder), "resume"], check=True)
    with Store(whole / "T1.5.h5") as expected, Store(folder / "T1.5.h5") as found:
        for one, other in zip(expected, found, strict=True):
            for name in ("positions", "propensity_halves", "bond_breaking", "inherent_positions", "cage_positions"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_folder_is_not_overwritten_and_a_changed_config_not_resumed(simulated, tmp_path):
    folder, _ = simulated
    with pytest.raises(ConfigError, match="already holds a simulation"):
        simulate(TINY, folder)
    with pytest.raises(CheckpointError, match=r"begun with trajectories = 4, now it is 6; .* give .*config\.json in place of a preset"):
        simulate(dataclasses.replace(TINY, trajectories=6), folder, resume=True)
    with pytest.raises(CheckpointError, match="holds no simulation to resume"):
        simulate(TINY, tmp_path / "nothing", resume=True)


def test_its_folder_is_a_data_set_finished_or_not(simulated, tmp_path):
    """Each configuration once; what a simulation was interrupted in leaves those that are measured."""
    folder = tmp_path / "interrupted"
    shutil.copytree(simulated[0], folder)
    finished = list(SnapshotSet.read([folder]).names)
    with Store(folder / "T1.5.h5") as store:
        assert finished == [snapshot.name for snapshot in store]
    (folder / "T1.5.h5").unlink()
    (folder / "T1.5" / "configurations" / "002.h5").unlink()
    assert list(SnapshotSet.read([folder]).names) == finished[:2]


def test_a_temperature_that_is_refused_does_not_withhold_the_others(simulated, tmp_path, capsys):
    """What is measured is readable and reported, and without the other temperature the simulation can be finished."""
    folder = tmp_path / "two"
    shutil.copytree(simulated[0], folder)
    for written in ("T1.5.h5", "run.json"):
        (folder / written).unlink()
    with pytest.raises(ConvergenceError, match=r"T = 0\.4: no equilibrium"):
        run(str(folder / "config.json"), folder, True, {"longest_wait": 25.0}, ("temperatures=[1.5,0.4]",))
    assert "T = 1.5: 3 configurations of 216 particles" in capsys.readouterr().out
    assert [numbers["temperature"] for numbers in json.loads((folder / "report.json").read_text())] == [1.5]
    with Store(simulated[0] / "T1.5.h5") as before, Store(folder / "T1.5.h5") as found:
        for a, b in zip(before, found, strict=True):
            np.testing.assert_array_equal(a.propensity_halves, b.propensity_halves)
    said = []
    assert len(simulate(TINY, folder, resume=True, say=said.append)) == 1
    assert said[0].startswith("T = 0.4 in ")
    assert "config and report will be of T = 1.5 alone. Give all temperatures to have all of them there." in said[0]


def test_what_cannot_come_to_equilibrium_is_refused_and_kept(tmp_path):
    slow = SimulateConfig((0.4,), Mixture(216), replicas=2, longest_wait=25.0)
    with pytest.raises(ConvergenceError, match=r"T = 0.4: no equilibrium after 20 time units .* longest_wait = 25; raise it"):
        simulate(slow, tmp_path / "slow", say=lambda _: None)
    assert pieces.load(tmp_path / "slow" / "T0.4" / f"equilibrium{pieces.SUFFIX}")["frame"] == FRAMES


def test_halves_that_age_are_told_from_halves_in_equilibrium():
    rng, n = np.random.default_rng(0), 300
    is_a = np.ones(n, bool)

    def walk(pace):
        steps = rng.normal(size=(FRAMES, 4, n, 3)) * np.asarray(pace)[:, None, None, None]
        return steps.cumsum(0).astype(np.float32)

    energies = rng.normal(-7, 0.01, (FRAMES, 4))
    same = compare(walk(np.full(FRAMES, 0.06)), energies, 1.0, is_a)
    assert same.deviation < 3.5
    # <r^2> = 3 s^2 t makes F_s = exp(-k^2 s^2 t / 2), which is 1 / e at t = 2 / (k s)^2.
    assert same.relaxation_time == pytest.approx(2 / (WAVE_NUMBER * 0.06) ** 2, rel=0.05)
    ageing = compare(walk(np.linspace(0.08, 0.05, FRAMES)), energies, 1.0, is_a)
    assert ageing.deviation > 3.5
    falling = compare(walk(np.full(FRAMES, 0.06)), energies - np.linspace(0, 0.05, FRAMES)[:, None], 1.0, is_a)
    assert falling.deviation > 3.5


def test_steps_of_times_differ():
    assert step_numbers((0.001, 0.002, 1.0), 2.0, 0.005) == [1, 2, 400]


def test_the_lattice_fills_the_box_without_overlap():
    for mixture in (Mixture(500), Mixture(300, dimensions=2)):
        start = lattice(mixture, 2, 0)
        system = make_system(mixture, 0)
        assert start.shape == (2, mixture.particles, mixture.dimensions)
        wrapped = np.mod(start, system.box)
        distance = np.linalg.norm(wrapped[0][:, None] - wrapped[0][None], axis=-1) + 9 * np.eye(mixture.particles)
        assert distance.min() > 0.6
        assert np.abs(start[0] - start[1]).max() > 0.5


def test_expected_times_pass_through_what_was_measured():
    assert expected_time(0.56) == pytest.approx(25.7)
    assert expected_time(0.6) > expected_time(0.62) > expected_time(0.9)
    assert re.search(r": \d+ minutes on \d+ x ", estimate(PRESETS["embedded"]))
    assert "not known beforehand" in estimate(SimulateConfig(mixture=Mixture(1000, density=1.1)))


def test_an_estimate_counts_quenches_and_takes_the_times_that_are_asked_for():
    chain = dataclasses.replace(PRESETS["chain"], temperatures=(0.56,), tau_alpha=25.7)
    # 45 tau_alpha of waiting and 41 trajectories of one, with 16 replicas of 1000 particles.
    assert f"{(45 + 41) * 25.7 / 0.005 * 16_000:.1e} atom-steps and 640 quenches" in estimate(chain)
    assert f"{(45 + 82) * 25.7 / 0.005 * 16_000:.1e} atom-steps" in estimate(dataclasses.replace(chain, tau_alpha=51.4))
    # Cages: sixteen walkers for twelve time units, at twice the step.
    assert f"{((45 + 41) * 25.7 * 16_000 + 640 * 16 * 12 * 1000 / 2) / 0.005:.1e} atom-steps" in estimate(dataclasses.replace(chain, cage=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperatures": []}, "at least one"),
        ({"temperatures": 0.5}, r"temperatures is 0.5: a list is expected, also of one: \[0.5\]"),
        ({"temperatures": [0.5, -1]}, "positive numbers"),
        ({"temperatures": [0.5, 0.50000001]}, "differ in their first six digits"),
        ({"times": [float("inf")]}, r"times\.0 is inf; expected a finite number"),
        ({"mixture": {"potential": {"sigma": [[1, 0.8], [0.8, float("nan")]]}}}, r"mixture\.potential\.sigma\.1\.1 is nan; expected a finite number"),
        ({"mixture": {"density": 1e-9}}, r"density 1e-09 \(0\.01 to 100\)"),
        ({"seed": 10**30}, "expected 0 to 4294967295"),
        ({"tables": "verlet"}, "tables is 'verlet'"),
        ({"lammps": "lmp_mpi"}, "lammps is 'lmp_mpi', but the engine is jax-md; give --engine lammps too"),
        ({"cage_radius": 0.2}, "no cages are asked for; set cage=true too"),
        ({"mixture": {"share_b": 1.0}}, "out of range"),
        ({"mixture": {"potential": {"sigma": [[1.0]]}}}, "as many rows of both"),
        ({"mixture": {"potential": {"epsilon": [[1.0, 2.0], [1.0, 1.0]]}}}, "a symmetric table"),
        ({"trajectories": 7}, "an even number"),
        ({"times": [1.0, 0.5]}, "increasing positive numbers"),
        ({"mixture": {"particles": 100}}, "too small for the cutoff 2.5 and a skin of 0.15; use at least 179"),
        ({"mixture": {"dimensions": 4}}, "expected 2 or 3"),
        ({"mixture": {"density": -1.0}}, "out of range"),
        ({"thermostat": "berendsen"}, "thermostat is 'berendsen'"),
        ({"tempratures": [1]}, "did you mean temperatures"),
        ({"time_step": 0.0}, "time_step is 0; expected 1e-6 to 1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(settings, SimulateConfig)


def test_a_refused_config_leaves_the_folder_free(tmp_path):
    with pytest.raises(ConfigError, match="use a smaller time step"):
        simulate(dataclasses.replace(TINY, time_step=0.05), tmp_path / "fast", say=lambda _: None)
    assert not (tmp_path / "fast" / "config.json").exists()


def test_a_damaged_piece_and_a_full_disk_are_named(tmp_path, monkeypatch):
    (tmp_path / "piece.npz").write_bytes(b"PK\x03\x04 not whole")
    with pytest.raises(DataFormatError, match="Remove the file, and this part is simulated again"):
        pieces.load(tmp_path / "piece.npz")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(EquijaxError, match="MiB are free"):
        pieces.save(tmp_path / "new.npz", {"x": np.zeros(10)})
    assert not (tmp_path / "new.npz").exists()
