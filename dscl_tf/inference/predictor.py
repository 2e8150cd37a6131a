"""One way to call a trained segmenter, be it a training run or an export.

Both compute in float32 whatever precision the run trained with, so that a run and
its export give the same masks on every machine.
"""

import hashlib
import json
import os
import pathlib
from typing import Any, Callable, Optional, Union

import numpy as np
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import config, errors, files
from dscl_tf.cohort import geometry, preprocessing

BATCH_SIZE = 16  # Slices; bounds the memory, does not change the result.
SETTINGS_ASSET = "dscl_tf.json"
FORMAT = 1  # Of the settings asset.


class Predictor:
    """Segments stacks of prepared slices, and volumes in their own geometry.

    Attributes:
      settings: what a volume goes through before it is a stack of slices.
      label_names: name of each class; the first is the background.
      model_id: names weights, settings and labels; a run and its export share it.
      run: the fine-tuning run that was opened, None for an export.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor], dict[str, tf.Tensor]],
        settings: config.PreprocessingConfig,
        label_names: tuple[str, ...],
        model_id: str,
        run: Optional[pathlib.Path] = None,
        batch_size: int = BATCH_SIZE,
    ):
        """Wraps `function`, of the signature that an export has.

        Args:
          function: float32 [N, H, W, 1] to {"probabilities": float32 [N, H, W, C]}.
          settings: preprocessing of its input.
          label_names: C names.
          model_id: of the weights.
          run: the run that it came from.
          batch_size: slices a call; every call has as many.
        """
        self._function = function
        self._batch_size = batch_size
        self.settings = settings
        self.label_names = tuple(label_names)
        self.model_id = model_id
        self.run = run

    def probabilities(self, slices: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared slices.

        Args:
          slices: float32 [Q, rows, columns], of the size in `settings`.

        Returns:
          float32 [Q, rows, columns, C].

        Raises:
          ValueError: if the slices have another size.
        """
        if tuple(slices.shape[1:]) != tuple(self.settings.size_px):
            raise ValueError(
                f"Slices of {self.settings.size_px} pixels expected, found an array "
                f"of shape {slices.shape}."
            )
        shape = (*slices.shape, len(self.label_names))
        result = np.empty(shape, np.float32)
        for start in range(0, len(slices), self._batch_size):
            batch = slices[start : start + self._batch_size]
            result[start : start + len(batch)] = self._batch(batch)[: len(batch)]
        return result

    def _batch(self, slices: np.ndarray) -> np.ndarray:
        # One shape for every call: another would trace the graph again.
        padded = np.zeros((self._batch_size, *self.settings.size_px, 1), np.float32)
        padded[: len(slices), ..., 0] = slices
        return self._function(tf.constant(padded))["probabilities"].numpy()

    def segment(self, image: sitk.Image) -> sitk.Image:
        """The label volume of `image`, uint8, with exactly its geometry."""
        slices, grid = preprocessing.prepare_image(image, self.settings)
        return geometry.restore_probabilities(self.probabilities(slices), grid, image)


def open_predictor(path: Union[str, "os.PathLike[str]"]) -> Predictor:
    """Opens an exported SavedModel, a fine-tuning run, or a workdir that has one.

    Raises:
      UserError: if `path` is none of them; it says what was found.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise errors.UserError(
            f"No model folder at {path}: --model names an exported SavedModel, the "
            "folder of a fine-tuning run, or the --workdir that it was trained in."
        )
    if (path / "saved_model.pb").is_file():
        return _open_saved_model(path)
    return _open_run(find_run(path))


def find_run(path: Union[str, "os.PathLike[str]"]) -> pathlib.Path:
    """The fine-tuning run at `path` or in its folder `finetune`.

    Raises:
      UserError: if there is none; it says what was found.
    """
    path = pathlib.Path(path)
    for folder in (path, path / "finetune"):
        if (folder / "config.json").is_file() and _stage(folder) == "finetune":
            return folder
    if (path / "config.json").is_file():
        found = f"the run of a stage {_stage(path)!r}, which has no segmenter"
    else:
        names = sorted(entry.name for entry in path.iterdir())[:5]
        found = "found " + (", ".join(names) if names else "an empty folder")
    raise errors.UserError(
        f"No trained segmenter in {path}: expected saved_model.pb (an export), or "
        f"config.json of a stage 'finetune' (a run) here or in finetune/; {found}."
    )


def _stage(run: pathlib.Path) -> Any:
    content = files.read_json_object(run / "config.json", "run configuration")
    nested = content.get("config")
    return content.get("stage", nested.get("stage") if nested else None)


def _open_run(run: pathlib.Path) -> Predictor:
    # Imported here since an export must open without the training code.
    from dscl_tf.training import run_folder

    return from_segmenter(run_folder.load_segmenter(run), run)


def from_segmenter(segmenter: Any, run: Optional[pathlib.Path] = None) -> Predictor:
    """The predictor of a `training.run_folder.Segmenter`."""
    return Predictor(
        serving_module(segmenter).serve,
        segmenter.preprocessing,
        segmenter.label_names,
        settings_of(segmenter)["model_id"],
        run,
    )


def serving_module(segmenter: Any) -> tf.Module:
    """A module whose `serve` is what an export computes, in float32.

    Returns:
      A module with `serve`: `image` [N, H, W, 1] to {"probabilities": [N, H, W, C]},
      and `weights`. It does not hold the Keras model itself, which would save its
      layers' own programs with every export.
    """
    model = float32_copy(segmenter.model)
    rows, columns = segmenter.preprocessing.size_px

    @tf.function(
        input_signature=[tf.TensorSpec([None, rows, columns, 1], tf.float32, "image")]
    )
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(model(image, training=False))}

    module = tf.Module()
    module.weights = model.variables
    module.serve = serve
    return module


def float32_copy(model: tf.keras.Model) -> tf.keras.Model:
    """The functional `model` with the same weights, every layer in float32.

    A run that trained under mixed precision keeps float32 weights but computes in
    16 bits; its layers' policies are all that is changed.
    """

    def rebuild(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, tf.keras.Model):
            return tf.keras.models.clone_model(layer, clone_function=rebuild)
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = rebuild(model)
    copy.set_weights(model.get_weights())
    return copy


def settings_of(segmenter: Any) -> dict[str, Any]:
    """What an export says of itself: id, preprocessing and label names, as JSON."""
    settings = {
        "format": FORMAT,
        "preprocessing": config.to_json(segmenter.preprocessing),
        "label_names": list(segmenter.label_names),
    }
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


def _open_saved_model(path: pathlib.Path) -> Predictor:
    settings = read_settings(path)
    preprocessing_config = config.from_json(
        config.PreprocessingConfig, settings["preprocessing"], f"{path} preprocessing"
    )
    label_names = config.from_json(
        tuple[str, ...], settings["label_names"], f"{path} label_names"
    )
    serve = _signature(path)
    found = serve.structured_outputs["probabilities"].shape[-1]
    if found != len(label_names):
        raise errors.UserError(
            f"The SavedModel {path} gives {found} classes but names {label_names}."
        )
    return Predictor(serve, preprocessing_config, label_names, settings["model_id"])


def _signature(path: pathlib.Path) -> Any:
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
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
