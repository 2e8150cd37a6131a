"""Batches as `tf.data`: each a pure function of configuration, seed and step.

A batch is a dict: "image" float32 [N, H, W, 1] and int32 [N] ids "image_id",
"volume", "partition", "view"; in fine-tuning also "label" int32 [N, H, W], or with
mixup float32 [N, H, W, C]; with the positional strategy the id "position" float32 [N].
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import (
    FinetuneConfig,
    GlobalConfig,
    GlobalStrategy,
    LocalConfig,
    LocalStrategy,
    PretextConfig,
    PretextTask,
    ViewConfig,
)
from dscl_tf.pipeline import augmentation, mixing, pretext, sampling, views
from dscl_tf.pipeline.sampling import SliceTable

Batch = dict[str, tf.Tensor]
Sampler = Callable[[np.random.Generator], np.ndarray]
LabelOf = Callable[[str], np.ndarray]  # From a volume's name to its [Q, H, W].
_IDS = ("image", "volume", "partition")
_OF_TWO_VIEWS = (GlobalStrategy.GR, GlobalStrategy.POSITIONAL)


def loss_ids(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The ids of a batch under the names that the losses read."""
    names = ("volume", "partition", "view", "position")
    ids = {name: batch[name] for name in names if name in batch}
    return {"image": batch["image_id"], **ids}


def step_rng(seed: int, step: int, salt: int = 0) -> np.random.Generator:
    """The generator that draws the slices of one step."""
    return np.random.default_rng([seed, step, salt] if salt else [seed, step])


def global_sampler(table: SliceTable, config: GlobalConfig) -> Sampler:
    """Slices of the encoder stage (design: global stage).

    G^R and the positional strategy get as many images a step as the others: 3 views of
    m S slices there, 2 views of half as many again here.
    """
    num_slices = config.batch_volumes * config.num_partitions
    if config.strategy in _OF_TWO_VIEWS:
        return lambda rng: sampling.sample_slices(table, num_slices * 3 // 2, rng)
    return lambda rng: sampling.sample_by_partition(table, config.batch_volumes, rng)


def local_sampler(table: SliceTable, config: LocalConfig) -> Sampler:
    """Slices of the decoder stage: m S of them, at random for L^R."""
    if config.strategy is LocalStrategy.LR:
        num_slices = config.batch_volumes * config.num_partitions
        return lambda rng: sampling.sample_slices(table, num_slices, rng)
    return lambda rng: sampling.sample_by_partition(table, config.batch_volumes, rng)


def global_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: GlobalConfig,
    view: ViewConfig,
    salt: int = 0,
) -> "Stream":
    """Batches of the encoder stage."""
    with_original = config.strategy not in _OF_TWO_VIEWS
    transform = _views_transform(views.global_view, view, with_original)
    return Stream(
        cohort,
        table,
        global_sampler(table, config),
        transform,
        salt=salt,
        with_position=config.strategy is GlobalStrategy.POSITIONAL,
    )


def local_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: LocalConfig,
    view: ViewConfig,
    salt: int = 0,
) -> "Stream":
    """Batches of the decoder stage."""
    with_original = config.strategy is LocalStrategy.LD
    transform = _views_transform(views.local_view, view, with_original)
    sampler = local_sampler(table, config)
    return Stream(cohort, table, sampler, transform, salt=salt)


@dataclasses.dataclass(frozen=True)
class PseudoLabelled:
    """Where labels come from when a teacher gave some of them."""

    num_labelled: int  # Of a table's volumes: the first ones, truly labelled.
    label_of: LabelOf  # Of all of them; the number of classes means unknown.


def pretext_batches(
    cohort: PreparedCohort, table: SliceTable, config: PretextConfig
) -> "Stream":
    """Batches of the pretext stage, of random slices of all volumes.

    Raises:
      UserError: settings that do not fit each other or the slices.
    """
    count = pretext.num_slices(config)
    if config.task is PretextTask.CONTEXT_RESTORATION:
        pretext.grid_of_patches(config, cohort.settings.size_px)

    def sampler(rng: np.random.Generator) -> np.ndarray:
        return sampling.sample_slices(table, count, rng)

    return Stream(
        cohort, table, sampler, lambda batch, seed: pretext.change(batch, seed, config)
    )


def finetune_batches(
    cohort: PreparedCohort,
    table: SliceTable,
    config: FinetuneConfig,
    pseudo: Optional[PseudoLabelled] = None,
    salt: int = 0,
) -> "Stream":
    """Batches of the fine-tuning stage, with labels.

    Args:
      cohort: where the slices are read.
      table: the slices to draw from.
      config: size of a batch, augmentation, mixup.
      pseudo: with it, half of each batch is of the volumes that a teacher labelled
        (the smaller half, where the size is odd), and a label may be unknown.
      salt: tells the draws of streams apart that a step uses together.

    Raises:
      UserError: the batch is too small for two halves.
    """
    num_labels = cohort.num_classes + (pseudo is not None)

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        image, label = augmentation.augment(
            batch["image"], batch["label"], seed, config.augmentation, num_labels
        )
        if config.mixup_alpha:
            maps = tf.one_hot(label, cohort.num_classes)
            image, label = mixing.mixup(image, maps, seed, config.mixup_alpha)
        return {**batch, "image": image, "label": label}

    def sampler(rng: np.random.Generator) -> np.ndarray:
        if pseudo is None:
            return sampling.sample_slices(table, config.batch_size, rng)
        num_first = int(np.searchsorted(table.volume, pseudo.num_labelled))
        return sampling.sample_halves(table, num_first, config.batch_size, rng)

    label_of = cohort.label if pseudo is None else pseudo.label_of
    return Stream(cohort, table, sampler, transform, label_of, salt)


class Stream:
    """An endless source of batches that can be opened at any step."""

    def __init__(
        self,
        cohort: PreparedCohort,
        table: SliceTable,
        sampler: Sampler,
        transform: Callable[[Batch, tf.Tensor], Batch],
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

    def then(self, change: Callable[[Batch, tf.Tensor], Batch]) -> "Stream":
        """A stream of the same batches, changed; `change` gets the batch's seed too."""
        changed = copy.copy(self)
        changed._transform = lambda batch, seed: change(
            self._transform(batch, seed), seed
        )
        return changed

    def open(self, seed: int, first_step: int, num_steps: int) -> tf.data.Dataset:
        """Batches `first_step` to `num_steps` - 1, in order.

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
            return self._transform(batch, draw)

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
        found = [self._read(self._cohort.image, rows, np.float32)[..., None]]
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
        found[0].set_shape([count, *size, 1])
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


def part_of(batch: Mapping[str, tf.Tensor], name: str) -> Batch:
    """The batch of one of the streams that were joined, by its name."""
    start = f"{name}/"
    return {k[len(start) :]: v for k, v in batch.items() if k.startswith(start)}


def _views_transform(
    view_of: Callable, config: ViewConfig, with_original: bool
) -> Callable[[Batch, tf.Tensor], Batch]:
    """Stacks the views of each slice: 1 and 2, and 0 in front where it is used."""

    def transform(batch: Batch, seed: tf.Tensor) -> Batch:
        seeds = tf.random.split(seed, 2)
        images = [view_of(batch["image"], seeds[k], config) for k in (0, 1)]
        numbers = [1, 2]
        if with_original:
            images, numbers = [batch["image"], *images], [0, 1, 2]
        count = batch["image"].shape[0]
        stacked = {
            name: tf.tile(batch[name], [len(numbers)])
            for name in ("image_id", "volume", "partition", "position")
            if name in batch
        }
        stacked["image"] = tf.concat(images, axis=0)
        stacked["view"] = tf.constant(np.repeat(numbers, count), tf.int32)
        return stacked

    return transform
