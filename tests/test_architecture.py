"""Directions of dependency, kept by reading the imports of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "equijax"
MODULES = sorted(ROOT.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def name(path):
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def forbidden(module, imported):
    def within(*parts):
        return any(module == f"equijax.{part}" or module.startswith(f"equijax.{part}.") for part in parts)

    def wants(*parts):
        return any(imported == part or imported.startswith(part + ".") for part in parts)

    if within("nn", "network") and wants("h5py", "orbax", "grain", "jax_md", "equijax.data", "equijax.train", "equijax.md"):
        return "layers know nothing of files, training and dynamics"
    if within("md") and wants("equijax.nn", "equijax.network", "equijax.train", "equijax.data"):
        return "physics knows nothing of networks"
    if within("graph", "periodic", "snapshot") and wants("equijax.nn", "equijax.network", "equijax.data", "equijax.train", "equijax.md"):
        return "the graph stands below the rest"
    if within("data") and wants("equijax.train", "equijax.baselines", "equijax.analysis", "equijax.nn", "equijax.network"):
        return "data stand below training"
    if within("graph", "md", "data", "nn", "network", "train", "baselines", "predictor") and wants("equijax.simulate"):
        return "what is simulated does not know how"
    if within("simulate") and wants("equijax.nn", "equijax.network", "equijax.train"):
        return "simulations know nothing of networks"
    if wants("jax_md.partition") and not within("graph.neighbors"):
        return "one module touches the neighbour lists of jax-md"
    if wants("experiments", "tests", "benchmarks"):
        return "nothing imports them"
    if wants("equijax.cli") and not within("cli"):
        return "the command line is the last"
    if imported.startswith("jax._src"):
        return "private"
    return None


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_go_in_one_direction(path):
    for imported in imports(path):
        reason = forbidden(name(path), imported)
        assert reason is None, f"{name(path)} imports {imported}: {reason}"


def test_the_environment_is_read_by_the_command_line_alone():
    readers = [name(path) for path in MODULES if "os.environ" in path.read_text() or "getenv" in path.read_text()]
    assert readers == ["equijax.cli.common"]


def test_partition_is_imported_in_one_place():
    users = [
        name(path)
        for path in MODULES
        if "partition" in [alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) for alias in node.names]
    ]
    assert users == ["equijax.graph.neighbors"]
