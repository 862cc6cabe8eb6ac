"""equijax: from one snapshot of a glass-forming liquid, predict how far each particle will move."""

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
