"""Writes the index of a cohort from the parts of its volumes."""

import hashlib
import json
import logging
import pathlib

from dscl_tf import config_json, files
from dscl_tf.cohort import label_values, prepared, requests
from dscl_tf.cohort.cases import Dataset
from dscl_tf.cohort.prepared import PreparedVolume
from dscl_tf.config import PreprocessingConfig

_LOG = logging.getLogger(__name__)


def write_index(
    output: pathlib.Path,
    settings: PreprocessingConfig,
    dataset: Dataset,
    found: list[dict],
    request: dict,
) -> None:
    """Writes the index; written last, it marks the cohort as complete.

    Args:
      output: folder of the cohort.
      settings: with the cohort's orientation.
      dataset: with its label values.
      found: the results of `parts.prepare_case`, one per case.
      request: from `requests.describe`.
    """
    kind = PreparedVolume
    volumes = [config_json.from_json(kind, part["volume"], "part") for part in found]
    identity = {
        "settings": request["settings"],
        "label_names": list(dataset.label_names),
        "checksums": {part["volume"]["name"]: part["checksums"] for part in found},
        # Part of the id, because splits are drawn by subject.
        **requests.subjects(dataset),
    }
    index = prepared.Index(
        format=prepared.FORMAT,
        content_id=hashlib.sha256(
            json.dumps(identity, sort_keys=True).encode()
        ).hexdigest()[:16],
        sources_id=request["sources_id"],
        settings=settings,
        label_names=dataset.label_names,
        volumes=tuple(volumes),
        label_values=label_values.of_dataset(dataset),
        labelled_slices=dataset.labelled_slices,
        ignore_label=dataset.ignore_label,
    )
    files.write_json(output / prepared.INDEX, config_json.to_json(index))
    _LOG.info("Prepared %d volumes in %s.", len(volumes), output)
