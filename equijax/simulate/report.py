"""What a simulation measured, as numbers and pictures."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equijax.analysis.plots import save
from equijax.data.files import write_json
from equijax.md.observables import WAVE_NUMBER, chi_4, relaxation_time
from equijax.md.structure import pair_correlation, structure_factor
from equijax.metrics import noise_ceiling
from equijax.simulate.pipeline import Measured

STRUCTURES = 8
"""Configurations that g(r) and S(k) are averaged over, at most."""


def summary(one: Measured) -> dict:
    """Return the observables of a temperature as plain numbers.

    F_s, mean squared displacement, overlap, chi_4 and the share of bonds that broke are of the A particles; chi_4 is the variance over all trajectories of
    all configurations, which lacks a share of 1 / configurations of what differs between them; the noise ceiling is pooled over the A particles of all
    configurations.
    """
    chosen = one.system.types == 0
    scattering, squared, overlaps = (np.concatenate([o[name] for o in one.observed]) for name in ("scattering", "squared", "overlaps"))
    times, trajectories = one.observed[0]["times"], len(one.observed[0]["scattering"])
    halves = np.concatenate([o["halves"][:, chosen] for o in one.observed], axis=1)
    counts = sorted({2, 4, 8, 16, 32, 64, 128, trajectories})
    equilibrium = one.equilibrium
    some = one.samples[np.unique(np.linspace(0, len(one.samples) - 1, STRUCTURES).astype(int))]
    of_configurations = np.array([o["scattering"].mean(0) for o in one.observed])
    return {
        "temperature": one.temperature,
        "particles": len(one.system),
        "configurations": len(one.files),
        "trajectories": trajectories,
        "times": times.tolist(),
        "relaxation_time_waiting": equilibrium.relaxation_time,
        "relaxation_time_ensemble": relaxation_time(times, scattering.mean(0)),
        "waited": equilibrium.waited,
        "halves_differ_by_standard_errors": equilibrium.halves.deviation,
        "thermal_energy": float(np.mean([o["thermal_energy"] for o in one.observed])),
        "inherent_energy": float(np.mean([o["inherent_energy"] for o in one.observed])),
        "largest_energy_change": float(max(o["drift"] for o in one.observed)) if one.conserving else None,
        "wave_number": WAVE_NUMBER,
        "self_intermediate": scattering.mean(0).tolist(),
        "self_intermediate_error": (of_configurations.std(0, ddof=1) / len(of_configurations) ** 0.5).tolist() if len(of_configurations) > 1 else None,
        "mean_squared_displacement": squared.mean(0).tolist(),
        "overlap": overlaps.mean(0).tolist(),
        "chi_4": chi_4(overlaps, int(chosen.sum())).tolist(),
        "bond_breaking": np.mean([o["broken"] for o in one.observed], axis=0).tolist() if all("broken" in o for o in one.observed) else None,
        "pair_correlation": {name: values.tolist() for name, values in pair_correlation(one.system, some).items()},
        "structure_factor": {name: values.tolist() for name, values in structure_factor(one.system, some).items()},
        "ceiling_trajectories": counts,
        "noise_ceiling": [[noise_ceiling(halves[0, :, t], halves[1, :, t], count / trajectories) for count in counts] for t in range(len(times))],
    }


def write_report(measured: list[Measured], summaries: list[dict], folder: Path) -> list[Path]:
    """Write report.json and a page of plots for each temperature, of what `summary` returned of each; return the plots."""
    write_json(folder / "report.json", summaries)
    return [_draw(one, numbers, folder / f"physics-T{one.temperature:g}.png") for one, numbers in zip(measured, summaries, strict=True)]


def lines(numbers: dict) -> list[str]:
    """Return the sentences a person wants to read of a summary."""
    tau = numbers["relaxation_time_ensemble"]
    at = int(np.argmin(np.abs(np.log(np.array(numbers["times"]) / numbers["relaxation_time_waiting"]))))
    own = numbers["ceiling_trajectories"].index(numbers["trajectories"])
    change = numbers["largest_energy_change"]
    said = "" if change is None else f"; no trajectory changed its energy by more than {change:.1e}"
    return [
        f"T = {numbers['temperature']:g}: {numbers['configurations']} configurations of {numbers['particles']} particles, {numbers['trajectories']} trajectories each.",
        f"  tau_alpha {numbers['relaxation_time_waiting']:.3g} while waiting" + ("." if tau is None else f", {tau:.3g} in the ensemble."),
        f"  Energy per particle {numbers['thermal_energy']:.4f}, inherent {numbers['inherent_energy']:.4f}{said}.",
        f"  At t = {numbers['times'][at]:g}: F_s {numbers['self_intermediate'][at]:.3f}, mean squared displacement {numbers['mean_squared_displacement'][at]:.3f}, "
        f"chi_4 {numbers['chi_4'][at]:.1f}, noise ceiling {numbers['noise_ceiling'][at][own]:.3f}.",
    ]


def _draw(one: Measured, numbers: dict, path: Path) -> Path:
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(2, 3)
    _scattering(axes[0, 0], one, numbers)
    _against_time(axes[0, 1], numbers, "mean_squared_displacement", "mean squared displacement")
    axes[0, 1].set_yscale("log")
    _against_time(axes[0, 2], numbers, "chi_4", r"$\chi_4$")
    overlap = axes[0, 2].twinx()
    overlap.plot(numbers["times"], numbers["overlap"], "s--", color="C1", markersize=3)
    overlap.set(ylabel="overlap, A particles (dashed)", ylim=(0, 1.02))
    _structure(axes[1, 0], numbers["pair_correlation"], "r", "r", "g(r)")
    _structure(axes[1, 1], numbers["structure_factor"], "k", "k", "S(k)")
    for t, time in enumerate(numbers["times"]):
        axes[1, 2].plot(numbers["ceiling_trajectories"], numbers["noise_ceiling"][t], "o-", markersize=3, label=f"t = {time:.3g}", color=f"C{t}")
    axes[1, 2].set(xscale="log", xlabel="trajectories", ylabel="noise ceiling, A particles", ylim=(0, 1.02))
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
    figure.suptitle(f"T = {one.temperature:g}, {len(one.system)} particles, {len(one.files)} configurations x {numbers['trajectories']} trajectories", fontsize=10)
    return save(figure, path)


def _scattering(axis, one: Measured, numbers: dict) -> None:  # noqa: ANN001 (matplotlib's)
    halves = one.equilibrium.halves
    for values, errors, name, mark in zip(halves.scattering, halves.scattering_error, ("first", "second"), "s^", strict=True):
        axis.errorbar(halves.lags, values, errors, fmt=mark, markersize=4, markerfacecolor="white", capsize=2, label=f"{name} half of the waiting time")
    axis.errorbar(numbers["times"], numbers["self_intermediate"], numbers["self_intermediate_error"], fmt="ko-", markersize=3, label="trajectories")
    axis.axhline(np.exp(-1), color="grey", linewidth=0.8)
    axis.set(xscale="log", xlabel="t", ylabel=f"$F_s(k = {WAVE_NUMBER:g}, t)$, A particles", ylim=(0, 1.02))


def _against_time(axis, numbers: dict, name: str, label: str) -> None:  # noqa: ANN001
    axis.plot(numbers["times"], numbers[name], "ko-", markersize=3)
    axis.set(xscale="log", xlabel="t", ylabel=f"{label}, A particles")


def _structure(axis, found: dict[str, list[float]], abscissa: str, x: str, y: str) -> None:  # noqa: ANN001
    for name, values in found.items():
        if name != abscissa:
            axis.plot(found[abscissa], values, linewidth=1, label=name)
    axis.set(xlabel=x, ylabel=y)
