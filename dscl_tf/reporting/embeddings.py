"""Slices in a plane, before and after pre-training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import slice_embeddings
from dscl_tf.inference.slice_embeddings import Slices
from dscl_tf.reporting import figures
from dscl_tf.reporting.figures import Chart
from dscl_tf.reporting.page import Section
from dscl_tf.training import probe
from dscl_tf.training.run_folder import RunFolder


def section(
    runs: Sequence[tuple[str, Path]], cohort: Optional[PreparedCohort], why_not: str
) -> Section:
    """Charts for those finished stages that trained an encoder without labels.

    `runs` are names and folders of stages. Without the cohort the section says why not.
    """
    parts = []
    for name, run in runs if cohort else ():
        if not (run / "config.json").exists():
            parts.append({"name": name, "absent": f"{run} no longer exists."})
        elif RunFolder(run).read_record().config.stage in slice_embeddings.STAGES:
            parts.append({"name": name, "absent": "", **_part(run, cohort)})
    data = {"parts": parts, "why_not": why_not}
    return Section("embeddings", "Embeddings of slices", "embeddings", data)


def _part(run: Path, cohort: PreparedCohort) -> dict[str, Any]:
    try:
        slices, states = slice_embeddings.before_and_after(run, cohort)
    except errors.UserError as error:
        return {"absent": f"No embeddings of {run.name}: {error}"}
    charts = [
        _chart(state, values, slices, by)
        for state, values in states.items()
        for by in ("partition", "volume")
    ]
    counts = {"num_slices": len(slices.volume), "num_volumes": len(slices.images)}
    return {"charts": charts, **counts}


def _chart(state: str, values: np.ndarray, slices: Slices, by: str) -> Chart:
    """Slices in a state's own principal plane, marked by partition or by volume."""
    plane, shares = slice_embeddings.principal_plane(values)
    note = f"Axes: {shares[0]:.0%} and {shares[1]:.0%} of the variance."
    title = f"{state}, by {by}"
    if by == "volume":
        return figures.scatter(title, plane, slices.volume, slices.names, note, "s")
    found = slices.partition
    note += (
        f" Of {probe.partition_accuracy(values, slices.subject, found):.0%} of the "
        "slices, the nearest one of another subject is of the same partition."
    )
    names = [f"partition {k + 1}" for k in range(found.max() + 1)]
    return figures.scatter(title, plane, found, names, note, "p")
