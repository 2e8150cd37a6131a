"""Sources of batches that can be opened at any step."""

import copy
from collections.abc import Mapping
from typing import Callable, Optional, Union

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline.sampling import SliceTable

Batch = dict[str, tf.Tensor]
Sampler = Callable[[np.random.Generator], np.ndarray]
LabelOf = Callable[[str], np.ndarray]  # From a volume's name to its [Q, H, W].
# From a batch and its int32 [2] seed to a batch.
BatchChange = Callable[[Batch, tf.Tensor], Batch]
_IDS = ("image", "volume", "partition")


def step_rng(seed: int, step: int, salt: int = 0) -> np.random.Generator:
    """The generator that draws the slices of one step."""
    return np.random.default_rng([seed, step, salt] if salt else [seed, step])


class Stream:
    """An endless source of batches that can be opened at any step."""

    def __init__(
        self,
        cohort: PreparedCohort,
        table: SliceTable,
        sampler: Sampler,
        transform: BatchChange,
        label_of: Optional[LabelOf] = None,
        salt: int = 0,
        with_position: bool = False,
    ):
        """A stream of batches of the slices of `table`.

        Args:
          cohort: where the slices are read.
          table: the slices to draw from.
          sampler: from a step's generator to rows of the table, always as many.
          transform: from untransformed slices and an int32 [2] seed to a batch.
          label_of: the labels of a volume, integers; None: slices have none.
          salt: tells the draws of streams apart that a step uses together.
          with_position: whether slices have the id "position".

        Raises:
          UserError: the table is too small for a batch.
        """
        self._cohort, self._table = cohort, table
        self._sampler, self._transform = sampler, transform
        self._label_of, self._salt = label_of, salt
        self._with_position = with_position
        # Why a batch could not be read; TensorFlow's own error hides it.
        self.failure: Optional[errors.UserError] = None
        # Drawn here, so that a batch that cannot be drawn is refused at once.
        self._batch_size = len(sampler(step_rng(0, 0, salt)))

    def then(self, change: BatchChange) -> "Stream":
        """A stream of the same batches, changed; `change` gets the batch's seed too."""
        changed = copy.copy(self)
        changed._transform = lambda batch, seed: change(
            self._transform(batch, seed), seed
        )
        return changed

    def open(self, seed: int, first_step: int, num_steps: int) -> tf.data.Dataset:
        """Batches `first_step` to `num_steps` - 1, in order; "step" is int64, its own.

        Args:
          seed: of the run.
          first_step: 0 for a new run.
          num_steps: of the whole run.
        """
        steps = tf.data.Dataset.range(first_step, num_steps)

        def make(step: tf.Tensor) -> Batch:
            batch = self._load_in_graph(seed, step)
            # Both seeds are below 2^31, so no two (seed, step) share a stream.
            draw = tf.stack([tf.cast(seed, tf.int32), tf.cast(step, tf.int32)])
            if self._salt:
                draw = tf.random.experimental.stateless_fold_in(draw, self._salt)
            return {**self._transform(batch, draw), "step": step}

        return steps.map(make, num_parallel_calls=2, deterministic=True).prefetch(4)

    def ids(self, seed: int, step: int) -> dict[str, list]:
        """What batch `step` is made of, for messages: volume names and slices."""
        rows = self._sampler(step_rng(seed, step, self._salt))
        return {
            "volume": [self._table.names[v] for v in self._table.volume[rows]],
            "slice": self._table.index[rows].tolist(),
        }

    def _load(self, seed: int, step: int) -> list[np.ndarray]:
        rows = self._sampler(step_rng(seed, step, self._salt))
        found = [self._read(self._cohort.slices, rows, np.float32)]
        found += [self._table.ids(rows)[name] for name in _IDS]
        if self._with_position:
            found.append(self._table.position[rows])
        if self._label_of is not None:
            found.append(self._read(self._label_of, rows, np.int32))
        return found

    def _read(self, array_of, rows: np.ndarray, dtype) -> np.ndarray:
        table = self._table
        return np.stack(
            [
                np.asarray(array_of(table.names[volume])[index], dtype)
                for volume, index in zip(table.volume[rows], table.index[rows])
            ]
        )

    def _load_in_graph(self, seed: int, step: tf.Tensor) -> Batch:
        types = [tf.float32, tf.int32, tf.int32, tf.int32]
        types += [tf.float32] if self._with_position else []
        types += [] if self._label_of is None else [tf.int32]

        def load(number: np.ndarray) -> list[np.ndarray]:
            try:
                return self._load(seed, int(number))
            except errors.UserError as error:
                self.failure = error
                raise

        found = tf.numpy_function(load, [step], types)
        count, size = self._batch_size, self._cohort.settings.size_px
        found[0].set_shape([count, *size, self._cohort.settings.num_channels])
        for values in found[1:4]:
            values.set_shape([count])
        batch = {"image": found[0], "image_id": found[1]}
        batch.update(volume=found[2], partition=found[3])
        if self._with_position:
            batch["position"] = tf.ensure_shape(found[4], [count])
        if self._label_of is not None:
            batch["label"] = tf.ensure_shape(found[-1], [count, *size])
        return batch


class JoinedStream:
    """Several streams as one: a step gets a batch of each.

    The first's keys stay; those of the others follow as "name/image" and so on.
    """

    def __init__(self, first: Stream, others: Mapping[str, Stream]):
        """Joins `others`, by name, to `first`."""
        self._first, self._others = first, dict(others)

    @property
    def failure(self) -> Optional[errors.UserError]:
        """Why a batch could not be read."""
        failures = [s.failure for s in (self._first, *self._others.values())]
        return next((failure for failure in failures if failure is not None), None)

    def open(self, seed: int, first_step: int, num_steps: int) -> tf.data.Dataset:
        """Batches of all streams, as `Stream.open`."""
        streams = {"": self._first, **self._others}
        opened = {k: s.open(seed, first_step, num_steps) for k, s in streams.items()}

        def join(parts: Mapping[str, Batch]) -> Batch:
            return {
                f"{name}/{key}" if name else key: value
                for name, batch in parts.items()
                for key, value in batch.items()
            }

        return tf.data.Dataset.zip(opened).map(join)

    def ids(self, seed: int, step: int) -> dict[str, list]:
        """What batch `step` is made of, as `Stream.ids`."""
        found = [s.ids(seed, step) for s in (self._first, *self._others.values())]
        return {key: [each for ids in found for each in ids[key]] for key in found[0]}


AnyStream = Union[Stream, JoinedStream]


def part_of(batch: Mapping[str, tf.Tensor], name: str) -> Batch:
    """The batch of one of the streams that were joined, by its name."""
    start = f"{name}/"
    return {k[len(start) :]: v for k, v in batch.items() if k.startswith(start)}
