"""Labels of volumes by a teacher, a finished run; they are kept in the run folder."""

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
# A histogram of 1 - p finds the most confident pixels of a class. It has this many bins
# per power of ten, and ends at 10^-7, the least that float32 can tell from 0.
_BINS_OF_TEN = 100
_MOST_SURE = 7
# Teacher's softmax of slices: float32 [N, H, W] to [N, H, W, C].
_Predict = Callable[[np.ndarray], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """The pseudo-labels in a run folder, an array for each volume."""

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
        """The file that has what they were made from and how many pixels are known."""
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
      settings: the teacher, and the confidence from which on a pixel is known.

    Raises:
      UserError: the teacher is no finished fine-tuning run, or cannot be read.
    """
    made_from = {
        "teacher": _checksum(run_folder.RunFolder(settings.teacher)),
        "cohort": labels.cohort.content_id,
        **_threshold(settings),
    }
    counts = _counts_of(labels, made_from)
    missing = [n for n in names if n not in counts or not labels.has(n)]
    if missing:
        _LOG.info("%s labels %d volumes.", settings.teacher, len(missing))
        predict = _predictor(run_folder.load_segmenter(settings.teacher).model)
        least = _least_probabilities(labels, names, predict, settings)
        for name in missing:
            counts[name] = _label(labels, name, predict, least)
        # Written last: labels without it are of an unknown teacher, and made again.
        files.write_json(labels.summary_file, {**made_from, "volumes": counts})
    _report([counts[name] for name in names], labels.cohort.label_names)


def _threshold(settings: PseudoLabelConfig) -> dict[str, float]:
    """The one setting that decides which pixels are known."""
    if settings.keep_fraction:
        return {"keep_fraction": settings.keep_fraction}
    return {"confidence": settings.confidence}


def _counts_of(labels: PseudoLabels, made_from: dict) -> dict[str, list]:
    """The pixel counts of labelled volumes; none if made from something else."""
    if not labels.summary_file.exists():
        return {}
    content = files.read_json_object(labels.summary_file, "summary of pseudo-labels")
    counts = content.pop("volumes", None)
    if content != made_from or not isinstance(counts, dict):
        _LOG.warning(
            "The pseudo-labels in %s are of another teacher, cohort or threshold: they "
            "are made again.",
            labels.summary_file.parent,
        )
        labels.summary_file.unlink()
        return {}
    return counts


def _said(
    labels: PseudoLabels, name: str, predict: _Predict
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the most probable classes and their probabilities, part by part."""
    for maps in slicewise.answers(predict, labels.cohort.slices(name)):
        yield maps.argmax(axis=-1), maps.max(axis=-1)


def _least_probabilities(
    labels: PseudoLabels,
    names: Sequence[str],
    predict: _Predict,
    settings: PseudoLabelConfig,
) -> np.ndarray:
    """The probability that makes a pixel of each class known, float [C].

    With `keep_fraction` it is a quantile over the pixels of each class in all volumes
    (class-balanced self-training, Zou et al., ECCV 2018): one threshold for all classes
    would leave out a structure of which the teacher is unsure everywhere.
    """
    num_classes = labels.cohort.num_classes
    if not settings.keep_fraction:
        return np.full(num_classes, settings.confidence)
    counts = np.zeros([num_classes, _BINS_OF_TEN * _MOST_SURE + 1], np.int64)
    for name in names:
        for chosen, probability in _said(labels, name, predict):
            # Bins of log(1 - p), since most probabilities are near 1.
            unsure = np.maximum(1 - probability.astype(np.float64), 10.0**-_MOST_SURE)
            bins = (-np.log10(unsure) * _BINS_OF_TEN).astype(int)
            np.add.at(counts, (chosen.ravel(), bins.ravel()), 1)
    # The number of pixels that are at least as confident as each bin.
    above = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    is_enough = above >= settings.keep_fraction * above[:, :1]
    return 1 - 10.0 ** (-(is_enough.sum(axis=1) - 1) / _BINS_OF_TEN)


def _label(
    labels: PseudoLabels, name: str, predict: _Predict, least: np.ndarray
) -> list[list[int]]:
    """Labels a volume; counts its pixels of each class, and how many are known."""
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
                "No pixel has a known pseudo-label of %s: nothing is learned about "
                "it from the unlabelled volumes. Lower --pseudo_confidence, give a "
                "--pseudo_keep_fraction, or train the first round longer.",
                name,
            )


def _checksum(teacher: run_folder.RunFolder) -> str:
    """A checksum of the teacher's weights."""
    checkpoint, digest = teacher.final_checkpoint(), hashlib.sha256()
    paths = sorted(checkpoint.parent.glob(f"{checkpoint.name}.*"))
    if not paths:
        raise errors.UserError(f"The checkpoint {checkpoint} is missing.")
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
