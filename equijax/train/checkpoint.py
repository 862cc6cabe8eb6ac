"""Checkpoints by orbax: atomic, with config and schema version inside, checked before they are used."""

import dataclasses
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from equijax.errors import CheckpointError

SCHEMA = 2


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of the run.
        writable: whether to write checkpoints and clean up unfinished ones; a reader must not touch those of a running training.
        keep: how many to keep.
    """

    def __init__(self, folder: Path, writable: bool = False, keep: int = 2) -> None:
        self.folder = Path(folder) / "checkpoints"
        handlers = {"state": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler()}
        with _without_warnings():
            options = ocp.CheckpointManagerOptions(
                max_to_keep=keep, cleanup_tmp_directories=writable, create=writable, read_only=not writable, enable_async_checkpointing=False
            )
            self._manager = ocp.CheckpointManager(str(self.folder.resolve()), options=options, item_handlers=handlers)

    def save(self, step: int, state: Any, meta: dict) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            CheckpointError: it could not be written.
        """
        try:
            arguments = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta | {"schema": SCHEMA}))
            self._manager.save(step, args=arguments, force=True)
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.folder}: checkpoint {step} cannot be written ({error}); the ones before it are kept.") from error

    def latest(self) -> int | None:
        """Return the step of the newest whole checkpoint, or None."""
        return self._manager.latest_step()

    def meta(self) -> dict:
        """Return what was stored beside the newest state.

        Raises:
            CheckpointError: there is no checkpoint, or it has another schema.
        """
        step = self.latest()
        if step is None:
            raise CheckpointError(f"{self.folder}: holds no whole checkpoint; train first.")
        try:
            meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(step, error) from None
        check_schema(f"{self.folder}: checkpoint {step}", meta or {})
        return meta

    def restore(self, like: Any) -> Any:
        """Return the newest state, with the structure, shapes, dtypes and placement of `like`.

        Raises:
            CheckpointError: a part is missing or damaged, or the stored arrays are others than the config says, by name, shape or precision.
        """
        step = self.latest()
        if step is None:
            raise CheckpointError(f"{self.folder}: holds no whole checkpoint; train first.")
        abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None)), like)
        try:
            # orbax casts another dtype silently and names other differences at length; they are said first, in one sentence.
            stored = self._manager.item_metadata(step)["state"]
            check_arrays(f"{self.folder}: checkpoint {step}", getattr(stored, "tree", stored), like)
            return self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)))["state"]
        except CheckpointError:
            raise
        except Exception as error:  # orbax raises whatever its parts meet
            raise self._damaged(step, error) from None

    def _damaged(self, step: int, error: Exception) -> CheckpointError:
        # Its whole specification follows what tensorstore has to say.
        reason = re.split(r" \[tensorstore_spec|\. See full TensorStore", str(error))[0]
        return CheckpointError(f"{self.folder}: checkpoint {step} is damaged ({reason}); take a copy of the run, or train again.")

    def close(self) -> None:
        """Release the manager's threads."""
        self._manager.close()


def check_schema(where: str, meta: dict) -> None:
    """Compare the schema of what is stored with this version's.

    Raises:
        CheckpointError: it is another; `where` opens the sentence.
    """
    if meta.get("schema") != SCHEMA:
        raise CheckpointError(f"{where} has schema {meta.get('schema')}; this equijax reads schema {SCHEMA}.")


def check_arrays(where: str, stored: Any, like: Any) -> None:
    """Compare the arrays of two trees.

    Raises:
        CheckpointError: the stored ones are others than the config says, by name, shape or precision; `where` opens the sentence.
    """
    found, wanted = _leaves(stored), _leaves(like)
    if not found:
        raise CheckpointError(f"{where} is damaged (it names no arrays); take a copy of the run, or train again.")
    paths = sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))
    different = [f"{path} is {found.get(path, 'absent')}, the config gives {wanted.get(path, 'none')}" for path in paths]
    if different:
        raise CheckpointError(f"{where} is of another architecture or precision: {different[0]}" + (f" (and {len(different) - 1} more)." if len(different) > 1 else "."))


@contextmanager
def _without_warnings() -> Iterator[None]:
    # orbax warns of every folder that is opened to be read that it is to be read.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _leaves(tree: Any) -> dict[str, str]:
    out = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda node: dataclasses.is_dataclass(node) and hasattr(node, "shape"))[0]:
        name = "/".join(str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path)
        out[name] = f"{leaf.dtype}{list(leaf.shape)}"
    return out
