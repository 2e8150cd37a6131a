"""DICOM files of synthetic series, written by pydicom."""

import pathlib

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
AXIAL = (1, 0, 0, 0, 1, 0)
PATIENT = {"PatientID": "MRN-4711", "PatientName": "Doe^Jane"}
PIXEL_MM = (0.8, 0.7)  # Between rows, between columns.


def _dataset(sop_class, **tags):
    """What every object has."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.FrameOfReferenceUID = generate_uid()
    ds.PositionReferenceIndicator = ""
    ds.Modality = "MR" if sop_class in (MR, ENHANCED_MR) else "CT"
    ds.SeriesNumber, ds.InstanceNumber = 3, 1
    ds.StudyDate, ds.StudyTime, ds.ContentDate = "20200101", "120000", "20200101"
    ds.ContentTime, ds.AccessionNumber, ds.StudyID = "120000", "77", "1"
    ds.PatientBirthDate, ds.PatientSex = "19700101", "F"
    ds.ReferringPhysicianName, ds.Manufacturer = "", "Maker"
    for keyword, value in {**PATIENT, **tags}.items():
        setattr(ds, keyword, value)
    return ds


def _set_pixels(ds, values):
    """Integer [rows, columns], or [frames, rows, columns]."""
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = 1
    ds.PixelData = values.astype("<i2").tobytes()


def save(ds, path):
    """Writes a dataset, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = int(pydicom.__version__.split(".")[0]) >= 3
    how = {"enforce_file_format": True} if is_new else {"write_like_original": False}
    if not is_new:
        ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.save_as(str(path), **how)
    return path


def positions(count, step_mm=(0, 0, 3.0), origin=(-20.0, 10.0, 5.0)):
    """Of slices at equal distances: float [count, 3]."""
    return np.array(origin) + np.arange(count)[:, None] * np.array(step_mm, float)


def write_series(
    folder, values, where=None, axes=AXIAL, sop_class=CT, start=0, more=None, **tags
):
    """A file a slice, in an order that is not that of the positions.

    Args:
      folder: of the files.
      values: integers [Q, rows, columns].
      where: positions [Q, 3].
      axes: direction cosines of rows and columns.
      sop_class: of the objects.
      start: the first number of the file names.
      more: further tags of each slice, in a list of dicts.
      tags: of the whole series.

    Returns:
      The files by slice.
    """
    where = positions(len(values)) if where is None else where
    common = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    common = {"FrameOfReferenceUID": generate_uid(), **common, **tags}
    paths = []
    for k, slice_values in enumerate(values):
        ds = _dataset(sop_class, **common)
        ds.ImagePositionPatient = [round(float(x), 6) for x in where[k]]
        ds.ImageOrientationPatient = list(axes)
        ds.PixelSpacing, ds.SliceThickness = list(PIXEL_MM), 2.5
        ds.InstanceNumber = len(values) - k
        ds.RescaleSlope, ds.RescaleIntercept = 2, -100
        for keyword, value in (more[k] if more else {}).items():
            setattr(ds, keyword, value)
        _set_pixels(ds, slice_values)
        number = start + (7 * k) % 101
        paths.append(save(ds, pathlib.Path(folder) / f"IM{number:04d}"))
    return paths


def write_enhanced(path, values, where=None, axes=AXIAL, sop_class=ENHANCED_MR, **tags):
    """One file of all frames, in the order given.

    A tag called frame_bvalues has the diffusion b-value of each frame, slopes its
    rescale slope.
    """
    where = positions(len(values)) if where is None else where
    b_values = tags.pop("frame_bvalues", None)
    slopes = tags.pop("slopes", [2] * len(values))
    ds = _dataset(sop_class, **tags)
    ds.NumberOfFrames = len(values)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", "NONE"]
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(PIXEL_MM), 2.5
    plane.ImageOrientationPatient = list(axes)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    for k in range(len(values)):
        frame, position, scale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [round(float(x), 6) for x in where[k]]
        scale.RescaleSlope, scale.RescaleIntercept = slopes[k], -100
        scale.RescaleType = "US"
        frame.PlanePositionSequence = [position]
        frame.PixelValueTransformationSequence = [scale]
        content = Dataset()
        content.DimensionIndexValues, content.StackID = [k + 1], "1"
        frame.FrameContentSequence = [content]
        if b_values:
            diffusion = Dataset()
            diffusion.DiffusionBValue = float(b_values[k])
            frame.MRDiffusionSequence = [diffusion]
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    _set_pixels(ds, values)
    return save(ds, path)


def write_report(path, **tags):
    """A structured report, which has no pixels."""
    return save(_dataset(STRUCTURED_REPORT, **tags), path)
