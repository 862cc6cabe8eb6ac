"""What a result was made with."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import jax

_PACKAGES = ("equijax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "e3nn-jax", "jraph", "jax-md", "numpy", "scipy", "h5py", "ase")


def versions() -> dict[str, str]:
    """Return versions of Python and packages, and the git revision of a source checkout."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    revision = git_revision()
    return found | ({"git": revision} if revision else {})


def git_revision() -> str | None:
    """Return the git revision of the source checkout equijax runs from, or None."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def machine() -> dict[str, str]:
    """Return the processor, devices and their kind, and the precision in use."""
    devices = jax.devices()
    return {
        "platform": platform.platform(),
        "cpu": _processor(),
        "cores": str(os.cpu_count()),
        "devices": f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})",
        "float64": str(bool(jax.config.jax_enable_x64)),
        "matmul_precision": str(jax.config.jax_default_matmul_precision or "default"),
    }


def _processor() -> str:
    """Return what the processor calls itself."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown")
