import json

import numpy as np
import pytest

from dscl_tf import config, config_json, errors
from dscl_tf.cohort import prepared


def make_volume(name, labelled=True, **changes):
    content = {
        "name": name,
        "subject": name,
        "frame": "",
        "num_slices": 3,
        "image_file": f"/data/{name}.nii.gz",
        "label_file": f"/data/{name}_gt.nii.gz" if labelled else None,
        "size": (5, 4, 3),
        "spacing_mm": (1.0, 1.0, 8.0),
        "origin": (0.0, 0.0, 0.0),
        "direction": (1.0, 0, 0, 0, 1, 0, 0, 0, 1),
    }
    return prepared.PreparedVolume(**{**content, **changes})


@pytest.fixture
def folder(tmp_path):
    index = prepared.Index(
        format=prepared.FORMAT,
        content_id="id",
        sources_id="sources",
        settings=config.PreprocessingConfig(size_px=(4, 5)),
        label_names=("background", "RV"),
        volumes=(make_volume("p1"), make_volume("p2", labelled=False)),
    )
    content = config_json.to_json(index)
    (tmp_path / "index.json").write_text(json.dumps(content))
    (tmp_path / "arrays").mkdir()
    for name in ("p1", "p2"):
        np.save(tmp_path / "arrays" / f"{name}.image.npy", np.ones((3, 4, 5), "f4"))
    np.save(tmp_path / "arrays" / "p1.label.npy", np.ones((3, 4, 5), "u1"))
    return tmp_path


def change_index(folder, change):
    path = folder / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_arrays_open_by_memory_map_and_cannot_be_written(folder):
    cohort = prepared.PreparedCohort.open(str(folder))
    assert cohort.num_classes == 2
    for array, dtype in ((cohort.image("p1"), "f4"), (cohort.label("p1"), "u1")):
        assert isinstance(array, np.memmap)
        assert array.dtype == dtype and array.shape == (3, 4, 5)
        with pytest.raises(ValueError, match=r"read-only"):
            array[0, 0, 0] = 2
    assert cohort.image("p1") is cohort.image("p1")


def test_unknown_and_unlabelled_volumes(folder):
    cohort = prepared.PreparedCohort.open(folder)
    assert cohort.volume("p2").has_label is False
    with pytest.raises(errors.UserError, match=r"Volume p2 in .* has no labels"):
        cohort.label("p2")
    for call in (cohort.volume, cohort.image, cohort.label):
        with pytest.raises(errors.UserError, match=r"No volume 'p3'"):
            call("p3")


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.ones((2, 4, 5), "f4"), r"found float32 \(2, 4, 5\), expected float32"),
        (np.ones((3, 4, 5), "f8"), r"found float64 .*, expected float32 \(3, 4, 5\)"),
        (np.array([{}], object), "Cannot read"),
    ],
)
def test_other_arrays_are_refused(folder, array, found):
    np.save(folder / "arrays" / "p1.image.npy", array)
    with pytest.raises(errors.UserError, match=found) as error:
        prepared.PreparedCohort.open(folder).image("p1")
    assert error.match(r"p1\.image\.npy")


@pytest.mark.parametrize("kept", [0, 50, 150])
def test_damaged_and_lost_arrays_are_named(folder, kept):
    path = folder / "arrays" / "p1.label.npy"
    path.write_bytes(path.read_bytes()[:kept])
    cohort = prepared.PreparedCohort.open(folder)
    with pytest.raises(errors.UserError, match=r"Cannot read .*p1\.label\.npy"):
        cohort.label("p1")
    path.unlink()
    with pytest.raises(errors.UserError, match=r"Cannot read .*p1\.label\.npy"):
        cohort.label("p1")


@pytest.mark.parametrize("brackets", [b"[(", b"))"])
def test_a_damaged_header_is_named(folder, brackets):
    path = folder / "arrays" / "p1.label.npy"
    content = path.read_bytes()
    start = content.index(b"(")
    path.write_bytes(content[:start] + brackets + content[start + 2 :])
    with pytest.raises(errors.UserError, match=r"Cannot read .*p1\.label\.npy"):
        prepared.PreparedCohort.open(folder).label("p1")


def test_no_cohort_or_an_unfinished_one(folder, tmp_path):
    with pytest.raises(errors.UserError, match=r"No prepared cohort at .*typo.*none"):
        prepared.PreparedCohort.open(tmp_path / "typo")
    (folder / "index.json").unlink()
    with pytest.raises(errors.UserError, match=r"found an unfinished one"):
        prepared.PreparedCohort.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=1), "format 1, expected 2: prepare"),
        (lambda c: c.pop("format"), "format None, expected 2"),
        (lambda c: c.pop("settings"), r"missing keys \['settings'\]"),
        (lambda c: c.update(more=1), r"unknown keys \['more'\]"),
        (lambda c: c["volumes"][1].update(num_slices="3"), r"volumes\[1\].num_slices"),
        (lambda c: c["volumes"][1].update(name="p1"), "'p1' is not a file name, or"),
        (lambda c: c["volumes"][1].update(name="../p1"), "'../p1' is not a file name"),
        (lambda c: c["volumes"][1].update(name="/p1"), "'/p1' is not a file name"),
    ],
)
def test_other_indexes_are_refused(folder, change, message):
    change_index(folder, change)
    with pytest.raises(errors.UserError, match=message) as error:
        prepared.PreparedCohort.open(folder)
    assert error.match(r"index\.json")


def test_a_damaged_index_is_refused(folder):
    (folder / "index.json").write_text('{"format": 1,')
    with pytest.raises(errors.UserError, match=r"index\.json is not valid JSON"):
        prepared.PreparedCohort.open(folder)
