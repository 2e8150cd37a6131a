"""A run is a folder: settings, checkpoints, TensorBoard events, log, result."""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Mapping
from typing import Optional

import tensorflow as tf

from dscl_tf import config, errors, files, locks, networks
from dscl_tf.training import checkpoints, records, runtime
from dscl_tf.training.records import RunRecord

_LOG = logging.getLogger(__name__)
_ORDER = ("encoder", "pretext", "decoder", "finetune")  # The order of stages.


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A trained network with what is needed to use it on a new scan."""

    model: tf.keras.Model  # float32 [N, H, W, channels] to logits [N, H, W, C].
    preprocessing: config.PreprocessingConfig
    label_names: tuple[str, ...]
    # Labels of which masks keep one connected component; 0: all labels together.
    largest_component: tuple[int, ...] = ()
    # The voxel value of each class in mask files; None: the class numbers themselves.
    label_values: Optional[tuple[int, ...]] = None


class _LogFile(logging.FileHandler):
    """Loses lines on a full disk: the checkpoint that fails reports the error."""

    def handleError(self, record: logging.LogRecord) -> None:
        del record

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def _is_written_by(logger: logging.Logger, path: pathlib.Path) -> bool:
    return any(
        pathlib.Path(handler.baseFilename).resolve() == path.resolve()
        for handler in logger.handlers
        if isinstance(handler, logging.FileHandler)
    )


class RunFolder:
    """Where one stage of one run keeps its files."""

    def __init__(self, folder: files.PathLike):
        self.path = pathlib.Path(folder)

    @property
    def config_file(self) -> pathlib.Path:
        return self.path / "config.json"

    @property
    def result_file(self) -> pathlib.Path:
        return self.path / "result.json"

    def start(self, record: RunRecord) -> None:
        """Writes the record, or checks it against that of a run that has begun.

        A record of more steps is accepted, but not written yet. A run that was refused
        before its first checkpoint leaves only a record, which the new one replaces.

        Raises:
          UserError: the folder belongs to a run with other settings, or its path has
            characters that the path of a checkpoint may not have.
        """
        files.require_no_pattern(self.path)
        if not self.has_begun():
            files.write_json(self.config_file, records.to_json(record))
        elif self.steps_added(record) <= 0:
            self.refuse_other(record)

    def refuse_other(self, record: RunRecord) -> None:
        """Refuses a record that describes a run other than the one in the folder.

        Raises:
          UserError: naming what differs.
        """
        found = records.differences(self.read_record(), record)
        if found:
            raise errors.UserError(
                f"{self.path} holds a run with other settings: {found}. Use another "
                "--workdir, or the settings of that run."
            )

    def steps_added(self, record: RunRecord) -> int:
        """How many more steps a record has than the run; see `records.steps_added`."""
        if not self.has_begun():
            return 0
        return records.steps_added(self.read_record(), record)

    def has_begun(self) -> bool:
        """Whether it holds a run with a checkpoint, or with a result."""
        return self.has_weights() and self.config_file.exists()

    def has_weights(self) -> bool:
        """Whether there is a checkpoint, or a result, whether of a known run or not."""
        return self.has_checkpoint() or self.result_file.exists()

    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to resume from; best weights do not count."""
        return (self.path / "checkpoints" / "checkpoint").exists()

    def read_record(self) -> RunRecord:
        """The record of an existing run.

        Raises:
          UserError: there is none, or it is not valid.
        """
        content = files.read_json_object(self.config_file, "run's config")
        return records.from_json(content, str(self.config_file))

    def read_result(self) -> Optional[dict]:
        """The result of a finished run; None when it has not finished."""
        if not self.result_file.exists():
            return None
        return files.read_json_object(self.result_file, "run's result")

    def largest_component(self, num_classes: int) -> tuple[int, ...]:
        """The labels of which masks keep one component, according to a finished run.

        0 stands for all structures together (`inference.components`).

        Raises:
          UserError: the result file holds values that are not labels of the run.
        """
        found = (self.read_result() or {}).get("largest_component", [])
        if not isinstance(found, list) or not all(
            type(each) is int and 0 <= each < num_classes for each in found
        ):
            raise errors.UserError(
                f"{self.result_file}: largest_component must be a list of labels from "
                f"0 to {num_classes - 1}, found {found!r}."
            )
        return tuple(found)

    def finish(self, checkpoint: pathlib.Path, step: int, scores: Mapping) -> None:
        """Marks the run as finished, with the checkpoint to use."""
        relative = str(checkpoint.relative_to(self.path))
        files.write_json(
            self.result_file, {"checkpoint": relative, "steps": step, **scores}
        )

    def final_checkpoint(self) -> pathlib.Path:
        """The checkpoint that later stages and users take.

        Raises:
          UserError: the run has not finished, or TensorFlow cannot read from its path.
        """
        files.require_no_pattern(self.path)
        result = self.read_result()
        if result is None:
            raise errors.UserError(
                f"{self.path} is not a finished run (no result.json): train it to its "
                "end first, with the command that started it or gave it more steps."
            )
        name = result.get("checkpoint")
        path = self.path / str(name).replace("\0", "")  # No path may contain NUL.
        if (
            not isinstance(name, str)
            or "\0" in name
            or self.path.resolve() not in path.resolve().parents
        ):
            raise errors.UserError(
                f"{self.result_file}: checkpoint must be a path inside the run folder, "
                f"found {name!r}."
            )
        return path

    def last_checkpoint(self) -> pathlib.Path:
        """The checkpoint after the last step, whatever validation chose.

        Raises:
          UserError: the run has not finished, or its checkpoints are gone.
        """
        self.final_checkpoint()
        path = self.path / "checkpoints" / f"ckpt-{self.read_result().get('steps')}"
        if not path.with_name(path.name + ".index").is_file():
            raise errors.UserError(
                f"{self.path} has no checkpoint of its last step ({path} is expected): "
                "leave --weights=last out, or train it again."
            )
        return path

    def held(self) -> contextlib.AbstractContextManager:
        """Within the block, no other process may train in the folder (`locks.held`)."""
        return locks.held(self.path, "--workdir")

    @contextlib.contextmanager
    def log_file(self) -> Iterator[None]:
        """Within the block, what the library logs also goes to log.txt.

        A file that is logged to already is not opened again: an experiment's task may
        have opened that of its only run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / "log.txt"
        logger = logging.getLogger("dscl_tf")
        if _is_written_by(logger, path):
            yield
            return
        handler = _LogFile(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()


def runs_in(folder: pathlib.Path) -> dict[str, RunFolder]:
    """Run folders by name, in the order in which the stages follow each other.

    Raises:
      UserError: there is none, or a record is damaged.
    """
    found = [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]
    runs = [RunFolder(path) for path in found if (path / "config.json").exists()]
    if not runs:
        raise errors.UserError(
            f"{folder} holds neither an experiment (results.json) nor a run "
            "(config.json, or stages with one): give the --workdir of dscl-experiment "
            "or of dscl-train."
        )
    runs.sort(key=lambda run: _place(run.read_record().config))
    return {run.path.resolve().name: run for run in runs}


def _place(stage: config.StageConfig) -> tuple[int, int]:
    """Sort key of a run: the place of its stage, then its round of fine-tuning."""
    return _ORDER.index(stage.stage), stage.finetune.draw_number


def load_segmenter(folder: files.PathLike, last: bool = False) -> Segmenter:
    """The network of a finished fine-tuning run.

    The model computes in float32, whatever precision it was trained in.

    Args:
      folder: run folder of a fine-tuning stage.
      last: whether to take the weights after the last step, not those of the best
        validation.

    Raises:
      UserError: it is not such a run, has not finished, or is damaged.
    """
    run = RunFolder(folder)
    record = run.read_record()
    if record.config.stage != "finetune":
        raise errors.UserError(
            f"{run.path} is a run of the stage {record.config.stage!r}; only a "
            "fine-tuned run can segment."
        )
    return Segmenter(
        load_network(record, run.last_checkpoint() if last else run.final_checkpoint()),
        record.preprocessing,
        record.label_names,
        run.largest_component(len(record.label_names)),
        record.label_values,
    )


def load_network(record: RunRecord, checkpoint: pathlib.Path) -> tf.keras.Model:
    """The U-Net of a fine-tuning run, in float32.

    Raises:
      UserError: the checkpoint is missing, damaged, or of another network.
    """
    runtime.take_memory_as_needed()
    with runtime.float32_networks():
        model = networks.build_unet(
            record.config.network,
            record.preprocessing.size_px,
            len(record.label_names),
            record.preprocessing.num_channels,
        )
    parts = result_parts(record.config, unet_parts(model))
    checkpoints.read_parts(checkpoint, parts)
    return model


def result_parts(
    stage: config.StageConfig, parts: Mapping[str, tf.keras.Model]
) -> dict[str, tf.keras.Model]:
    """Parts by the names under which a run of a stage stores its result.

    If the result is an average of the weights, the segmenter's parts get its names.
    """
    if stage.stage != "finetune" or not stage.finetune.average_decay:
        return dict(parts)
    return averaged(parts)


def unet_parts(unet: tf.keras.Model) -> dict[str, tf.keras.Model]:
    """A U-Net's parts by the names under which stages hand them over."""
    return {
        "encoder": unet.get_layer("encoder"),
        **decoder_parts(unet.get_layer("decoder")),
        "classifier": unet.get_layer("classifier"),
    }


def averaged(parts: Mapping[str, tf.keras.Model]) -> dict[str, tf.keras.Model]:
    """Gives the segmenter's parts the names of those of its weights' average."""
    of_segmenter = ("encoder", "decoder", "classifier")
    return {
        f"average_{name}" if name.startswith(of_segmenter) else name: part
        for name, part in parts.items()
    }


def decoder_parts(decoder: tf.keras.Model) -> dict[str, tf.keras.Model]:
    """A decoder's blocks by name."""
    return {
        layer.name: layer
        for layer in decoder.layers
        if layer.name.startswith("decoder_block_")
    }
