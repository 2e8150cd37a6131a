"""Sources of batches that can be opened at any step."""

import abc
import copy
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline.sampling import SliceTable

Batch = dict[str, tf.Tensor]
Sampler = Callable[[np.random.Generator], np.ndarray]
LabelOf = Callable[[str], np.ndarray]  # From a volume's name to labels [Q, H, W].
# From a batch and its int32 [2] seed to a batch.
BatchChange = Callable[[Batch, tf.Tensor], Batch]
_DRAW, _STEP = "draw", "step"  # What `read` adds to a batch's slices.


def step_rng(seed: int, step: int, salt: int = 0) -> np.random.Generator:
    """The generator that draws the slices of one step."""
    return np.random.default_rng([seed, step, salt] if salt else [seed, step])


class Source(abc.ABC):
    """An endless source of batches, each a function of the run's seed and the step.

    A batch is made in two parts, which may run on different devices: `read` takes
    slices from the cohort, `change` augments them.
    """

    # Why a batch could not be read; TensorFlow's own error hides it.
    failure: Optional[errors.UserError]

    @abc.abstractmethod
    def read(self, seed: int, step: tf.Tensor) -> Any:
        """What batch `step`, int64 [], is made of; runs in a graph on the CPU."""

    @abc.abstractmethod
    def change(self, found: Any) -> Batch:
        """The batch, from what `read` gave; runs in a graph."""

    @abc.abstractmethod
    def ids(self, seed: int, step: int) -> dict[str, list]:
        """What batch `step` is made of, for messages: volume names and slices."""

    def open(self, seed: int, first_step: int, num_steps: int) -> tf.data.Dataset:
        """Batches `first_step` to `num_steps` - 1, in order, with their int64 "step".

        Args:
          seed: of the run.
          first_step: 0 for a new run.
          num_steps: of the whole run.
        """
        return _of_steps(
            lambda step: self.change(self.read(seed, step)), first_step, num_steps
        ).prefetch(4)

    def open_on(
        self, device: str, seed: int, first_step: int, num_steps: int
    ) -> Iterator[Batch]:
        """The batches of `open`, augmented on a device and in its memory.

        The CPU only reads slices, while the device computes the previous step.

        Args:
          device: such as "/GPU:0".
          seed: of the run.
          first_step: 0 for a new run.
          num_steps: of the whole run.
        """
        found = _of_steps(lambda step: self.read(seed, step), first_step, num_steps)
        there = found.apply(tf.data.experimental.prefetch_to_device(device, 2))
        # Not by XLA, which has no kernel for warps.
        change = tf.function(self.change, autograph=False)
        for each in there:
            with tf.device(device):
                batch = change(each)
            yield batch

    def batches(
        self, device: Optional[str], seed: int, first_step: int, num_steps: int
    ) -> Iterator[Batch]:
        """The batches of `open_on` where a device is given, else those of `open`."""
        if device is None:
            return iter(self.open(seed, first_step, num_steps))
        return self.open_on(device, seed, first_step, num_steps)


def _of_steps(make: Callable, first_step: int, num_steps: int) -> tf.data.Dataset:
    """Applies `make` to each step: several at once, but the results in order."""
    # AutoGraph has nothing to convert, here or in any step, but takes seconds to look.
    make = tf.autograph.experimental.do_not_convert(make)
    batches = tf.data.Dataset.range(first_step, num_steps).map(
        make, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    # As many at once as there are threads, up to 16, which one map does not need tuned:
    # the tuner sometimes keeps the end of a stage waiting for seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


class Stream(Source):
    """Batches of the slices of a table."""

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
          sampler: from a step's generator to rows of the table, always the same number.
          transform: from untransformed slices and an int32 [2] seed to a batch.
          label_of: the integer labels of a volume; None: slices have no labels.
          salt: makes draws differ between streams that one step uses together.
          with_position: whether slices have the id "position".

        Raises:
          UserError: the table is too small for a batch.
        """
        self._cohort, self._table = cohort, table
        self._sampler, self._transform = sampler, transform
        self._label_of, self._salt = label_of, salt
        self._with_position = with_position
        self.failure = None
        # Drawn here, so that a batch that cannot be drawn is refused at once.
        self._batch_size = len(sampler(step_rng(0, 0, salt)))

    def then(self, change: BatchChange) -> "Stream":
        """A stream of the same batches, changed; `change` gets the batch's seed too."""
        changed = copy.copy(self)
        changed._transform = lambda batch, seed: change(
            self._transform(batch, seed), seed
        )
        return changed

    def read(self, seed: int, step: tf.Tensor) -> Batch:
        # Both are below 2^31, so without a salt no two (seed, step) draw the same.
        draw = tf.stack([tf.cast(seed, tf.int32), tf.cast(step, tf.int32)])
        if self._salt:
            draw = tf.random.experimental.stateless_fold_in(draw, self._salt)
        return {**self._load_in_graph(seed, step), _DRAW: draw, _STEP: step}

    def change(self, found: Batch) -> Batch:
        batch = {k: values for k, values in found.items() if k not in (_DRAW, _STEP)}
        return {**self._transform(batch, found[_DRAW]), _STEP: found[_STEP]}

    def ids(self, seed: int, step: int) -> dict[str, list]:
        """What batch `step` is made of, for messages: volume names and slices."""
        rows = self._sampler(step_rng(seed, step, self._salt))
        return {
            "volume": [self._table.names[v] for v in self._table.volume[rows]],
            "slice": self._table.index[rows].tolist(),
        }

    def _fields(self) -> dict[str, tuple[tf.DType, list[int]]]:
        """Types and shapes of what `_load` gives."""
        count, settings = self._batch_size, self._cohort.settings
        size = [count, *settings.size_px]
        fields = {"image": (tf.float32, [*size, settings.num_channels])}
        fields |= dict.fromkeys(
            ("image_id", "volume", "partition"), (tf.int32, [count])
        )
        if self._with_position:
            fields["position"] = (tf.float32, [count])
        if self._label_of is not None:
            fields["label"] = (tf.int32, size)
        return fields

    def _load(self, seed: int, step: int) -> dict[str, np.ndarray]:
        rows = self._sampler(step_rng(seed, step, self._salt))
        ids = self._table.ids(rows)
        found = {
            "image": self._read(self._cohort.slices, rows, np.float32),
            "image_id": ids["image"],
            "volume": ids["volume"],
            "partition": ids["partition"],
        }
        if self._with_position:
            found["position"] = self._table.position[rows]
        if self._label_of is not None:
            found["label"] = self._read(self._label_of, rows, np.int32)
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
        fields = self._fields()

        def load(number: np.ndarray) -> list[np.ndarray]:
            try:
                found = self._load(seed, int(number))
            except errors.UserError as error:
                self.failure = error
                raise
            return [found[name] for name in fields]

        loaded = tf.numpy_function(load, [step], [kind for kind, _ in fields.values()])
        return {
            name: tf.ensure_shape(values, shape)
            for (name, (_, shape)), values in zip(fields.items(), loaded)
        }


class JoinedStream(Source):
    """Several streams as one: a step gets a batch from each.

    The keys of the first stream are kept; those of the others get their stream's name
    in front, as in "name/image".
    """

    def __init__(self, first: Stream, others: Mapping[str, Stream]):
        """Joins `others`, by name, to `first`."""
        self._streams = {"": first, **others}

    @property
    def failure(self) -> Optional[errors.UserError]:
        failures = [stream.failure for stream in self._streams.values()]
        return next((failure for failure in failures if failure is not None), None)

    def read(self, seed: int, step: tf.Tensor) -> dict[str, Batch]:
        return {k: stream.read(seed, step) for k, stream in self._streams.items()}

    def change(self, found: Mapping[str, Batch]) -> Batch:
        return {
            f"{name}/{key}" if name else key: values
            for name, stream in self._streams.items()
            for key, values in stream.change(found[name]).items()
        }

    def ids(self, seed: int, step: int) -> dict[str, list]:
        found = [stream.ids(seed, step) for stream in self._streams.values()]
        return {key: [each for ids in found for each in ids[key]] for key in found[0]}


def part_of(batch: Mapping[str, tf.Tensor], name: str) -> Batch:
    """The batch of one of the streams that were joined, by its name."""
    start = f"{name}/"
    return {k[len(start) :]: v for k, v in batch.items() if k.startswith(start)}
