"""Checks whether evaluations were made with the weights that a run has now."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dscl_tf import errors
from dscl_tf.inference import evaluated, predictor, summary
from dscl_tf.training import run_folder
from dscl_tf.training.run_folder import RunFolder

_OTHER = (
    "This is not of the weights that the run has now, but of others: those before it "
    "was given more steps or trained again, those of its last step (--weights=last), "
    "or another model's. dscl-evaluate with --overwrite puts an evaluation of the "
    "present ones in its place."
)
_NONE_NOW = (
    "This is not of the weights that the run has now: it has none, since it is being "
    "trained, or given more steps."
)
_UNKNOWN = "Whether this is of the run's weights as they are now cannot be told: "


def remarks(
    evaluations: Sequence[tuple[str, Path]], runs: Mapping[str, RunFolder]
) -> dict[str, str]:
    """A sentence for each evaluation that is not of the last segmenter's weights.

    Args:
      evaluations: names and folders.
      runs: runs of any stages by their names, in order.

    Returns:
      Sentences by the names of evaluations; empty where none is needed.

    Raises:
      UserError: a summary.json or a file of a run is damaged.
    """
    asked = {name: evaluated.model_id(folder) for name, folder in evaluations}
    segmenters = {name: run for name, run in runs.items() if _is_segmenter(run)}
    last = next(reversed(segmenters), "")
    said, why_not = {None: f"{_UNKNOWN}its {summary.FILE} has no model_id."}, ""
    for name, run in reversed(segmenters.items()):
        if said.keys() >= set(asked.values()):
            break  # Weights take seconds to read.
        try:
            # Ids are compared, not times of files, which mean nothing after a copy.
            segmenter = run_folder.load_segmenter(run.path)
        except errors.UserError as error:
            why_not = why_not or _UNKNOWN + str(error)
        else:
            model_id = predictor.settings_of(segmenter)["model_id"]
            of_other = f"This is of {name}, not of {last}."
            said.setdefault(model_id, "" if name == last else of_other)
    other = why_not or (_OTHER if segmenters else _NONE_NOW)
    return {name: said.get(it, other) for name, it in asked.items()}


def _is_segmenter(run: RunFolder) -> bool:
    """Whether a run has chosen weights; it has none while it is given more steps."""
    is_finetuning = run.read_record().config.stage == "finetune"
    return is_finetuning and run.read_result() is not None
