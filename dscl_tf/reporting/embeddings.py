"""What an encoder makes of slices, in a plane, before and after pre-training."""

import pathlib

import numpy as np
import tensorflow as tf

from dscl_tf import errors, networks
from dscl_tf.cohort import partitions
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.reporting import charts, page
from dscl_tf.training import checkpoints
from dscl_tf.training.records import RunRecord
from dscl_tf.training.run_folder import RunFolder

_MOST_VOLUMES = 12


def of_run(run: pathlib.Path, cohort: PreparedCohort) -> str:
    """Scatter plots of slices by partition and by volume, before and after.

    Embeddings are the encoder's last level, averaged over its positions; the plane is
    that of their two first principal components, of each picture by itself. "Before"
    are the random weights of the run's seed. Volumes are those for testing, which the
    run has not seen, at most twelve.

    Args:
      run: folder of an encoder or a pretext stage.
      cohort: that it was on.
    """
    try:
        record = RunFolder(run).read_record()
        names = (record.split.test or record.split.validation)[:_MOST_VOLUMES]
        if not names or record.cohort_id != cohort.content_id:
            raise errors.UserError("the prepared cohort is not that of the run.")
        images = [np.asarray(cohort.image(n), np.float32)[..., None] for n in names]
        states = {"before": _encoder(record, None), "after": _encoder(record, run)}
    except errors.UserError as error:
        return page.paragraph(f"No embeddings: {error}", soft=True)
    count = record.config.global_.num_partitions
    counts = [len(each) for each in images]
    groups = {
        "partition": np.concatenate(
            [partitions.partition_of_slices(each, count) for each in counts]
        ),
        "volume": np.repeat(np.arange(len(names)), counts),
    }
    labels = {"partition": [str(k + 1) for k in range(count)], "volume": list(names)}
    drawn = []
    for state, encoder in states.items():
        plane = principal_plane(np.concatenate([_embed(encoder, i) for i in images]))
        drawn += [
            charts.scatter(f"{state}, by {kind}", plane, group.tolist(), labels[kind])
            for kind, group in groups.items()
        ]
    return f'<div class="grid-of close">{"".join(drawn)}</div>'


def principal_plane(values: np.ndarray) -> np.ndarray:
    """The two first principal components of float [N, D], float [N, 2]."""
    centred = values - values.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :2] * lengths[:2]


def _encoder(record: RunRecord, run) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(record.config.seed)
    tf.keras.mixed_precision.set_global_policy("float32")
    encoder = networks.build_encoder(
        record.config.network, record.preprocessing.size_px
    )
    if run is not None:
        path = RunFolder(run).final_checkpoint()
        checkpoints.read_parts(path, {"encoder": encoder})
    return encoder


def _embed(encoder: tf.keras.Model, images: np.ndarray) -> np.ndarray:
    return encoder(images, training=False)[-1].numpy().mean(axis=(1, 2))
