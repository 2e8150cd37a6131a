"""dscl-predict as its user meets it."""

import numpy as np
import pytest
import SimpleITK as sitk

from tests.bin import running


def test_help_shows_its_own_flags():
    result = running.run("predict", "--help")
    assert result.returncode == 0
    for flag in ("--model", "--input", "--output", "--[no]overwrite"):
        assert f"  {flag}" in result.stdout
    for other in ("--prepared", "--subset", "--workdir="):
        assert f"  {other}" not in result.stdout


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--input is needed"),
        (["--input=in", "--output=out"], "--model is needed"),
        (["--input=in", "--output=out", "--model=m", "extra"], "'extra'"),
        (["--inptu=in"], "inptu"),
        (["--mask_format=dicom"], "mask_format"),
        (["--input=in", "--output=out", "--model=m"], "No --input at in"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    result = running.run("predict", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert message in result.stderr


def test_masks_of_a_folder_with_a_bad_file(export_folder, tmp_path):
    image = sitk.GetImageFromArray(np.eye(24, dtype=np.float32)[None])
    image.SetSpacing((2.0, 2.0, 7.0))
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image, str(tmp_path / "in" / "a.nii.gz"))
    (tmp_path / "in" / "b.nii.gz").write_text("not an image")
    flags = ["--input=in", "--output=out", f"--model={export_folder}"]
    result = running.run("predict", *flags, cwd=tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "1 of 2 inputs have no mask. Cannot read in/b.nii.gz" in result.stderr
    mask = sitk.ReadImage(str(tmp_path / "out" / "a.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask)[0], 2 * np.eye(24))
    (tmp_path / "in" / "b.nii.gz").unlink()
    result = running.run("predict", *flags, cwd=tmp_path)
    assert result.returncode == 0
    assert "out/a.nii.gz exists and is kept" in result.stderr
    assert '"high"' in (tmp_path / "out" / "labels.txt").read_text()
    flags[1] = "--output=segmentations"
    result = running.run("predict", *flags, "--mask_format=seg_nrrd", cwd=tmp_path)
    assert result.returncode == 0
    mask = sitk.ReadImage(str(tmp_path / "segmentations" / "a.seg.nrrd"))
    assert mask.GetMetaData("Segment1_Name") == "high"
