"""One interface to a trained segmenter, whether a training run or an export.

Both hold a float32 program whatever precision the run trained with, so that a run and
its export give the same masks, and in float32 the same on every machine. For bfloat16
TensorFlow rewrites that program at run time, so that no other export is needed.
"""

import concurrent.futures
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy as np
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, config_json, errors, files
from dscl_tf.cohort import geometry, parallel, preprocessing
from dscl_tf.cohort import label_values as values_of
from dscl_tf.inference import components, ensembles, model_runs, precisions
from dscl_tf.training import run_folder, runtime

# Slices per call; bounds the memory and does not change the result. On a CPU, the
# features of a few slices fit into the caches, and calls run in parallel.
BATCH_SIZE = 2
GPU_BATCH_SIZE = 16
SETTINGS_ASSET = "dscl_tf.json"
FORMAT = 1  # Of the settings asset.


class Predictor:
    """Segments stacks of prepared slices, and volumes in their own geometry.

    Attributes:
      settings: the preprocessing that turns a volume into a stack of slices.
      label_names: name of each class; the first is the background.
      label_values: the voxel value of each class in the files of its dataset.
      model_id: identifies weights, settings and labels; a run and its export share it.
      runs: the fine-tuning runs that were opened; none for an export.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor], dict[str, tf.Tensor]],
        settings: config.PreprocessingConfig,
        label_names: tuple[str, ...],
        model_id: str,
        runs: Sequence[pathlib.Path] = (),
        batch_size: Optional[int] = None,
        precision: str = "float32",
        largest_component: Sequence[int] = (),
        label_values: Optional[Sequence[int]] = None,
    ):
        """Wraps `function`, which has the signature of an export.

        Args:
          function: float32 [N, H, W, channels] to {"probabilities": float32
            [N, H, W, C]}.
          settings: preprocessing of its input.
          label_names: C names.
          model_id: id of the model.
          runs: those that it was loaded from.
          batch_size: slices per call, the same for all calls; None: by the machine.
          precision: one of `precisions.PRECISIONS`; auto is bfloat16 on a processor
            that multiplies it and without a GPU, else float32.
          largest_component: labels for `components.keep_largest`.
          label_values: C voxel values; None: the classes.

        Raises:
          UserError: `precision` is none of these.
        """
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        runtime.promise_float32()
        self._function = function
        self._batch_size = batch_size or (GPU_BATCH_SIZE if has_gpu else BATCH_SIZE)
        self._threads = 1 if has_gpu else parallel.num_cores()
        self._bfloat16 = precisions.is_bfloat16(precision)
        self.settings = settings
        self._shape = (*settings.size_px, settings.num_channels)
        self.label_names = tuple(label_names)
        self.label_values = values_of.of_classes(label_values, len(self.label_names))
        self.model_id = model_id
        self._largest_component = tuple(largest_component)
        self.runs = tuple(runs)

    def probabilities(self, slices: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared slices.

        Args:
          slices: float32 [Q, rows, columns, channels], as in `settings`; with one
            channel also [Q, rows, columns]. Q may be 0.

        Returns:
          float32 [Q, rows, columns, C].

        Raises:
          ValueError: an array of another shape, or not of real numbers.
          UserError: NaN or infinite values.
        """
        slices = self._checked(slices)
        if not len(slices):
            shape = [0, *self.settings.size_px, len(self.label_names)]
            return np.zeros(shape, np.float32)
        starts = range(0, len(slices), self._batch_size)
        parts = [slices[start : start + self._batch_size] for start in starts]
        # A new pool, since a thread reads TensorFlow's options at its first call only.
        with (
            precisions.rewriting(self._bfloat16),
            concurrent.futures.ThreadPoolExecutor(self._threads) as pool,
        ):
            return np.concatenate(list(pool.map(self._batch, parts)))

    def _checked(self, slices: np.ndarray) -> np.ndarray:
        """The slices as float32 [Q, rows, columns, channels], all finite."""
        found = np.asarray(slices)
        whole = found[..., None] if found.ndim == 3 else found
        if whole.dtype.kind in "cOSUMm":
            raise ValueError(f"Slices of real numbers expected, found {found.dtype}.")
        if whole.shape[1:] != self._shape:
            raise ValueError(
                f"Slices of {self.settings.size_px} pixels and {self._shape[-1]} "
                f"channels expected, found an array of shape {found.shape}."
            )
        whole = whole.astype(np.float32, copy=False)
        bad = np.count_nonzero(~np.isfinite(whole))
        if bad:  # Their probabilities would look like any others.
            said = f"slices: found {bad} NaN or infinite values, expected numbers."
            raise errors.UserError(said)
        return whole

    def _batch(self, slices: np.ndarray) -> np.ndarray:
        # One shape for every call: another would trace the graph again.
        padded = np.zeros((self._batch_size, *self._shape), np.float32)
        padded[: len(slices)] = slices
        found = self._function(tf.constant(padded))["probabilities"].numpy()
        return found[: len(slices)]

    def segment(self, image: sitk.Image, *more: sitk.Image) -> sitk.Image:
        """The classes of `image`, uint8, with exactly its geometry.

        Args:
          image: the first channel; 3-D, of any real scalar type.
          more: the other channels, likewise, with the same geometry.

        Raises:
          UserError: as `preprocessing.prepare_images`: the images are not of this kind,
            have NaN or infinite values or no contrast, or are not one per channel.
        """
        slices, grid = preprocessing.prepare_images([image, *more], self.settings)
        return self.mask_of(self.probabilities(slices), grid, image)

    def mask_of(
        self, probabilities: np.ndarray, grid: sitk.Image, original: sitk.Image
    ) -> sitk.Image:
        """The mask in the original geometry; some structures keep only one component.

        Training chose these structures by its validation volumes.
        """
        mask = geometry.restore_probabilities(probabilities, grid, original)
        return components.keep_largest(mask, self._largest_component)


def open_predictor(
    path: files.PathLike, precision: str = "float32", last: bool = False
) -> Predictor:
    """Opens an exported SavedModel, or one or several fine-tuning runs.

    Args:
      path: an export; a run, or a workdir that has one; or several runs or workdirs,
        separated by commas.
      precision: see `Predictor`.
      last: takes the weights after the last step of runs instead of the chosen ones.

    Raises:
      UserError: if `path` is none of them; the message says what was found.
    """
    if (pathlib.Path(path) / "saved_model.pb").is_file():
        if last:
            raise errors.UserError(
                f"--weights=last is for runs, but {path} is an export: export the run "
                "with it, or leave it out."
            )
        return _open_saved_model(pathlib.Path(path), precision)
    runs = model_runs.find_runs(path)
    return from_segmenter(ensembles.load(runs, last), runs, precision)


def from_segmenter(
    segmenter: run_folder.Segmenter,
    runs: Sequence[pathlib.Path] = (),
    precision: str = "float32",
) -> Predictor:
    """The predictor of a `training.run_folder.Segmenter`."""
    return Predictor(
        serving_module(segmenter).serve,
        segmenter.preprocessing,
        segmenter.label_names,
        settings_of(segmenter)["model_id"],
        runs,
        precision=precision,
        largest_component=segmenter.largest_component,
        label_values=segmenter.label_values,
    )


def serving_module(segmenter: run_folder.Segmenter) -> tf.Module:
    """A module whose `serve` is what an export computes.

    Returns:
      A module with `serve`: `image` [N, H, W, channels] to {"probabilities":
      [N, H, W, C]}, and `weights`. It does not hold the Keras model itself, which
      would save its layers' own programs with every export.
    """
    model = segmenter.model
    shape = [None, *model.input_shape[1:]]
    signature = [tf.TensorSpec(shape, tf.float32, "image")]

    @tf.function(input_signature=signature, autograph=False)
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(model(image, training=False))}

    module = tf.Module()
    module.weights = model.variables
    module.serve = serve
    return module


def settings_of(segmenter: run_folder.Segmenter) -> dict[str, Any]:
    """Content of an export's settings asset: id, preprocessing and label names."""
    preprocessing_json = config_json.to_json(segmenter.preprocessing)
    # Left out at their old meaning, so that ids of existing models do not change.
    for name, before in (("orientation", None), ("on_voxels", False)):
        if preprocessing_json[name] is before:
            del preprocessing_json[name]
    settings = {
        "format": FORMAT,
        "preprocessing": preprocessing_json,
        "label_names": list(segmenter.label_names),
    }
    if segmenter.largest_component:  # Else left out, for the same reason.
        settings["largest_component"] = list(segmenter.largest_component)
    if segmenter.label_values is not None:
        settings["label_values"] = list(segmenter.label_values)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for weight in segmenter.model.get_weights():
        digest.update(str(weight.shape).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return {**settings, "model_id": digest.hexdigest()[:16]}


def read_settings(export: pathlib.Path) -> dict[str, Any]:
    """Reads what `settings_of` wrote into an export.

    Raises:
      UserError: if it is missing or of another format.
    """
    path = export / "assets" / SETTINGS_ASSET
    content = files.read_json_object(path, "settings asset of the SavedModel")
    missing = {"preprocessing", "label_names", "model_id"} - set(content)
    if content.get("format") != FORMAT or missing:
        raise errors.UserError(
            f"The SavedModel's {path} has format {content.get('format')!r}, expected "
            f"{FORMAT} with preprocessing, label_names and model_id: export the run "
            "again with this version."
        )
    return content


def _open_saved_model(path: pathlib.Path, precision: str) -> Predictor:
    files.require_no_pattern(path)
    settings = read_settings(path)
    preprocessing_config = config_json.from_json(
        config.PreprocessingConfig, settings["preprocessing"], f"{path} preprocessing"
    )
    label_names = config_json.from_json(
        tuple[str, ...], settings["label_names"], f"{path} label_names"
    )
    serve = _signature(path)
    found = serve.structured_outputs["probabilities"].shape[-1]
    if found != len(label_names):
        raise errors.UserError(
            f"The SavedModel {path} gives {found} classes but names {label_names}."
        )
    return Predictor(
        serve,
        preprocessing_config,
        label_names,
        settings["model_id"],
        precision=precision,
        largest_component=config_json.from_json(
            tuple[int, ...],
            settings.get("largest_component", []),
            f"{path} largest_component",
        ),
        label_values=_label_values(settings, len(label_names), path),
    )


def _label_values(
    settings: dict[str, Any], num_classes: int, path: pathlib.Path
) -> Optional[tuple[int, ...]]:
    if "label_values" not in settings:
        return None
    where = f"{path} label_values"
    found = config_json.from_json(tuple[int, ...], settings["label_values"], where)
    if len(found) != num_classes:
        raise errors.UserError(
            f"{where}: found {list(found)}, expected {num_classes}, one for each class."
        )
    return found


def _signature(path: pathlib.Path) -> Any:
    runtime.take_memory_as_needed()
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = errors.first_line(error)
        raise errors.UserError(f"Cannot load the SavedModel {path}: {reason}") from None
    serve = loaded.signatures.get("serving_default")
    if serve is None or "probabilities" not in serve.structured_outputs:
        raise errors.UserError(
            f"The SavedModel {path} has no signature serving_default with an output "
            "'probabilities': --model expects one written by bin/export.py."
        )
    # A signature does not own its weights: without this they would be freed.
    serve.owner = loaded
    return serve
