"""One device or many: the same code, the batch spread over a mesh."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from equijax.errors import ConfigError

DATA = "data"
"""Axis of the mesh."""


def make_mesh(batch: int, devices: int | None = None) -> Mesh:
    """Return a mesh of devices with one axis, over which a batch is spread evenly.

    Args:
        batch: configurations in a step.
        devices: how many to use; by default the most that divide the batch.

    Raises:
        ConfigError: the batch does not divide by the devices, or there are fewer devices.
    """
    there = jax.device_count()
    if devices is None:
        devices = max(n for n in range(1, there + 1) if batch % n == 0)
    if devices > there or batch % devices:
        raise ConfigError(f"a batch of {batch} cannot be spread over {devices} devices ({there} there); make the batch a multiple of the devices.")
    return jax.make_mesh((devices,), (DATA,), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the placement in which every device holds the whole."""
    return NamedSharding(mesh, PartitionSpec())


def spread(mesh: Mesh) -> NamedSharding:
    """Return the placement in which the leading axis is divided between the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA))
