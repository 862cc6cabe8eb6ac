"""The pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equijax.data.files import whole_file
from equijax.metrics import Row, Scored
from equijax.periodic import wrap
from equijax.snapshot import Snapshot

SLAB = 2.0
"""Thickness of the drawn slice, in units of sigma_AA: two particle diameters."""


def save(figure: Figure, path: Path, source: str | None = None) -> Path:
    """Write a figure, whole or not at all; the PNG bears what it was made from, if that is given."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", bbox_inches="tight", metadata={"Source": source} if source else None)
    return path


def correlation(models: Mapping[str, Sequence[Row]], path: Path) -> Path:
    """Draw correlation against time for the A particles: of each model by its name, and the noise ceiling, which is that of the first."""
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    for number, (name, series) in enumerate(models.items()):
        chosen = [row for row in series if row.type == "A"]
        times, colour = [row.time for row in chosen], f"C{number}"
        axes.errorbar(times, [row.pooled for row in chosen], [row.pooled_error for row in chosen], fmt="o-", color=colour, capsize=3, label=f"{name}, pooled")
        axes.errorbar(
            times, [row.per_configuration for row in chosen], [row.per_configuration_error for row in chosen], fmt="s--", color=colour, capsize=3,
            markerfacecolor="white", label=f"{name}, per configuration",
        )  # fmt: skip
    rows = next(iter(models.values()))
    ceiling = [(row.time, row.ceiling) for row in rows if row.type == "A" and row.ceiling is not None]
    if ceiling:
        axes.plot(*zip(*ceiling, strict=True), "k:", marker="_", label="noise ceiling, pooled")
    if len({row.time for row in rows}) > 1:
        axes.set_xscale("log")
    axes.set(xlabel="time (Lennard-Jones units)", ylabel="Pearson correlation, A particles", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save(figure, path)


def scatter(scored: Sequence[Scored], rows: Sequence[Row], time: int, path: Path) -> Path:
    """Draw predicted against measured propensity of all A particles at one time."""
    predicted, measured = (np.concatenate([values[s.types == 0, time] for s, values in ((s, getattr(s, side)) for s in scored)]) for side in ("predicted", "measured"))
    row = [row for row in rows if row.type == "A"][time]
    figure = Figure(figsize=(4.6, 4.2))
    axes = figure.subplots()
    low, high = np.quantile(np.concatenate([predicted, measured]), [0.001, 0.999])
    density = axes.hexbin(predicted, measured, gridsize=60, extent=(low, high, low, high), bins="log", cmap="viridis", mincnt=1)
    axes.plot([low, high], [low, high], "k--", linewidth=1)
    axes.set(
        xlabel=r"predicted propensity ($\sigma_{AA}$)",
        ylabel=r"measured propensity ($\sigma_{AA}$)",
        title=f"A particles, t = {row.time:g}: r = {row.pooled:.3f}",
        aspect="equal",
    )
    figure.colorbar(density, label="particles")
    return save(figure, path)


def box_slice(snapshot: Snapshot, scored: Scored, time: int, path: Path) -> Path:
    """Draw a slice of the box twice, coloured by the rank of the measured and of the predicted propensity within each type."""
    positions = wrap(snapshot.positions, snapshot.box)
    inside = positions[:, 2] < SLAB
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    colours = None
    for axes, (title, values) in zip(figure.subplots(1, 2), {"measured": scored.measured, "predicted": scored.predicted}.items(), strict=True):
        rank = np.zeros(len(snapshot))
        for kind in np.unique(snapshot.types):
            chosen = snapshot.types == kind
            rank[chosen] = values[chosen, time].argsort().argsort() / max(chosen.sum() - 1, 1)
        width = 4.2 * 72 / snapshot.box[0]
        size = np.where(snapshot.types == 0, 1.0, 0.88) * width * 0.85
        order = np.argsort(positions[inside, 2])
        colours = axes.scatter(
            *positions[inside][order, :2].T, s=size[inside][order] ** 2, c=rank[inside][order], cmap="coolwarm", vmin=0, vmax=1, linewidths=0.3, edgecolors="k"
        )
        axes.set(xlim=(0, snapshot.box[0]), ylim=(0, snapshot.box[1]), aspect="equal", xticks=[], yticks=[], title=f"{title} mobility")
    if colours is not None:
        figure.colorbar(colours, ax=figure.axes, label="rank of the propensity within its type (slow to fast)", shrink=0.8)
    return save(figure, path)
