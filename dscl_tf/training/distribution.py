"""Computes a training step on one device, on all of a machine, or on several machines.

A step's batch does not depend on the devices: every process makes the whole batch, and
each replica computes a consecutive part of its rows. Losses see all rows, by `gather`
and `sum`, so each replica has the same loss, but the gradient only of its own rows'
share in it: the sum of the replicas' gradients is the gradient on one device.
"""

import contextlib
import functools
import logging
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import tf_config

_LOG = logging.getLogger(__name__)
_KINDS = ("none", "mirrored", "multi_worker")
# Entries of a batch (or of one joined to it, "unlabelled/image") whose rows are divided
# among replicas, by name and by prefix. Every replica needs the ids of all rows.
_DIVIDED = ("image", "label")
_OF_ROWS = "rows_"
# What a collective operation raises when one of its workers is gone.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


def _is_divided(key: str) -> bool:
    return key in _DIVIDED or key.startswith(_OF_ROWS)


class Devices:
    """One device: values that devices would exchange are returned unchanged."""

    is_chief = True  # Whether this process writes the run folder.
    num_replicas = 1
    steps_between_stops = 1  # Steps between checks for a request to stop.

    def scope(self) -> contextlib.AbstractContextManager:
        """Variables made within live on all devices."""
        return contextlib.nullcontext()

    def compiled(self, step: Callable, jit: bool) -> Callable:
        """A function from a batch to a step's scalars, computed on all devices."""
        return tf.function(step, jit_compile=jit, autograph=False)

    def gather(self, rows: tf.Tensor, total: int) -> tf.Tensor:
        """Gathers, in a step, the rows of all replicas in the order of the batch.

        Args:
          rows: floating [n, ...], of this replica.
          total: N, rows of the whole batch.

        Returns:
          [N, ...]; its gradient flows to this replica's rows alone.
        """
        del total
        return rows

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over replicas, in a step; only this replica's summand has a gradient."""
        return values

    def sum_gradients(self, gradients: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """Sums each gradient over replicas, in a step."""
        return gradients

    def settler(self, models: Sequence[tf.keras.Model]) -> Callable[[], None]:
        """A function that sets all replicas' moving statistics to their mean.

        The mean of moving averages is the moving average of the means, so training is
        not affected, unless it uses them: a segmenter that is its own teacher does
        (--consistency_teacher_decay=0 without --sync_batch_norm).
        """
        del models
        return lambda: None

    def any_asked(self, asked: bool) -> bool:
        """Whether any process was asked to stop; `asked` says whether this one was."""
        return asked

    def chiefs(self, value: float) -> float:
        """The chief's value, in every process."""
        return value

    def barrier(self) -> None:
        """Waits for all processes."""

    def check_same(self, value: float, what: str) -> None:
        """Refuses values that differ between processes.

        Raises:
          UserError: naming `what`.
        """

    @contextlib.contextmanager
    def folder(self, path: pathlib.Path) -> Iterator[pathlib.Path]:
        """Where this process writes what belongs into the run folder `path`."""
        yield path

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Within the block, the loss of another process is raised as a UserError."""
        yield


ONE = Devices()


class Replicas(Devices):
    """All devices of this machine, each with a copy of the variables."""

    def __init__(self, strategy: tf.distribute.Strategy):
        """Replicas on the devices of `strategy`."""
        self._strategy = strategy
        self.num_replicas = strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager:
        return self._strategy.scope()

    def compiled(self, step: Callable, jit: bool) -> Callable:
        # XLA cannot compile what crosses replicas: runtime.resolve has refused it.
        del jit
        local = self._strategy.experimental_local_results

        @tf.function(autograph=False)
        def run(shards: Any) -> dict:
            results = self._strategy.run(step, args=(shards,))
            return {name: local(values)[0] for name, values in results.items()}

        return lambda batch: run(self._divide(batch))

    def _divide(self, batch: Mapping[str, tf.Tensor]) -> Any:
        bounds = {
            name: row_bounds(values.shape[0], self.num_replicas)
            for name, values in batch.items()
            if _is_divided(name.split("/")[-1])
        }

        def shard(context: tf.distribute.experimental.ValueContext) -> dict:
            number = context.replica_id_in_sync_group
            return {
                name: values[slice(*bounds[name][number : number + 2])]
                if name in bounds
                else values
                for name, values in batch.items()
            }

        return self._strategy.experimental_distribute_values_from_function(shard)

    def gather(self, rows: tf.Tensor, total: int) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        number = int(tf.get_static_value(replica.replica_id_in_sync_group))
        bounds = row_bounds(total, self.num_replicas)
        sizes = np.diff(bounds)
        # Equal shapes are gathered fastest, and without an exchange of sizes.
        padding = [[0, max(sizes) - sizes[number]]] + [[0, 0]] * (rows.shape.rank - 1)
        padded = tf.pad(tf.stop_gradient(rows), padding)
        pieces = tf.split(replica.all_gather(padded, axis=0), self.num_replicas)
        pieces = [piece[:size] for piece, size in zip(pieces, sizes)]
        pieces[number] = rows
        # Losses branch on the static size, which values from other workers do not have.
        return tf.ensure_shape(tf.concat(pieces, axis=0), [total, *rows.shape[1:]])

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        # TensorFlow's gradient of all_reduce would sum the replicas' equal gradients.
        return tf.grad_pass_through(self.sum_gradients)(values)

    def sum_gradients(self, gradients: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

    def settler(self, models: Sequence[tf.keras.Model]) -> Callable[[], None]:
        statistics = [
            variable
            for model in models
            for variable in model.non_trainable_variables
            if variable.synchronization is tf.VariableSynchronization.ON_READ
        ]

        def average() -> None:
            replica = tf.distribute.get_replica_context()
            values = [variable.read_value() for variable in statistics]
            means = replica.all_reduce(tf.distribute.ReduceOp.MEAN, values)
            for variable, mean in zip(statistics, means):
                variable.assign(mean)

        if not statistics:
            return lambda: None
        return tf.function(lambda: self._strategy.run(average), autograph=False)


class Workers(Replicas):
    """The devices of several processes, each with its own `TF_CONFIG`."""

    steps_between_stops = 10  # For each check, workers wait for each other.

    def __init__(self, strategy: tf.distribute.MultiWorkerMirroredStrategy):
        """Replicas on the devices of all workers of `strategy`."""
        super().__init__(strategy)
        self._reduce = tf.function(
            lambda values: strategy.reduce(
                tf.distribute.ReduceOp.SUM, values, axis=None
            ),
            autograph=False,
        )
        resolver = strategy.cluster_resolver
        self.is_chief = resolver.task_type == "chief" or (
            resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
        )

    def _total(self, value: float) -> float:
        """The sum of a number over processes."""
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(value, tf.float64)
        )
        num_local = len(self._strategy.experimental_local_results(values))
        return float(self._reduce(values)) / num_local

    def any_asked(self, asked: bool) -> bool:
        return self._total(float(asked)) > 0

    def chiefs(self, value: float) -> float:
        return self._total(value if self.is_chief else 0.0)

    def barrier(self) -> None:
        self._total(0.0)

    def check_same(self, value: float, what: str) -> None:
        # All of them raise, so that none is left waiting for the others.
        if self._total(float(value != self.chiefs(value))):
            raise errors.UserError(
                f"The workers differ in {what}: start all with the same command, on "
                "the same prepared cohort and with a --workdir that they share."
            )

    @contextlib.contextmanager
    def folder(self, path: pathlib.Path) -> Iterator[pathlib.Path]:
        if self.is_chief:
            yield path
            return
        # Saving is collective: the others must write, too, but their files are unused.
        with tempfile.TemporaryDirectory(prefix="dscl_worker_") as other:
            yield pathlib.Path(other)

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        try:
            yield
        except (*_LOST, errors.UserError) as error:
            cause = error.__cause__ if isinstance(error, errors.UserError) else error
            if not isinstance(cause, _LOST):
                raise
            raise errors.UserError(
                "Another worker of this run has ended, so this one cannot go on "
                f"({_reason(cause)}). Look at the other workers' messages, then start "
                "all of them again: they go on from the last checkpoint."
            ) from error


def row_bounds(total: int, num_replicas: int) -> list[int]:
    """Where each replica's rows start, and the end; the first ones may have one more.

    Raises:
      UserError: fewer rows than replicas; BatchNorm needs at least one row in each.
    """
    if total < num_replicas:
        raise errors.UserError(
            f"A batch of {total} images cannot be divided among {num_replicas} "
            "devices: use fewer devices or larger batches."
        )
    size, rest = divmod(total, num_replicas)
    return [number * size + min(number, rest) for number in range(num_replicas + 1)]


@functools.cache  # TensorFlow connects a process only once.
def start(distribution: str) -> Devices:
    """The devices that a run computes on; workers wait here for each other.

    Args:
      distribution: "none", "mirrored" (all GPUs, or else all logical CPU devices, of
        this machine) or "multi_worker" (those of all workers in `TF_CONFIG`).

    Raises:
      UserError: an unknown `distribution`, or `TF_CONFIG` is missing or not valid.
    """
    if distribution not in _KINDS:
        raise errors.UserError(
            f"distribution must be one of {', '.join(_KINDS)}, found {distribution!r}."
        )
    if distribution == "none":
        return ONE
    # TensorFlow logs each collective operation that it builds.
    tf.get_logger().setLevel(logging.WARNING)
    if distribution == "multi_worker":
        tf_config.check(os.environ.get("TF_CONFIG"))
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        devices: Replicas = Workers(strategy)
    else:
        found = tf.config.list_logical_devices
        names = [device.name for device in found("GPU") or found("CPU")]
        devices = Replicas(tf.distribute.MirroredStrategy(names))
    _LOG.info("Distribution %s: %d replicas.", distribution, devices.num_replicas)
    if devices.num_replicas == 1:
        _LOG.warning(
            "--distribution=%s has one device only: nothing is divided.", distribution
        )
    return devices


def _reason(error: BaseException) -> str:
    """The cause in TensorFlow's error message, without the names of its operations."""
    text = re.sub(r"\{\{.*?\}\}", "", str(error))
    told = re.search(r"aborted by: (.*)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (told[1] if told else [*lines, type(error).__name__][0])[:200]
