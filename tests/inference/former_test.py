"""An evaluation replaces what an evaluation wrote, and nothing else."""

import pathlib
import types

import pytest

from dscl_tf import errors
from dscl_tf.cohort import prepared
from dscl_tf.inference import former, summary


@pytest.fixture
def cohort(cohort_folder):
    return prepared.PreparedCohort.open(cohort_folder)


@pytest.fixture
def corrected(tmp_path):
    """A mask that dscl-predict wrote and somebody corrected."""
    mask = tmp_path / "masks" / "p1.nii.gz"
    mask.parent.mkdir()
    mask.write_text("corrected by hand")
    return mask


def test_files_of_no_evaluation_are_kept(cohort, tmp_path, corrected):
    with pytest.raises(errors.UserError, match=r"has 1 files .*p1.nii.gz.*--overwrite"):
        former.require_removable(tmp_path, cohort, overwrite=False)
    assert corrected.read_text() == "corrected by hand"
    former.require_removable(tmp_path, cohort, overwrite=True)


@pytest.mark.parametrize("name", [summary.FILE, former.BEGUN])
def test_those_of_one_that_ended_or_was_killed_are_replaced(
    cohort, tmp_path, corrected, name
):
    (tmp_path / name).touch()
    former.require_removable(tmp_path, cohort, overwrite=False)
    former.remove(tmp_path, cohort)
    assert not corrected.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_lies_in_the_place_of_its_files_is_refused(cohort, tmp_path, overwrite):
    (tmp_path / "masks").touch()
    with pytest.raises(errors.UserError, match=r"masks: found a file, expected a fol"):
        former.require_removable(tmp_path, cohort, overwrite)
    (tmp_path / "masks").unlink()
    (tmp_path / summary.FILE).mkdir()
    with pytest.raises(errors.UserError, match=r"json: found a folder, expected a fi"):
        former.require_removable(tmp_path, cohort, overwrite)
    with pytest.raises(errors.UserError, match=r"Cannot write .*summary\.json"):
        former.remove(tmp_path, cohort)
    assert (tmp_path / summary.FILE).is_dir()


def test_original_files_are_kept_whatever_is_asked_for(tmp_path):
    labels = tmp_path / "study" / "masks"
    labels.mkdir(parents=True)
    (labels / "p1.nii.gz").touch()
    # By another name of the folder, as through a mount or a link.
    (tmp_path / "link").symlink_to(tmp_path / "study")
    volume = types.SimpleNamespace(
        name="p1",
        original_files=(
            str(tmp_path / "image.nii.gz"),
            str(tmp_path / "link" / "masks" / "p1.nii.gz"),
        ),
    )
    cohort = types.SimpleNamespace(volumes=[volume], folder=pathlib.Path("prepared"))
    (tmp_path / "study" / summary.FILE).touch()
    with pytest.raises(errors.UserError, match=r"replace .*p1.nii.gz, an original"):
        former.require_removable(tmp_path / "study", cohort, overwrite=True)


def test_a_folder_is_marked_until_the_evaluation_ends(tmp_path):
    with former.begun(tmp_path):
        assert (tmp_path / former.BEGUN).is_file()
    assert not (tmp_path / former.BEGUN).exists()
    with pytest.raises(KeyError), former.begun(tmp_path):
        raise KeyError
    assert (tmp_path / former.BEGUN).is_file()
