"""Which files of a folder are one case of a model of several channels."""

import pytest
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import file_channels
from dscl_tf.inference import channel_inputs, predict
from tests import miniatures


def group(folder, texts, **flags):
    settings = config.PreprocessingConfig(channels=file_channels.parse(texts))
    inputs = predict.find_inputs(folder, folder.parent / "m", settings=settings)
    return channel_inputs.group(folder, inputs, settings, **flags)


def masks(cases):
    """Of the cases without a fault."""
    return [case.mask for case in cases.values() if not case.fault]


@pytest.mark.parametrize(
    ("ends", "channels"),
    [
        (("_t2", "-ADC", "_flair"), ("t2", "flair")),
        (("_0000", "_0001", "_0002"), ("2", "0")),
        (("_t2", "_adc"), ("adc",)),  # Of a model of one channel that has a name.
    ],
)
def test_other_channels_of_a_case_are_left_out(tmp_path, caplog, ends, channels):
    folder = miniatures.channels(tmp_path, ends, num_volumes=2)
    cases = group(folder, channels)
    assert masks(cases) == ["case0.nii.gz", "case1.nii.gz"] and len(cases) == 2
    assert "channels that the model does not take are left out" in caplog.text
    for case in cases.values():
        names = [path.name.lower() for path, _ in case.images]
        assert len(names) == len(channels)
        for name, channel in zip(names, channels):
            assert channel in name


def test_a_channel_that_is_there_twice_is_refused(tmp_path):
    folder = miniatures.channels(tmp_path, ("_t2", "_adc"), num_volumes=1)
    image = sitk.Image(8, 8, 4, sitk.sitkFloat32)
    miniatures.write(image, folder / "case0_t2.nrrd")
    with pytest.raises(errors.UserError, match=r"two volumes called 'case0_t2'"):
        group(folder, ("t2", "adc"))


def test_a_file_of_no_channel_has_no_mask(tmp_path):
    folder = miniatures.channels(tmp_path, ("_t2", "_adc"), num_volumes=1)
    miniatures.write(sitk.Image(8, 8, 4, sitk.sitkFloat32), folder / "other.nii.gz")
    cases = group(folder, ("t2", "adc"))
    assert masks(cases) == ["case0.nii.gz"]
    (fault,) = [case.fault for case in cases.values() if case.fault]
    assert "other.nii.gz" in fault and "_t2 and _adc" in fault


def test_another_channel_is_not_taken_for_a_models_only_one(tmp_path):
    folder = miniatures.channels(tmp_path, ("_t2", "_adc"), num_volumes=2)
    (folder / "case1_t2.nii.gz").unlink()
    cases = group(folder, ("t2",))
    assert masks(cases) == ["case0.nii.gz"]
    (fault,) = [case.fault for case in cases.values() if case.fault]
    assert "case1_adc.nii.gz" in fault and "ends in _t2" in fault
    # Unless no name is that of the channel.
    (folder / "case0_t2.nii.gz").unlink()
    cases = group(folder, ("t2",))
    assert masks(cases) == ["case0_adc.nii.gz", "case1_adc.nii.gz"]


def test_a_missing_channel_is_named(tmp_path):
    folder = miniatures.channels(tmp_path, ("_t2", "_adc"), num_volumes=2)
    (folder / "case1_adc.nii.gz").unlink()
    cases = group(folder, ("t2", "adc"))
    assert masks(cases) == ["case0.nii.gz"]
    (fault,) = [case.fault for case in cases.values() if case.fault]
    assert "case1_adc.nii.gz" in fault


def test_dicom_is_refused(tmp_path):
    folder = miniatures.dicom(tmp_path, 1, 0)
    with pytest.raises(errors.UserError, match=r"DICOM.*convert the series"):
        group(folder, ("t2", "adc"))
