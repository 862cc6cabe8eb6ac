"""What the commands share: the cache, and the only place that reads environment variables."""

import os
from pathlib import Path

import pooch

Paths = tuple[Path, ...]


def open_cache():  # noqa: ANN201 (imported late: the parser should answer at once)
    """Return the cache of quenches, graphs, cages, successors and further trajectories: EQUIJAX_CACHE, or the user's; none if it is set to nothing."""
    from equijax.data.cache import Cache

    folder = os.environ.get("EQUIJAX_CACHE", pooch.os_cache("equijax"))
    return Cache(Path(folder)) if folder else Cache(None)
