"""Neighbour tables of molecular dynamics against brute force."""

import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from equijax.errors import ConfigError, SnapshotError
from equijax.graph import tables
from equijax.graph.tables import NUMBER_MASK, TYPE_SHIFT, Tables, as_positions, choose_method, fixed_point
from equijax.periodic import minimum_image
from tests.sanitized import assert_no_sanitizer_complains

pytestmark = pytest.mark.usefixtures("x64")


def needs(method):
    if method == "native" and shutil.which("c++") is None:
        pytest.skip("needs a C++ compiler")


def by_brute_force(positions, box, types, reach):
    """Sets of neighbours of each particle, and whether a pair is too near the reach to tell in float32."""
    distance = np.linalg.norm(minimum_image(positions[:, None] - positions[None], box), axis=-1)
    limit = reach[types[:, None], types[None]]
    near = (distance < limit) & ~np.eye(len(positions), dtype=bool)
    return near, np.abs(distance - limit) < 1e-5


@pytest.mark.parametrize("method", ["native", "jax-md"])
@pytest.mark.parametrize(
    ("box", "longest"),
    [([9.0, 9.0, 9.0], 2.8), ([5.7, 5.7, 5.7], 2.8), ([4.5, 6.1, 11.0], 2.2), ([12.0, 9.0, 8.0], 1.3), ([20.0, 20.0], 2.8), ([6.0, 7.5], 2.9)],
)
def test_tables_list_exactly_the_pairs_in_reach(method, box, longest):
    """For boxes of few and many, even and odd numbers of cells, three and two dimensions, and particles in any image of the box."""
    needs(method)
    rng, box = np.random.default_rng(len(box)), np.array(box)
    n, replicas = int(1.1 * box.prod()), 3
    positions = rng.uniform(-2, 3, (replicas, n, len(box))) * box
    types = rng.integers(0, 2, n).astype(np.int32)
    reach = longest * (np.ones((2, 2)) if method == "jax-md" else np.array([[1.0, 0.8], [0.8, 0.88]]))
    made = Tables(box, types, reach, method)
    coordinates = fixed_point(jnp.asarray(positions), jnp.asarray(box))
    made.make_room(np.asarray(coordinates))
    table, missing = made(coordinates)
    table = np.asarray(table)
    assert not bool(missing)
    assert table.shape == (made.slots, replicas * n)
    number, kind = table & NUMBER_MASK, table >> TYPE_SHIFT
    np.testing.assert_array_equal(kind, np.tile(types, replicas)[number])
    for r in range(replicas):
        wanted, unsure = by_brute_force(positions[r], box, types, reach)
        mine = number[:, r * n : (r + 1) * n] - r * n
        found = np.zeros((n, n), int)
        columns = np.broadcast_to(np.arange(n), mine.shape)
        np.add.at(found, (columns, mine), mine != columns)
        assert found.max() <= 1
        np.testing.assert_array_equal(found.astype(bool)[~unsure], wanted[~unsure])


@pytest.mark.parametrize("method", ["native", "jax-md"])
def test_a_table_without_room_says_so(method):
    needs(method)
    rng, box = np.random.default_rng(0), np.full(3, 9.0)
    sparse = rng.uniform(0, 9, (1, 300, 3))
    made = Tables(box, np.zeros(300, int), np.full((1, 1), 2.5), method)
    made.make_room(np.asarray(fixed_point(jnp.asarray(sparse), jnp.asarray(box))))
    crowded = fixed_point(jnp.asarray(0.5 * sparse), jnp.asarray(box))
    assert bool(made(crowded)[1])
    before = made.slots
    made.make_room(np.asarray(crowded))
    assert made.slots > before
    assert not bool(made(crowded)[1])


def test_tables_do_not_change_from_call_to_call():
    """The order of neighbours decides the order of sums: a restart must find the same."""
    needs("native")
    rng, box = np.random.default_rng(0), np.full(3, 9.0)
    coordinates = fixed_point(jnp.asarray(rng.uniform(0, 9, (2, 800, 3))), jnp.asarray(box))
    made, again = (Tables(box, np.zeros(800, int), np.full((1, 1), 2.5), "native") for _ in range(2))
    for one in (made, again):
        one.make_room(np.asarray(coordinates))
    np.testing.assert_array_equal(made(coordinates)[0], again(coordinates)[0])


def test_fixed_point_is_exact_in_any_image():
    box = jnp.array([15.05658, 9.0, 7.0])
    positions = jnp.asarray(np.random.default_rng(1).uniform(-40, 40, (1000, 3)))
    back = as_positions(fixed_point(positions, box), box)
    error = minimum_image(np.asarray(back, np.float64) - np.asarray(positions), np.asarray(box))
    assert np.abs(error).max() < 2e-6, "a float32 of 15 is known to 1e-6"
    coordinates = fixed_point(jnp.concatenate([positions, positions + 3 * box]), box)
    turned = coordinates[:1000] - coordinates[1000:]
    assert np.abs(np.asarray(turned, np.int64)).max() <= 4, "images differ by the rounding of float64 alone: 2^-30 of a box at most"


@pytest.mark.parametrize(
    ("x", "expected", "within"),
    [(5.0, -(2**31), 0), (-5.0, -(2**31), 0), (15.0, -(2**31), 0), (4.9999999999, 2**31, 64), (1e-300, 0, 0), (-1e-300, 0, 0), (2.5, 2**30, 0)],
)
def test_edges_of_the_box_do_not_overflow(x, expected, within, x64):
    """Half a box is 2^31, which 32 bits hold as -2^31: the same image."""
    assert abs(int(fixed_point(jnp.full((1, 1), x), jnp.full(1, 10.0))[0, 0]) - expected) <= within


def test_without_a_library_jax_md_makes_the_tables(monkeypatch):
    monkeypatch.setattr(tables.LIBRARY, "path", lambda: None)
    tables.LIBRARY.load.cache_clear()
    assert choose_method("auto") == "jax-md"
    with pytest.raises(ConfigError, match="was not built"):
        choose_method("native")
    tables.LIBRARY.load.cache_clear()


def test_bad_input():
    with pytest.raises(ConfigError, match="expected auto, native, jax-md"):
        choose_method("verlet")
    with pytest.raises(SnapshotError, match="below half the smallest box side"):
        Tables(np.full(3, 5.0), np.zeros(10, int), np.full((1, 1), 2.5))
    with pytest.raises(SnapshotError, match="there is one of type 9"):
        Tables(np.full(3, 9.0), np.full(10, 9), np.full((1, 1), 2.5))
    made = Tables(np.full(3, 9.0), np.zeros(10, int), np.full((1, 1), 2.5))
    with pytest.raises(SnapshotError, match="make_room first"):
        made(jnp.zeros((1, 10, 3), jnp.int32))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_no_sanitizer_complains(tmp_path):
    """Addresses and undefined behaviour, with brute force beside it, also where a table lacks room."""
    source = Path(tables.__file__).parent / "native"
    assert_no_sanitizer_complains(tmp_path, source / "tables.cc", Path(__file__).with_name("tables_driver.cc"), (source,))
