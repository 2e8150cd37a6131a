"""Compares a segmenter's masks with the truth, at the original resolution."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import Any, Optional

import SimpleITK as sitk

from dscl_tf import config, errors, files, locks
from dscl_tf.cohort import (
    channels,
    image_writing,
    label_values,
    prepared,
    sparse,
)
from dscl_tf.config import masks
from dscl_tf.inference import (
    evaluated,
    evaluation_pictures,
    former,
    log_tables,
    metrics,
    originals,
    subsets,
    summary,
)
from dscl_tf.inference import predictor as predictors

SUMMARY = summary.FILE
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """Which volumes to evaluate on, and where the results go."""

    prepared: str  # Folder of the prepared cohort.
    output: str
    subset: str = "test"  # One of `subsets.SUBSETS`; "all": every labelled volume.
    split: Optional[config.SplitConfig] = None  # None: the one the run recorded.
    overwrite: bool = False  # Evaluates again what has been evaluated.
    pictures: bool = True  # Writes overlays/ and contact_sheet.png.
    nsd_tolerance_mm: Optional[float] = None  # None: without surface Dice.
    mask_values: str = masks.DATASET  # One of `masks.MASK_VALUES`.


def evaluate(
    predictor: predictors.Predictor, settings: EvaluationConfig
) -> dict[str, Any]:
    """Evaluates a segmenter and writes the results into the output folder.

    These are masks/, overlays/, contact_sheet.png, cases.csv and summary.json, which
    is written last and so marks a complete evaluation. Volumes are predicted from
    their prepared arrays, which gives the same masks as `predict` for the original
    files. A finished evaluation of the same model, volumes and figures is not
    repeated; missing pictures are drawn.

    Returns:
      The content of summary.json (see `summary.summarise`).

    Raises:
      UserError: if model and cohort do not fit each other, the subset has no labelled
        volume, an original file is missing or has changed, or the folder holds another
        or a damaged evaluation and `overwrite` is not set.
    """
    cohort = prepared.PreparedCohort.open(settings.prepared)
    _check_fit(predictor, cohort)
    values = _values(cohort, settings.mask_values)
    chosen = subsets.choose(predictor, cohort, settings.subset, settings.split)
    originals.check_orientation(predictor, cohort, chosen)
    originals.check_there(chosen)
    output = pathlib.Path(settings.output)
    identity = {
        "model_id": predictor.model_id,
        "cohort_id": cohort.content_id,
        "subset": settings.subset,
        "volumes": [volume.name for volume in chosen],
        "nsd_tolerance_mm": settings.nsd_tolerance_mm,
    }
    if cohort.label_values is not None:
        # The masks' voxel values, which are also the structures' keys in the summary.
        identity["mask_values"] = list(values)
    finished = _finished(output, identity, settings.overwrite)
    if finished:
        _LOG.info("%s already holds this evaluation.", output)
        if settings.pictures:
            evaluation_pictures.draw_missing(cohort, output)
        return finished
    former.require_removable(output, cohort, settings.overwrite)
    files.require_writable(output)
    with locks.held(output, "--output"):
        # Another process may have finished it in the meantime.
        finished = _finished(output, identity, settings.overwrite)
        if finished:
            return finished
        if os.path.lexists(output / SUMMARY):
            # Before it is removed, so that it is not lost to a label that has changed.
            for volume in chosen:
                originals.read_checked(cohort, volume)
        with former.begun(output):
            former.remove(output, cohort)
            results = _evaluate_all(predictor, cohort, chosen, settings, values)
            return _summarise(results, cohort, settings, values, identity)


def _summarise(
    results: Sequence[summary.CaseResult],
    cohort: prepared.PreparedCohort,
    settings: EvaluationConfig,
    values: Sequence[int],
    identity: dict[str, Any],
) -> dict[str, Any]:
    """Writes the table of cases, then the summary as the last file."""
    output = pathlib.Path(settings.output)
    summary.write_table(results, cohort.label_names, output / summary.TABLE, values)
    tolerance_mm = settings.nsd_tolerance_mm
    content = summary.summarise(results, cohort.label_names, tolerance_mm, values)
    content |= identity
    files.write_json(output / SUMMARY, content)
    return content


def _check_fit(
    predictor: predictors.Predictor, cohort: prepared.PreparedCohort
) -> None:
    channels.require_same(
        "The model", predictor.settings, cohort.folder, cohort.settings
    )
    differing = [
        f"{field.name} ({getattr(cohort.settings, field.name)} instead of "
        f"{getattr(predictor.settings, field.name)})"
        for field in dataclasses.fields(predictor.settings)
        # Checked by `originals.check_orientation` and above; the cohort's grid is used.
        if field.name not in ("orientation", "channels", "on_voxels")
        and getattr(cohort.settings, field.name)
        != getattr(predictor.settings, field.name)
    ]
    if differing:
        raise errors.UserError(
            f"The cohort {cohort.folder} was prepared with other settings than the "
            f"model's: {', '.join(differing)}; prepare it again with the model's."
        )
    if tuple(cohort.label_names) != predictor.label_names:
        raise errors.UserError(
            f"The model segments {', '.join(predictor.label_names[1:])}; the cohort "
            f"{cohort.folder} has labels of {', '.join(cohort.label_names[1:])}."
        )


def _finished(
    output: pathlib.Path, identity: dict[str, Any], overwrite: bool
) -> Optional[dict[str, Any]]:
    """The content of summary.json, if it is that of this evaluation."""
    if overwrite or not (output / SUMMARY).is_file():
        return None
    content = evaluated.content_of(output)
    keys = {*identity, "mask_values"}
    differing = [key for key in sorted(keys) if content.get(key) != identity.get(key)]
    if differing:
        raise errors.UserError(
            f"--output {output} holds an evaluation of another "
            f"{', '.join(key.replace('_', ' ') for key in differing)}: choose another "
            "folder, or replace it with --overwrite."
        )
    if not {"intervals", "volume_bias"} <= content.keys():
        return None  # Written by an earlier version, which had fewer figures.
    evaluated.require_whole(output)
    return content


def _evaluate_all(
    predictor: predictors.Predictor,
    cohort: prepared.PreparedCohort,
    chosen: Sequence[prepared.PreparedVolume],
    settings: EvaluationConfig,
    values: Sequence[int],
) -> list[summary.CaseResult]:
    results, output = [], pathlib.Path(settings.output)
    pictures = evaluation_pictures.Pictures(output) if settings.pictures else None
    for number, volume in enumerate(chosen, 1):
        image, truth = originals.read_checked(cohort, volume)
        mask = _segment(predictor, cohort, volume)
        mask_file = output / "masks" / f"{volume.name}.nii.gz"
        said = label_values.in_values(mask, values)
        image_writing.write_image(said, mask_file, volume.image_file)
        tolerance_mm = settings.nsd_tolerance_mm
        result = _compare(cohort, volume, truth, mask, mask_file, tolerance_mm)
        results.append(result)
        if pictures:
            name = volume.name
            (view,) = evaluation_pictures.views_of(cohort, name, image, truth, [mask])
            pictures.add(view, result.dice)
        line = log_tables.case_line(result, cohort.label_names)
        _LOG.info("%d/%d %s", number, len(chosen), line)
    if pictures:
        pictures.finish()
    return results


def _values(cohort: prepared.PreparedCohort, mask_values: str) -> tuple[int, ...]:
    """The voxel value of each class in masks: that of the dataset, or the class."""
    values = label_values.of_classes(cohort.label_values, cohort.num_classes)
    return label_values.of_masks(mask_values, values)


def _left_out(cohort, volume, truth: sitk.Image) -> summary.LeftOut:
    is_unknown = sitk.GetArrayViewFromImage(truth) == cohort.unknown
    known = sparse.is_labelled(cohort.label(volume.name), cohort.unknown)
    return summary.LeftOut(int(is_unknown.sum()), int((~known).sum()))


def _segment(
    predictor: predictors.Predictor,
    cohort: prepared.PreparedCohort,
    volume: prepared.PreparedVolume,
) -> sitk.Image:
    original = originals.blank(volume)
    grid = originals.grid_of(original, cohort.settings)
    probabilities = predictor.probabilities(cohort.slices(volume.name))
    return predictor.mask_of(probabilities, grid, original)


def _compare(
    cohort: prepared.PreparedCohort,
    volume: prepared.PreparedVolume,
    truth: sitk.Image,
    mask: sitk.Image,
    mask_file: pathlib.Path,
    nsd_tolerance_mm: Optional[float],
) -> summary.CaseResult:
    unknown = cohort.unknown
    return summary.CaseResult(
        name=volume.name,
        subject=volume.subject,
        prediction_file=os.path.abspath(mask_file),
        reference_file=str(volume.label_file),
        structures={
            label: metrics.structure_metrics(
                truth, mask, label, nsd_tolerance_mm, unknown
            )
            for label in range(1, cohort.num_classes)
        },
        left_out=None if unknown is None else _left_out(cohort, volume, truth),
    )
