"""Numbers and pictures of a run: TensorBoard events and metrics.csv."""

import contextlib
import csv
import logging
import pathlib
import shutil
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from dscl_tf import errors, files

_LOG = logging.getLogger(__name__)
_FIELDS = ("step", "name", "value")


class Monitor:
    """Writes what a run reports; a resumed run continues the same files."""

    def __init__(self, folder: pathlib.Path, first_step: int):
        """Opens the files.

        Args:
          folder: the run folder.
          first_step: the step to resume from. Rows of later steps, left by a run that
            was killed after its last checkpoint, are dropped from metrics.csv. At 0,
            when there is no checkpoint, all TensorBoard events are deleted, too.
        """
        folder.mkdir(parents=True, exist_ok=True)
        events = folder / "tensorboard"
        if not first_step:
            shutil.rmtree(events, ignore_errors=True)
        self._folder = folder
        self._csv = folder / "metrics.csv"
        _keep_rows_up_to(self._csv, first_step)
        self._writer = tf.summary.create_file_writer(str(events))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Records numbers at `step`; those that are not finite are only logged."""
        odd = [name for name, value in values.items() if not np.isfinite(value)]
        for name in odd:
            _LOG.warning("At step %d %s is %s: not recorded.", step, name, values[name])
        values = {name: value for name, value in values.items() if name not in odd}
        with self._writing(), self._csv.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                (step, name, repr(float(value))) for name, value in values.items()
            )
        with self._writing(), self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        with self._writing():
            self._writer.flush()

    def picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Shows a picture, uint8 [H, W, 3], in TensorBoard."""
        with self._writing(), self._writer.as_default(step=step):
            tf.summary.image(name, pixels[None])

    def text(self, name: str, markdown: str) -> None:
        """Shows a text in TensorBoard."""
        with self._writing(), self._writer.as_default(step=0):
            tf.summary.text(name, markdown)

    def close(self) -> None:
        """Writes out what is buffered; a failure is only logged, the run is safe."""
        try:
            self._writer.close()
        except (tf.errors.OpError, OSError) as error:
            _LOG.warning("Cannot write %s: %s", self._folder, str(error).split("\n")[0])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            raise errors.UserError(
                f"Cannot write into {self._folder} ({errors.first_line(error)}). "
                "Free some space or make the folder writable; the same command goes on "
                "from the last checkpoint."
            ) from error


def _keep_rows_up_to(path: pathlib.Path, last_step: int) -> None:
    rows = []
    if path.exists():
        # A power cut may leave zeros or half a character at the end.
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = [
                row
                for row in csv.reader(line.replace("\0", "") for line in file)
                if len(row) == len(_FIELDS)
                and row[0].isdigit()
                and int(row[0]) <= last_step
            ]
    with (
        files.atomic_path(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([_FIELDS, *rows])
