"""Array aliases and the legend of axis letters that every signature uses.

n nodes (particles), e edges, k neighbour slots of a node, b graphs (configurations), t times, c channels, s extra invariants, v extra vectors,
d dimensions, r replicas, m trajectories (of harmonics their orders), q entries of a radial basis, f components of features.
Host arrays are NumPy float64; device arrays are JAX, float32 unless `jax_enable_x64` is on.
"""

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

HostPositions = Float[np.ndarray, "n 3"]
HostBox = Float[np.ndarray, "3"]
HostTypes = Int[np.ndarray, "n"]
AnyArray = jax.Array | np.ndarray
"""On the host before a graph is put on a device, on the device afterwards."""

NodeVectors = Float[jax.Array, "n 3"]
EdgeVectors = Float[AnyArray, "n k 3"]
EdgeIndices = Int[AnyArray, "n k"]
EdgeMask = Bool[AnyArray, "n k"]
NodeMask = Bool[AnyArray, "n"]
