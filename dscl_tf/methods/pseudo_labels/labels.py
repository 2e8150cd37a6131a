"""Labels that a teacher, a finished run, gives volumes; kept in the run folder."""

import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import Callable

import numpy as np
import tensorflow as tf

from dscl_tf import errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.training import run_folder, slicewise

_LOG = logging.getLogger(__name__)
FOLDER = "pseudo_labels"
_SUMMARY = "summary.json"
_BINS_OF_TEN = 100  # Of 1 - p, to find the surest pixels of a class by.
_MOST_SURE = 7  # 1 - p of 10^-7 is the least that float32 tells from 0.
# Teacher's softmax of slices: float32 [N, H, W] to [N, H, W, C].
_Predict = Callable[[np.ndarray], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """The arrays of a run folder."""

    run: pathlib.Path
    cohort: PreparedCohort

    def of(self, name: str) -> np.ndarray:
        """A volume's labels, uint8 [Q, H, W], by memory map; C where unknown.

        Raises:
          UserError: they are missing, damaged, or of another shape.
        """
        path = self._path(name)
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise errors.UserError(
                f"Cannot read the pseudo-labels {path} ({error}): the same command "
                "makes them again."
            ) from None
        expected = self.cohort.image(name).shape
        if found.shape != expected or found.dtype != np.uint8:
            raise errors.UserError(
                f"{path}: found {found.dtype} {found.shape}, expected uint8 "
                f"{expected}: delete it; the same command makes it again."
            )
        return found

    def has(self, name: str) -> bool:
        """Whether a volume's labels are there and whole."""
        try:
            return self.of(name) is not None
        except errors.UserError:
            return False

    def write(self, name: str, labels: np.ndarray) -> None:
        """Keeps a volume's labels, whole or not at all."""
        with files.atomic_path(self._path(name)) as path, path.open("wb") as file:
            np.save(file, labels.astype(np.uint8), allow_pickle=False)

    @property
    def summary_file(self) -> pathlib.Path:
        """Where it says what they were made from, and how much is known."""
        return self.run / FOLDER / _SUMMARY

    def _path(self, name: str) -> pathlib.Path:
        return self.run / FOLDER / f"{name}.npy"


def make(labels: PseudoLabels, names: Sequence[str], settings: PseudoLabelConfig):
    """Has the teacher label the volumes that it has not labelled yet.

    The same teacher gives the same labels: its network computes in float32, a fixed
    number of slices at a time.

    Args:
      labels: where they are kept.
      names: of the volumes.
      settings: the teacher and the confidence that counts as knowing.

    Raises:
      UserError: the teacher is no finished fine-tuning run, or cannot be read.
    """
    made_from = {
        "teacher": _checksum(run_folder.RunFolder(settings.teacher)),
        "cohort": labels.cohort.content_id,
        "confidence": settings.confidence,
    }
    if settings.keep_fraction:
        made_from["keep_fraction"] = settings.keep_fraction
    counts = _counts_of(labels, made_from)
    missing = [n for n in names if n not in counts or not labels.has(n)]
    if missing:
        _LOG.info("%s labels %d volumes.", settings.teacher, len(missing))
        predict = _predictor(run_folder.load_segmenter(settings.teacher).model)
        least = _least_probabilities(labels, names, predict, settings)
        for name in missing:
            counts[name] = _label(labels, name, predict, least)
        # At the end: labels without it are of an unknown teacher, and made again.
        files.write_json(labels.summary_file, {**made_from, "volumes": counts})
    _report([counts[name] for name in names], labels.cohort.label_names)


def _counts_of(labels: PseudoLabels, made_from: dict) -> dict[str, list]:
    """What is known of the volumes that are labelled; none if by another teacher."""
    if not labels.summary_file.exists():
        return {}
    content = files.read_json_object(labels.summary_file, "summary of pseudo-labels")
    counts = content.pop("volumes", None)
    if content != made_from or not isinstance(counts, dict):
        _LOG.warning(
            "The pseudo-labels in %s are not of this teacher: they are made again.",
            labels.summary_file.parent,
        )
        labels.summary_file.unlink()
        return {}
    return counts


def _said(
    labels: PseudoLabels, name: str, predict: _Predict
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The most probable classes of some slices at a time, and how probable they are."""
    for maps in slicewise.answers(predict, labels.cohort.slices(name)):
        yield maps.argmax(axis=-1), maps.max(axis=-1)


def _least_probabilities(
    labels: PseudoLabels,
    names: Sequence[str],
    predict: _Predict,
    settings: PseudoLabelConfig,
) -> np.ndarray:
    """What a pixel of each class must reach to be known, float [C].

    By class it is a quantile over the pixels of all volumes (class-balanced
    self-training, Zou et al., ECCV 2018): a structure that the teacher is unsure of
    everywhere is not left out by one threshold for all.
    """
    num_classes = labels.cohort.num_classes
    if not settings.keep_fraction:
        return np.full(num_classes, settings.confidence)
    counts = np.zeros([num_classes, _BINS_OF_TEN * _MOST_SURE + 1], np.int64)
    for name in names:
        for chosen, probability in _said(labels, name, predict):
            # Most of them lie near 1: by the logarithm of what is missing.
            unsure = np.maximum(1 - probability.astype(np.float64), 10.0**-_MOST_SURE)
            bins = (-np.log10(unsure) * _BINS_OF_TEN).astype(int)
            np.add.at(counts, (chosen.ravel(), bins.ravel()), 1)
    # Pixels at or above each bin, from the surest down.
    above = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    is_enough = above >= settings.keep_fraction * above[:, :1]
    return 1 - 10.0 ** (-(is_enough.sum(axis=1) - 1) / _BINS_OF_TEN)


def _label(
    labels: PseudoLabels, name: str, predict: _Predict, least: np.ndarray
) -> list[list[int]]:
    """Labels a volume; its pixels of each class, and those of them that are known."""
    num_classes = labels.cohort.num_classes
    found, pixels = [], np.zeros([2, num_classes], np.int64)
    for chosen, probability in _said(labels, name, predict):
        known = probability >= least[chosen]
        for row, counted in enumerate((chosen, chosen[known])):
            pixels[row] += np.bincount(counted.ravel(), minlength=num_classes)
        found.append(np.where(known, chosen, num_classes))
    labels.write(name, np.concatenate(found))
    return pixels.tolist()


def _predictor(model: tf.keras.Model) -> _Predict:
    @tf.function(
        input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)],
        autograph=False,
    )
    def softmax(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(images, training=False))

    return softmax


def _report(counts: Sequence[list], label_names: Sequence[str]) -> None:
    predicted, known = np.sum(counts, axis=0)
    shares = [
        f"{name} {number / total:.2f}" if total else f"{name} none"
        for name, number, total in zip(label_names, known, predicted)
    ]
    _LOG.info("Share of known pseudo-labels: %s.", ", ".join(shares))
    for name, number in zip(label_names, known):
        if not number:
            _LOG.warning(
                "No pixel has a known pseudo-label of %s: the unlabelled volumes tell "
                "nothing of it. Lower --pseudo_confidence, give a "
                "--pseudo_keep_fraction, or train the first round longer.",
                name,
            )


def _checksum(teacher: run_folder.RunFolder) -> str:
    """Of the teacher's weights."""
    checkpoint, digest = teacher.final_checkpoint(), hashlib.sha256()
    paths = sorted(checkpoint.parent.glob(f"{checkpoint.name}.*"))
    if not paths:
        raise errors.UserError(f"The checkpoint {checkpoint} is missing.")
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
