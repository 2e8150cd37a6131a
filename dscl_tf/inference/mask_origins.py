"""Which model made a mask: a note in the header of its file."""

import pathlib
from collections.abc import Sequence

import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import label_values, volumes

# The field's name in NRRD; in NIfTI ITK writes it as `descrip`, of 79 characters.
_FIELD = "ITK_FileNotes"
_OURS = "dscl_tf: "


def note(mask: sitk.Image, model_id: str, values: Sequence[int]) -> None:
    """Adds the note of its origin to a mask, for the header of its file.

    Args:
      mask: changed in place.
      model_id: id of the predictor's model.
      values: voxel value of each class in the mask: the class itself, or that of the
        model's dataset.
    """
    mask.SetMetaData(_FIELD, _text(model_id, values))


def require(path: pathlib.Path, model_id: str, values: Sequence[int]) -> None:
    """Refuses a file whose header does not have the note of such a mask.

    Raises:
      UserError: it has another note or none, or cannot be read.
    """
    header = volumes.read_header(path)
    there = header.GetMetaData(_FIELD) if header.HasMetaDataKey(_FIELD) else ""
    if there.strip() == _text(model_id, values):
        return
    found = "of unknown origin"
    if there.startswith(_OURS):
        found = "of another model, or of other --mask_values"
    raise errors.UserError(
        f"{path}: found a mask {found}, expected one that this model wrote, from "
        "which a DICOM segmentation can be made: make it again with --overwrite, or "
        "choose another --output."
    )


def _text(model_id: str, values: Sequence[int]) -> str:
    are_classes = tuple(values) == label_values.of_classes(None, len(values))
    return f"{_OURS}model {model_id}, {'classes' if are_classes else 'dataset values'}"
