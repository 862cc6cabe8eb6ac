"""equijax: from one snapshot of a glass-forming liquid, predict how far each particle will move."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equijax.data.formats import read_snapshot as read_snapshot
    from equijax.data.formats import read_snapshots as read_snapshots
    from equijax.data.store import Store as Store
    from equijax.data.store import StoreWriter as StoreWriter
    from equijax.errors import EquijaxError as EquijaxError
    from equijax.md.quench import quench as quench
    from equijax.network import Network as Network
    from equijax.network import NetworkConfig as NetworkConfig
    from equijax.predictor import Prediction as Prediction
    from equijax.predictor import Predictor as Predictor
    from equijax.snapshot import Snapshot as Snapshot

# Loaded when first used: the network alone needs neither jax-md nor HDF5, and `equijax --help` needs neither.
_HOMES = {
    "read_snapshot": "data.formats",
    "read_snapshots": "data.formats",
    "Store": "data.store",
    "StoreWriter": "data.store",
    "EquijaxError": "errors",
    "quench": "md.quench",
    "Network": "network",
    "NetworkConfig": "network",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "Snapshot": "snapshot",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'equijax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"equijax.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*globals(), *_HOMES])
