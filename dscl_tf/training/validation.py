"""Dice of whole volumes during fine-tuning, at the prepared resolution."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import slicewise


class Validator:
    """Measures a network on labelled volumes.

    Voxels of unknown label are ignored, whatever is predicted there.
    """

    def __init__(
        self, unet: tf.keras.Model, cohort: PreparedCohort, names: Sequence[str]
    ):
        """A validator on the volumes `names` of `cohort`."""
        self.cohort, self.names = cohort, tuple(names)
        shape = [None, *unet.input_shape[1:]]
        self._predict = tf.function(
            lambda images: tf.argmax(unet(images, training=False), -1, tf.int32),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
            autograph=False,
        )

    @functools.cached_property
    def _shown(self) -> list[int]:
        return sorted(classes_in(self.cohort, self.names))

    def predict(self, name: str) -> np.ndarray:
        """The predicted classes of a volume, uint8 [Q, H, W]."""
        answers = slicewise.answers(self._predict, self.cohort.slices(name))
        return np.concatenate([each.astype(np.uint8) for each in answers])

    def scores(self) -> dict[str, float]:
        """Mean Dice over the volumes: "mean" and each structure by name.

        A structure that is in neither truth nor prediction is left out. The mean is
        over the structures that some volume's labels have: of any other, one wrong
        voxel would cost as much as a missed structure, and weights that never predict
        it would be chosen.
        """
        dice = np.array(
            [self._dice(self.predict(n), self.cohort.label(n)) for n in self.names]
        )
        structures = self.cohort.label_names[1:]
        shown = dice[:, [k - 1 for k in self._shown]]
        scores = {"mean": 0.0 if np.isnan(shown).all() else float(np.nanmean(shown))}
        for k, name in enumerate(structures):
            if not np.isnan(dice[:, k]).all():
                # Even if a structure is named "mean", the mean decides what is kept.
                scores.setdefault(name, float(np.nanmean(dice[:, k])))
        return scores

    def _dice(self, prediction: np.ndarray, truth: np.ndarray) -> list[float]:
        """Dice of each structure; NaN where both are empty."""
        values, known = [], truth != self.cohort.unknown
        for label in range(1, self.cohort.num_classes):
            found, true = (prediction == label) & known, truth == label
            total = found.sum() + true.sum()
            values.append(2.0 * (found & true).sum() / total if total else np.nan)
        return values


def classes_in(cohort: PreparedCohort, names: Sequence[str]) -> set[int]:
    """The structures (without background) that occur in the labels of some volumes."""
    found = {k for name in names for k in np.unique(cohort.label(name)).tolist()}
    return found & set(range(1, cohort.num_classes))
