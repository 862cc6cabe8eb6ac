"""Pair structure of configurations: g(r) and S(k)."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from equijax.md.system import System
from equijax.periodic import minimum_image, wrap
from equijax.snapshot import TYPE_NAMES

VECTORS = 60
"""Wave vectors taken from each shell of S(k)."""


def pair_correlation(system: System, positions: Float[np.ndarray, "r n d"], longest: float = 4.0, bins: int = 200) -> dict[str, np.ndarray]:
    """Return the pair correlation functions of every two types, averaged over configurations.

    g_ab(r) = V / (N_a N_b) <sum_ij delta(r - r_ij)> / shell volume.

    Args:
        system: types and box.
        positions: configurations.
        longest: distance to go to; half the box if that is less (sigma_AA).
        bins: of equal width.

    Returns:
        "r" (bins,) and one (bins,) for each pair of types that occurs, such as "AB".
    """
    longest = min(longest, float(system.box.min()) / 2)
    edges = np.linspace(0, longest, bins + 1)
    shells = np.diff(4 / 3 * np.pi * edges**3 if system.dimensions == 3 else np.pi * edges**2)
    volume, counts = float(np.prod(system.box)), np.bincount(system.types)
    found: dict[str, np.ndarray] = {}
    for one in positions:
        wrapped = wrap(one, system.box)
        first, second = KDTree(wrapped, boxsize=system.box).query_pairs(longest, output_type="ndarray").T
        distance = np.linalg.norm(minimum_image(wrapped[first] - wrapped[second], system.box), axis=1)
        low, high = np.sort([system.types[first], system.types[second]], axis=0)
        for a in range(len(counts)):
            for b in range(a, len(counts)):
                if counts[a] and counts[b]:
                    pairs = counts[a] * counts[b] / (2 if a == b else 1)
                    heights = np.histogram(distance[(low == a) & (high == b)], edges)[0] * volume / (pairs * shells)
                    name = TYPE_NAMES[a] + TYPE_NAMES[b]
                    found[name] = found.get(name, 0) + heights / len(positions)
    return {"r": (edges[1:] + edges[:-1]) / 2} | found


def structure_factor(system: System, positions: Float[np.ndarray, "r n d"], largest: float = 15.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the structure factor of all particles and of the A particles, averaged over configurations and directions.

    S(k) = <|sum_j exp(i k r_j)|^2> / N at the wave vectors of the box, 2 pi m / L.

    Args:
        system: types and box.
        positions: configurations.
        largest: wave number to go to (1 / sigma_AA).
        seed: of the choice among many vectors of one length.

    Returns:
        "k" (shells,), "all" (shells,) and "A" (shells,).
    """
    unit = 2 * np.pi / system.box
    most = np.floor(largest / unit).astype(int)
    grids = np.meshgrid(*[np.arange(-m, m + 1) for m in most], indexing="ij")
    vectors = np.stack(grids, -1).reshape(-1, system.dimensions) * unit
    lengths = np.linalg.norm(vectors, axis=1)
    # Of k and -k one is enough.
    kept = (lengths > 0) & (lengths <= largest) & (vectors @ np.array([1.0, 1e-3, 1e-6])[: system.dimensions] > 0)
    vectors, lengths = vectors[kept], lengths[kept]
    shell = (lengths / unit.min()).astype(int)
    rng = np.random.default_rng(seed)
    result: dict[str, list[float]] = {"k": [], "all": [], "A": []}
    for s in np.unique(shell):
        members = np.flatnonzero(shell == s)
        members = rng.permutation(members)[:VECTORS]
        result["k"].append(float(lengths[members].mean()))
        phases = np.exp(1j * positions @ vectors[members].T)
        for name, chosen in (("all", slice(None)), ("A", system.types == 0)):
            waves = phases[:, chosen]
            result[name].append(float((np.abs(waves.sum(1)) ** 2).mean() / waves.shape[1]))
    return {name: np.array(values) for name, values in result.items()}
