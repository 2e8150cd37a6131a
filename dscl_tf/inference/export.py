"""Writes a segmenter as a SavedModel that needs nothing of this project."""

import logging
import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from dscl_tf import errors, files
from dscl_tf.inference import predictor
from dscl_tf.training import run_folder

# Names of the entries of a SavedModel.
_ENTRIES = {"saved_model.pb", "fingerprint.pb", "keras_metadata.pb"}
_ENTRIES |= {"variables", "assets"}
_LOG = logging.getLogger(__name__)


def export_model(
    segmenter: run_folder.Segmenter,
    output: files.PathLike,
    overwrite: bool = False,
) -> bool:
    """Writes `segmenter` as a SavedModel, whole or not at all.

    The signature `serving_default` maps `image`, float32 [N, H, W, channels] of
    prepared slices, to `probabilities`, float32 [N, H, W, C]. Its program is float32
    whatever precision the run trained with; TensorFlow's option
    `auto_mixed_precision_onednn_bfloat16` runs it in bfloat16, as `Predictor` does.
    `assets/dscl_tf.json` holds the preprocessing settings (with the channels in the
    order of the input, if they were chosen from several), the label names (and their
    voxel values, if these are not the classes) and the model's id.

    Args:
      segmenter: a `training.run_folder.Segmenter`.
      output: the folder to write; a finished export of the same model is left alone.
      overwrite: replaces the export of another model.

    Returns:
      False if the same export was there already.

    Raises:
      UserError: if `output` is a file, holds something other than an export, holds
        the export of another model (without `overwrite`, or with other files beside
        it), or has a path that TensorFlow could not read from.
    """
    output = pathlib.Path(os.path.abspath(output))
    files.require_no_pattern(output)
    settings = predictor.settings_of(segmenter)
    if _is_finished(output, settings, overwrite):
        return False
    files.require_writable(output.parent)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # Beside the output: a rename within one file system is atomic.
        with tempfile.TemporaryDirectory(
            prefix=".partial-", dir=output.parent
        ) as folder:
            _write(segmenter, settings, pathlib.Path(folder), output)
    except (OSError, tf.errors.OpError) as error:
        raise files.cannot_write(output, error) from error
    return True


def _is_finished(output: pathlib.Path, settings: dict, overwrite: bool) -> bool:
    if output.is_file():
        raise errors.UserError(f"--output {output} is a file, expected a folder.")
    if not output.exists() or not any(output.iterdir()):
        return False
    asset = output / "assets" / predictor.SETTINGS_ASSET
    if not (output / "saved_model.pb").is_file() or not asset.is_file():
        # Never replaced, not even on demand: these are not our files.
        raise errors.UserError(
            f"--output {output} is not empty and holds no export: choose a new folder."
        )
    if files.read_json_object(asset, "settings asset") == settings:
        _LOG.info("%s already holds this export.", output)
        return True
    if not overwrite:
        raise errors.UserError(
            f"--output {output} holds the export of another model: choose a new "
            "folder, or give --overwrite to replace it."
        )
    others = sorted({entry.name for entry in output.iterdir()} - _ENTRIES)
    if others:
        raise errors.UserError(
            f"--output {output} has {len(others)} entries beside the export that "
            f"would be lost with it, such as {others[0]}: move them elsewhere, or "
            "choose a new folder."
        )
    return False


def _write(
    segmenter: run_folder.Segmenter,
    settings: dict,
    folder: pathlib.Path,
    output: pathlib.Path,
) -> None:
    settings_file = folder / predictor.SETTINGS_ASSET
    files.write_json(settings_file, settings)
    module = predictor.serving_module(segmenter)
    module.settings = tf.saved_model.Asset(str(settings_file))
    tf.saved_model.save(module, str(folder / "export"), signatures=module.serve)
    replaced = folder / "replaced"
    try:
        if output.exists():
            os.replace(output, replaced)
        os.replace(folder / "export", output)
    except BaseException:
        if replaced.exists() and not output.exists():
            os.replace(replaced, output)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
