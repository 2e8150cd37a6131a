"""Which files of a folder are images to segment, by their names."""

import logging
import pathlib
from collections.abc import Sequence

from dscl_tf import errors
from dscl_tf.cohort import formats

_LOG = logging.getLogger(__name__)


def none_among(source: pathlib.Path, found: Sequence[pathlib.Path]) -> errors.UserError:
    """The UserError that says what was found where no image is."""
    folders = [path.name for path in found if path.is_dir()]
    said = f"found {len(found) - len(folders)} other files"
    if folders:
        said += (
            f" and {len(folders)} folders, such as {folders[0]}, which are searched "
            "for DICOM alone: give one of them as --input"
        )
    return errors.UserError(
        f"No image in --input {source}: expected names that end in "
        f"{', '.join(formats.SUFFIXES)}, or DICOM; {said}."
    )


def without_labels(inputs: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """Leaves out label maps that lie among the images."""
    stems = {path: formats.strip_suffix(path.name) for path in inputs}
    of_others = formats.labels_among(set(stems.values()))
    is_label = {
        path: stem in of_others or formats.is_segmentation(path.name)
        for path, stem in stems.items()
    }
    left_out = [path for path in inputs if is_label[path]]
    if left_out:
        _LOG.warning(
            "%d files named like label maps are left out, such as %s; with "
            "--files_are_cases they are treated as images.",
            len(left_out),
            left_out[0].name,
        )
    return [path for path in inputs if not is_label[path]]
