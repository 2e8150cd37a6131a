"""Probes, without labels, whether the decoder stage learns only where regions lie."""

import dataclasses
from collections.abc import Sequence
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf import losses
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import LocalConfig, LocalStrategy, ViewConfig
from dscl_tf.losses import LocalRegions
from dscl_tf.pipeline import batches
from dscl_tf.pipeline.streams import Batch

_SEED = (20_201_206, 0)  # Constant, so that values of all steps can be compared.
_MOST_SLICES = 8  # Per volume.


@dataclasses.dataclass(frozen=True)
class LocalStage:
    """What the local loss of a decoder stage is computed with."""

    features: Callable[[tf.Tensor], tf.Tensor]  # Images to maps, in inference mode.
    regions_of: Callable[[Batch], LocalRegions]
    config: LocalConfig
    views: ViewConfig
    map_size: tuple[int, int]


def pair_terms(
    stage: LocalStage, first: np.ndarray, second: np.ndarray, whole: bool
) -> dict[str, tf.Tensor]:
    """L^R between view 1 of some images and view 2 of others, region by region.

    Args:
      stage: networks and settings.
      first: float32 [Q, H, W, C].
      second: float32 [Q, H, W, C], the partners: region r of an image is paired with
        region r of its partner. `first` itself gives two views of each slice.
      whole: views are not cropped, so that regions lie at equal positions of both maps.

    Returns:
      The terms of `losses.local_contrastive_terms`.
    """
    side = (1.0, 1.0) if whole else stage.config.crop_side
    local = dataclasses.replace(stage.config, strategy=LocalStrategy.LR, crop_side=side)
    transform = batches.local_transform(local, stage.views, stage.map_size)
    count = first.shape[0]
    # Partners have equal ids, so that the same places are drawn for both.
    ids = {k: tf.range(count) for k in ("image_id", "volume", "partition")}
    shown = [
        transform({**ids, "image": tf.convert_to_tensor(images)}, tf.constant(_SEED))
        for images in (first, second)
    ]
    image = [shown[0]["image"][:count], shown[1]["image"][count:]]
    batch = {**shown[0], "image": tf.concat(image, axis=0)}
    return losses.local_contrastive_terms(
        stage.features(batch["image"]),
        batches.loss_ids(batch),
        LocalStrategy.LR,
        stage.regions_of(batch),
        local.temperature,
    )


@dataclasses.dataclass(frozen=True)
class PlaceLosses:
    """Losses that the probe has measured."""

    two_views: float  # Of two views of a slice, as in training.
    same_places: float  # Of slices that have only the places of regions in common.
    chance: float  # The chance level of `same_places`.

    @property
    def is_solved_by_place(self) -> bool:
        """Whether the stage has learned, but almost nothing beyond regions' places."""
        has_learned = self.two_views < self.chance / 2
        return has_learned and self.same_places - self.two_views < self.chance / 10


class PlaceProbe:
    """Compares the loss of two views with that of equal places of different volumes.

    Slices of two subjects are paired, one subject's from base to apex, the other's from
    apex to base. If their loss is as low as that of two views, the network tells
    regions apart by their places.
    """

    def __init__(self, stage: LocalStage, cohort: PreparedCohort, names: Sequence[str]):
        """A probe on two volumes of different subjects."""
        slices = [_some_slices(cohort.slices(name)) for name in names[:2]]
        count = min(map(len, slices))
        self._first, self._other = slices[0][:count], slices[1][:count][::-1]
        self._terms = {
            whole: tf.function(
                lambda a, b, whole=whole: pair_terms(stage, a, b, whole),
                autograph=False,
            )
            for whole in (False, True)
        }

    def losses(self) -> PlaceLosses:
        """Computes the losses of the networks as they are now."""
        two_views = self._terms[False](self._first, self._first)
        same_places = self._terms[True](self._first, self._other)
        return PlaceLosses(
            float(two_views["loss"]),
            float(same_places["loss"]),
            float(same_places["chance"]),
        )


def two_subjects(
    cohort: PreparedCohort, preferred: Sequence[str], others: Sequence[str]
) -> Optional[tuple[str, str]]:
    """Two volumes of different subjects; None if there is only one subject.

    Args:
      cohort: the cohort of the volumes.
      preferred: names to take first, such as those of held-out volumes.
      others: names to take if `preferred` does not suffice.
    """
    by_subject: dict[str, str] = {}
    for name in (*preferred, *others):
        by_subject.setdefault(cohort.volume(name).subject, name)
    first, *rest = by_subject.values()
    return (first, rest[0]) if rest else None


def _some_slices(images: np.ndarray) -> np.ndarray:
    """At most `_MOST_SLICES`, evenly spread: float32 [Q, H, W, C]."""
    count = min(len(images), _MOST_SLICES)
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int)
    return np.asarray(images[chosen], np.float32)
