"""Masks as files that viewers open with names and colours.

Beside the masks lies a label description file of ITK-SNAP. A mask may be a segmentation
of 3D Slicer, `.seg.nrrd`, which holds the names and colours itself (Slicer's developer
guide, "Segmentation labelmap file format").
"""

import logging
import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Optional

import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import dicom_series, formats, image_writing
from dscl_tf.config import masks
from dscl_tf.inference.structures import Structure

LABELS = "labels.txt"
_SEGMENTATION = "Binary labelmap"
_LOG = logging.getLogger(__name__)


def targets(
    inputs: Sequence[pathlib.Path],
    output: files.PathLike,
    mask_format: str,
    named: Optional[Mapping[pathlib.Path, str]] = None,
) -> list[pathlib.Path]:
    """The files of the masks.

    Args:
      inputs: the images.
      output: folder of the masks.
      mask_format: one of `masks.MASK_FORMATS`. "input": the image's name and format,
        or for a DICOM series the case's name and NIfTI; "seg_nrrd": the same name
        with the suffix .seg.nrrd.
      named: names to use for inputs that stand for several files.

    Raises:
      UserError: two images would have the same mask file.
    """
    inputs_of = defaultdict(list)
    for path in inputs:
        name = (named or {}).get(path, path.name)
        if formats.is_dicom(path):
            name = f"{dicom_series.of(path).name}.nii.gz"
        if mask_format == masks.SEG_NRRD:
            name = f"{formats.strip_suffix(name)}.seg.nrrd"
        inputs_of[name].append(path)
    for name, paths in inputs_of.items():
        if len(paths) > 1 and formats.is_dicom(paths[0]):
            raise errors.UserError(
                f"--input: {paths[0]} and {paths[1]} belong to one DICOM series, "
                f"whose mask is {name}: put its files into one folder, or move one "
                "elsewhere."
            )
        if len(paths) > 1:
            raise errors.UserError(
                f"--input {paths[0].parent}: {paths[0].name} and {paths[1].name} would "
                f"both have the mask {name}: rename one of them, or leave "
                "--mask_format out."
            )
    return [pathlib.Path(output) / name for name in inputs_of]


def require_no_input(
    inputs: Sequence[pathlib.Path], targets: Sequence[pathlib.Path]
) -> None:
    """Refuses masks that would replace an image, also through a link.

    Raises:
      UserError: naming the first such mask.
    """
    images = {path.resolve(): path for path in inputs}
    for target in targets:
        image = images.get(target.resolve())
        if image is not None:
            raise errors.UserError(
                f"--output {target.parent}: the mask {target.name} would replace "
                f"{target.resolve()}, which is the input {image}: choose another "
                "folder."
            )


def check_target(target: pathlib.Path, source: files.PathLike) -> None:
    """Refuses a format in which a mask cannot be written whole or not at all.

    Raises:
      UserError: its voxels would be in a second file.
    """
    if formats.suffix_of(target.name) in image_writing.HEADER_SUFFIXES:
        raise errors.UserError(
            f"{source} keeps its voxels in a second file, so its mask could not be "
            "written in one step: convert it to .mha, .nrrd or .nii.gz first, or ask "
            "for --mask_format=seg_nrrd."
        )


def write(
    mask: sitk.Image,
    target: pathlib.Path,
    structures: Sequence[Structure],
    source: Optional[files.PathLike] = None,
) -> None:
    """Writes a mask in the format of the target's suffix, whole or not at all.

    Args:
      mask: integer image, 2-D or 3-D.
      target: the file. A `.seg.nrrd` is 3-D, with the structures as segments.
      structures: those that the mask may have.
      source: the image; if both are NIfTI, the mask gets its qform and sform.

    Raises:
      UserError: the file cannot be written.
    """
    if target.name.endswith(".seg.nrrd"):
        mask = _segmentation(mask, structures)
    image_writing.write_image(mask, target, source)


def _segmentation(mask: sitk.Image, structures: Sequence[Structure]) -> sitk.Image:
    said = {key: mask.GetMetaData(key) for key in mask.GetMetaDataKeys()}
    # Slicer needs three axes even for a single slice.
    mask = sitk.JoinSeries([mask]) if mask.GetDimension() == 2 else sitk.Image(mask)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()  # It takes most of the time.
    shapes.Execute(mask)
    fields = {
        **said,  # Such as `mask_origins.note`; a copy loses them.
        "Segmentation_ContainedRepresentationNames": f"{_SEGMENTATION}|",
        "Segmentation_SourceRepresentation": _SEGMENTATION,
        # The same field's name in versions before 5.4.
        "Segmentation_MasterRepresentation": _SEGMENTATION,
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for number, structure in enumerate(structures):
        about = {
            "ID": f"Segment_{structure.value}",
            "Name": _one_line(structure.name),
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{part / 255:.6f}" for part in structure.rgb),
            "ColorAutoGenerated": "0",
            "Extent": _extent(shapes, structure.value),
            "LabelValue": str(structure.value),
            "Layer": "0",
        }
        fields |= {f"Segment{number}_{key}": it for key, it in about.items()}
    for key, text in fields.items():
        mask.SetMetaData(key, text)
    return mask


def _extent(shapes: sitk.LabelShapeStatisticsImageFilter, value: int) -> str:
    """First and last index along each axis; 0 and -1 if no voxel has the value."""
    if not shapes.HasLabel(value):
        return "0 -1 0 -1 0 -1"
    box = shapes.GetBoundingBox(value)
    ends = [(low, low + size - 1) for low, size in zip(box[:3], box[3:])]
    return " ".join(str(index) for pair in ends for index in pair)


def _one_line(name: str) -> str:
    return " ".join(name.split())


def write_label_descriptions(
    structures: Sequence[Structure], folder: files.PathLike, overwrite: bool
) -> None:
    """Writes ITK-SNAP's label descriptions of masks into their folder.

    A different file of that name is kept, with a warning, unless `overwrite` is set.

    Raises:
      UserError: the file cannot be written.
    """
    path = pathlib.Path(folder) / LABELS
    text = label_descriptions(structures)
    try:
        is_there = path.exists() and path.read_bytes() == text.encode("utf-8")
    except OSError as error:
        raise errors.UserError(
            f"{path}: expected the masks' label descriptions, found what cannot be "
            f"read ({error.strerror}): move it elsewhere, or choose another --output."
        ) from None
    if is_there:
        return
    if path.exists() and not overwrite:
        _LOG.warning(
            "%s lists other structures or was not written by this program; it is kept. "
            "--overwrite replaces it.",
            path,
        )
        return
    files.write_text(path, text)


def label_descriptions(structures: Sequence[Structure]) -> str:
    """The text of ITK-SNAP's label description file.

    A line has the value, red, green and blue (0 to 255), opacity, whether the label is
    visible in slices and in 3-D, and the name in quotes.
    """
    rows = [(0, 0, 0, 0, 0, 0, 0, "Clear Label")]
    rows += [(it.value, *it.rgb, 1, 1, 1, it.name) for it in structures]
    lines = ["# ITK-SnAP Label Description File", "# IDX R G B A VIS MSH LABEL"]
    for *numbers, name in rows:
        quoted = _one_line(name).replace('"', "'")
        columns = "".join(f"{number:>6}" for number in numbers)
        lines.append(f'{columns}  "{quoted}"')
    return "\n".join(lines) + "\n"
