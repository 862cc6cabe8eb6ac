import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import SnapshotError
from equijax.inputs import InputConfig
from equijax.network import Network, NetworkConfig
from equijax.predictor import Predictor
from equijax.statistics import Statistics
from equijax.testing import central_difference, cube_rotations, toy_snapshot
from tests.conftest import fresh

NETWORK = NetworkConfig(layers=2, l_max=2, channels=3, outputs=2, activation="gate", inputs_everywhere=True, decoder_hidden=(6,), cutoff=2.0)
STATISTICS = Statistics(
    energy_mean=[-5.0, -7.0],
    energy_scale=[0.5, 0.6],
    displacement_scale=0.2,
    target_mean=[[0.1, 0.3], [0.2, 0.4]],
    target_scale=[[0.05, 0.2], [0.1, 0.3]],
    slope=[[0.0, 0.5], [0.0, 0.7]],
    reference_energy=-5.2,
    times=[1.0, 10.0],
    squared_slope=[[[0.0, 30.0], [10.0, 20.0]], [[-20.0, 0.0], [0.0, 40.0]]],
    reference_squared=[0.008, 0.006],
)


def snapshot_with_minimum(cells=5):
    snapshot = toy_snapshot(cells)
    rng = np.random.default_rng(1)
    return snapshot.replace(
        inherent_positions=snapshot.positions + 0.05 * rng.standard_normal(snapshot.positions.shape),
        inherent_energy=np.array(STATISTICS.energy_mean)[snapshot.types] + 0.5 * rng.standard_normal(len(snapshot)),
        cage_positions=snapshot.positions + 0.05 * rng.standard_normal(snapshot.positions.shape),
    )


@functools.cache
def predictor(inputs, dtype=np.float64, layers=2, readout="all"):
    config = dataclasses.replace(NETWORK, layers=layers, scalars=inputs.scalars, arrows=inputs.arrows, graphs=len(inputs.sets), readout=readout)
    ends = len(inputs.displaced_to)
    known = dataclasses.replace(STATISTICS, squared_slope=STATISTICS.squared_slope[:ends], reference_squared=STATISTICS.reference_squared[:ends])
    bare = Predictor(config, {}, {}, inputs, known, dtype)
    variables = fresh(Network(config), bare.graph(snapshot_with_minimum()))
    return Predictor(config, variables["params"], variables.get("batch_stats", {}), inputs, known, dtype)


INPUTS = {
    "thermal": InputConfig("thermal", energy=False),
    "inherent": InputConfig("inherent", energy=True),
    "thermal with displacement": InputConfig("thermal", energy=True, displacement=True),
    "inherent with displacement": InputConfig("inherent", energy=True, displacement=True),
    "cage": InputConfig("cage", energy=True),
    "thermal and cage graphs": InputConfig("thermal+cage", energy=True, displacement=True),
    "two graphs and two displacements": InputConfig("both", energy=True, displacement=True, cage_displacement=True),
}


@pytest.mark.parametrize("inputs", [pytest.param(inputs, id=name, marks=[pytest.mark.slow] * (name != "thermal with displacement")) for name, inputs in INPUTS.items()])
def test_gradients_equal_central_differences_of_whole_predictions(inputs, x64):
    """Through wrap, neighbour list and network: 1e-6 in float64, with the graph rebuilt at every displaced position."""
    snapshot = snapshot_with_minimum()
    model = predictor(inputs)
    weights = np.random.default_rng(2).standard_normal((len(snapshot), 2))
    moved = {"thermal": "positions", "inherent": "inherent_positions", "cage": "cage_positions"}
    for of in sorted(inputs.reads):
        gradient = model.gradient(snapshot, weights, of)
        field = moved[of]

        def total(positions, field=field):
            return float((weights * model.predict(snapshot.replace(**{field: positions})).propensity).sum())

        for index in [(0, 0), (17, 1), (60, 2), (124, 0)]:
            numeric = central_difference(total, getattr(snapshot, field), index, 1e-4)
            assert abs(gradient[index] - numeric) < 1e-6 * np.abs(gradient).max()


@pytest.mark.slow
def test_gradients_sum_to_zero_for_a_translation_moves_nothing(x64):
    snapshot = snapshot_with_minimum()
    gradient = predictor(INPUTS["thermal"]).gradient(snapshot, np.ones((len(snapshot), 2)))
    assert np.abs(gradient.sum(0)).max() < 1e-12 * np.abs(gradient).sum()


@pytest.mark.slow
def test_predictions_do_not_see_beyond_the_receptive_field(x64):
    """One layer sees one cutoff far, exactly; two layers two, in a box with particles beyond that."""
    snapshot = snapshot_with_minimum(9)
    distance = np.linalg.norm((d := snapshot.positions - snapshot.positions[0]) - snapshot.box * np.round(d / snapshot.box), axis=1)
    weights = np.zeros((len(snapshot), 2))
    weights[0] = 1
    for layers in (1, 2):
        gradient = predictor(INPUTS["thermal"], layers=layers).gradient(snapshot, weights)
        beyond = distance > 2.0 * layers
        assert beyond.any()
        assert not gradient[beyond].any()
        assert gradient[(distance < 2.0 * layers - 0.1) & (distance > 2.0 * (layers - 1))].all(axis=1).any()


def test_predictions_follow_the_statistics(x64):
    """Standardised outputs come back with the scale and mean of their type, and the shift of the configuration's mean energy."""
    snapshot = snapshot_with_minimum()
    model = predictor(INPUTS["inherent"])
    outputs = np.asarray(model._apply(model.variables, model.graph(snapshot)))
    kind = snapshot.types
    shift = np.array(STATISTICS.slope) * (snapshot.inherent_energy.mean() - STATISTICS.reference_energy)
    expected = outputs * np.array(STATISTICS.target_scale)[kind] + (np.array(STATISTICS.target_mean) + shift)[kind]
    prediction = model.predict(snapshot)
    assert np.abs(prediction.propensity - expected).max() < 1e-12
    assert prediction.times.tolist() == [1.0, 10.0]


def test_float32_predictions_are_close_to_float64():
    snapshot = snapshot_with_minimum()
    inputs = INPUTS["thermal with displacement"]
    with jax.enable_x64(True):
        exact = predictor(inputs)
        wanted = exact.predict(snapshot).propensity
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), exact.variables)
    single = Predictor(exact.network, jax.tree.map(jnp.asarray, params["params"]), jax.tree.map(jnp.asarray, params["batch_stats"]), inputs, exact.statistics)
    # A float32 network of two layers rounds to 1e-5 of its outputs, which the scale of the targets multiplies.
    assert np.abs(single.predict(snapshot).propensity - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_gradients_are_finite_where_a_particle_did_not_move_in_the_quench(x64):
    snapshot = snapshot_with_minimum()
    inherent = snapshot.inherent_positions.copy()
    inherent[3] = snapshot.positions[3]
    gradient = predictor(INPUTS["thermal with displacement"]).gradient(snapshot.replace(inherent_positions=inherent), np.ones((len(snapshot), 2)))
    assert np.isfinite(gradient).all()


def test_misuse_is_explained():
    model = predictor(INPUTS["inherent"], np.float32)
    snapshot = snapshot_with_minimum()
    with pytest.raises(SnapshotError, match="has no inherent positions; quench it first"):
        model.predict(snapshot.replace(inherent_positions=None))
    with pytest.raises(SnapshotError, match=r"weights have shape \(125,\); expected \(125, 2\)"):
        model.gradient(snapshot, np.ones(125))
    with pytest.raises(SnapshotError, match="reads inherent positions only"):
        model.gradient(snapshot, np.ones((125, 2)), "thermal")
    with pytest.raises(SnapshotError, match="cutoff 2 is not below half"):
        model.predict(snapshot.replace(box=np.full(3, 3.9)))
    # The same configuration in units in which sigma is 3.4, as argon's in angstroms.
    with pytest.raises(SnapshotError, match=r"have 0\.112 neighbours within 2 on average, those that the model was trained on 40\.6; check the box, that lengths"):
        model.predict(snapshot.replace(positions=3.4 * snapshot.positions, inherent_positions=3.4 * snapshot.inherent_positions, box=3.4 * snapshot.box))


def test_what_is_nothing_like_the_training_set_is_refused():
    snapshot = snapshot_with_minimum()
    share = (snapshot.types == 1).mean()
    model = copy.copy(predictor(INPUTS["inherent"], np.float32))
    model.statistics = dataclasses.replace(model.statistics, shares=[1 - share, share])
    model.predict(snapshot)
    with pytest.raises(SnapshotError, match=r"20% of its particles are of type A, of those that the model was trained on 80%; check that type 0 is A"):
        model.predict(snapshot.replace(types=1 - snapshot.types))
    with pytest.raises(SnapshotError, match=r"0% of its particles are of type B"):
        model.predict(snapshot.replace(types=np.zeros_like(snapshot.types)))
    model.statistics = dataclasses.replace(model.statistics, shares=[1.0, 0.0])
    with pytest.raises(SnapshotError, match=r"20% of its particles are of type B, of those that the model was trained on 0%"):
        model.predict(snapshot)


def test_inherent_energies_of_another_potential_are_refused():
    snapshot = snapshot_with_minimum()
    model = predictor(INPUTS["inherent"], np.float32)
    model.predict(snapshot)
    with pytest.raises(SnapshotError, match=r"inherent energies of its A particles are \+9\.\d standard deviations from those"):
        model.predict(snapshot.replace(inherent_energy=snapshot.inherent_energy + 4.7))


def test_invariants_do_not_turn_with_the_configuration(x64):
    snapshot = snapshot_with_minimum()
    model = predictor(INPUTS["two graphs and two displacements"])
    plain = model.invariants(snapshot)
    assert plain.shape == (125, 2 * 2 * 9)  # two graphs, two layers, three channels of each of three orders
    turn = cube_rotations()[7].T
    turned = snapshot.replace(**{name: getattr(snapshot, name) @ turn for name in ("positions", "inherent_positions", "cage_positions")})
    assert np.abs(model.invariants(turned) - plain).max() < 1e-10 * np.abs(plain).max()
