"""Networks that ship with equijax, by name: to predict with, or to start a training from."""

from pathlib import Path

ABOUT = {
    "ka-0.56": "Kob-Andersen mixture, density 1.2, T = 0.56: propensities of both types at six times from 0.006 to 1 tau_alpha, from thermal and inherent positions",
    "ka-0.64": "the same at T = 0.64, at six times from 0.02 to 2 tau_alpha",
    "ka-0.56-cages": "as ka-0.56, and from the cage positions, which are found first: seconds of a core for 1000 particles, and more accurate",
    "ka-0.64-cages": "as ka-0.64, and from the cage positions",
    "ka-0.44": "the same mixture at T = 0.44, at the relaxation time 4120, from thermal and inherent positions; fine-tuned on ten files of Shiba et al. (BOTAN)",
}
"""What each of them is for."""


def run_folder(run: str | Path) -> Path:
    """Return the folder of a run: the one of that path, or, where there is none, that of the network of that name which ships with equijax."""
    run = Path(run)
    return Path(__file__).parent / run if str(run) in ABOUT and not run.exists() else run
