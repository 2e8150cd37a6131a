#!/usr/bin/env python3
"""Segments image files with a trained model."""

from dscl_flags import binary, inference, masks, prediction

USAGE = """
dscl-predict --model=RUN|SAVEDMODEL --input=FILE|DIR --output=DIR

Writes one mask per image, of the same file name, and with exactly its size,
spacing, origin and direction, and labels.txt: names and colours for ITK-SNAP
(Segmentation, Import Label Descriptions). Voxels have the values of the labels that
the model learned from (--mask_values). --mask_format=seg_nrrd writes segmentations
for 3D Slicer. A model of several channels takes a folder with a file for each of
them (CASE_0000, CASE_adc), or 4-D files; the mask is called CASE. For DICOM
series masks are NIfTI; with --write_dicom_seg a DICOM segmentation lies beside each.
Existing masks are kept, and the log says so. A file that cannot be segmented is named,
and the others are still segmented; the exit code is then 1.
"""


def main() -> None:
    """Segments the files that the flags name."""
    source, output = prediction.source(), inference.output()
    channel, are_cases = prediction.channel(), prediction.files_are_cases()
    mask_format, mask_values = prediction.mask_format(), masks.mask_values()
    dicom_seg = prediction.write_dicom_seg()
    model, overwrite = inference.model(), inference.overwrite()
    # Imported after the flags are checked, since TensorFlow takes seconds to import.
    from dscl_tf.inference import channel_inputs, dicom_inputs, predict, predictor

    predict.check_places(source, output)
    opened = predictor.open_predictor(model, prediction.precision(), inference.last())
    channel_inputs.check_flags(opened.settings, channel, dicom_seg)
    inputs = predict.find_inputs(source, output, channel, are_cases, opened.settings)
    of_channels = None
    if channel is None and channel_inputs.are_wanted(opened.settings):
        of_channels = channel_inputs.group(source, inputs, opened.settings, are_cases)
        inputs = list(of_channels)
    if dicom_seg:
        dicom_inputs.require_series(inputs)
    predict.predict_files(
        opened,
        inputs,
        output,
        overwrite,
        channel,
        mask_format,
        mask_values,
        dicom_seg,
        of_channels,
    )


def cli() -> None:
    """Entry point of `dscl-predict`."""
    binary.run(main, [inference, masks, prediction], USAGE)


if __name__ == "__main__":
    cli()
