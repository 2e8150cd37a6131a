import dataclasses
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest

from dscl_tf import config, errors, locks
from dscl_tf.cohort import (
    image_writing,
    parallel,
    preparation,
    prepared,
    preprocessing,
)
from tests.cohort import making

_SETTINGS = config.PreprocessingConfig(
    size_px=(16, 16), spacing_mm=2.0, bias_correction=False
)


@pytest.fixture(autouse=True)
def where(request):
    """In this process, unless a test asks for `processes`."""
    if "processes" not in request.fixturenames:
        request.getfixturevalue("in_process")


@pytest.fixture
def processes():
    """Asks for worker processes as users have them."""


@pytest.fixture
def source(tmp_path):
    for k in range(3):
        name = f"p{k}.nii.gz"
        making.write(tmp_path / "images" / name, making.intensities(k))
        if k != 1:
            making.write(tmp_path / "labels" / name, making.labels())
    return tmp_path


def request_for(source, **changes):
    request = preparation.PreparationConfig(
        source=str(source / "images"),
        labels=str(source / "labels"),
        output=str(source / "out"),
        num_workers=1,
        settings=_SETTINGS,
    )
    return dataclasses.replace(request, **changes)


def state_of(folder):
    """Every file with its time of change and content, but for the lock."""
    return {
        path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_two_preparations_in_one_folder_are_refused(source):
    request = request_for(source)
    refused = pytest.raises(errors.UserError, match=r"is in use by process.* --output")
    with locks.held(request.output, "--output"), refused:
        preparation.prepare(request)
    assert not (pathlib.Path(request.output) / "request.json").exists()
    preparation.prepare(request)


def test_what_another_process_has_prepared_meanwhile_is_kept(source, monkeypatch):
    request, without_bad = request_for(source), preparation._without_bad
    states = []

    def comes_between(*arguments):
        if not states:
            states.append("begun")
            preparation.prepare(request)
            states.append(state_of(pathlib.Path(request.output)))
        return without_bad(*arguments)

    monkeypatch.setattr(preparation, "_without_bad", comes_between)
    preparation.prepare(request)
    assert state_of(pathlib.Path(request.output)) == states[1]


def test_a_cohort_and_its_index(source):
    folder = preparation.prepare(request_for(source))
    cohort = prepared.PreparedCohort.open(folder)
    assert cohort.label_names == ("background", "class 1", "class 2", "class 3")
    assert dataclasses.replace(cohort.settings, orientation=None) == _SETTINGS
    assert [volume.name for volume in cohort.volumes] == ["p0", "p1", "p2"]
    assert [volume.has_label for volume in cohort.volumes] == [True, False, True]
    volume = cohort.volume("p0")
    assert volume.image_file == str(source / "images" / "p0.nii.gz")
    assert (volume.size, volume.num_slices) == ((12, 14, 5), 5)
    assert volume.spacing_mm == (2, 2, 8)
    assert volume.origin == pytest.approx((-10, 20, 3))
    values = making.intensities(0)
    low, high = np.percentile(values, (1, 99))
    expected = np.zeros((5, 16, 16))
    expected[:, 1:15, 2:14] = (values - low) / (high - low)
    np.testing.assert_allclose(cohort.image("p0"), expected, atol=1e-4)
    np.testing.assert_array_equal(cohort.label("p0")[:, 1:15, 2:14], making.labels())


def test_label_names_are_those_that_are_given(source):
    names = ("RV", "MYO", "LV", "atrium")
    folder = preparation.prepare(request_for(source, label_names=names))
    cohort = prepared.PreparedCohort.open(folder)
    assert cohort.label_names == ("background", *names)


def test_unlabelled_cohort_has_background_only(source):
    folder = preparation.prepare(request_for(source, labels=None))
    assert prepared.PreparedCohort.open(folder).label_names == ("background",)


def test_acdc_volumes_carry_subject_and_frame(tmp_path):
    for name in ("patient001", "patient002"):
        making.acdc_patient(tmp_path / "acdc" / name, (1, 9), "ED: 1\nES: 9\n")
    request = preparation.PreparationConfig(
        source=str(tmp_path / "acdc"),
        output=str(tmp_path / "out"),
        acdc_frames="both",
        settings=_SETTINGS,
    )
    cohort = prepared.PreparedCohort.open(preparation.prepare(request))
    assert cohort.label_names == ("background", "RV", "MYO", "LV")
    found = [(v.name, v.subject, v.frame) for v in cohort.volumes]
    assert found[:2] == [
        ("patient001_frame01", "patient001", "ED"),
        ("patient001_frame09", "patient001", "ES"),
    ]


def test_a_second_run_does_nothing(source):
    folder = preparation.prepare(request_for(source))
    before = state_of(folder)
    assert preparation.prepare(request_for(source)) == folder
    assert state_of(folder) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": dataclasses.replace(_SETTINGS, spacing_mm=1.5)},
            "spacing_mm was 2.0, is now 1.5. Choose",
        ),
        (
            {"settings": dataclasses.replace(_SETTINGS, size_px=(16, 32))},
            r"size_px was \[16, 16\], is now \[16, 32\]. Choose",
        ),
        (
            {"label_names": ("a", "b", "c")},
            r"label_names was None, is now \['a', 'b', 'c'\]. Choose",
        ),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused(source, changes, message, finished):
    folder = preparation.prepare(request_for(source))
    if not finished:
        (folder / "index.json").unlink()
    before = state_of(folder)
    with pytest.raises(errors.UserError, match=f"prepared differently: {message}"):
        preparation.prepare(request_for(source, **changes))
    assert state_of(folder) == before


@pytest.mark.parametrize("finished", [True, False])
def test_overwrite_replaces_a_cohort_prepared_otherwise(source, finished):
    folder = preparation.prepare(request_for(source))
    if not finished:
        (folder / "index.json").unlink()
    (folder / "notes.txt").write_text("mine")
    (source / "images" / "p1.nii.gz").unlink()
    other = dataclasses.replace(_SETTINGS, size_px=(8, 8))
    again = request_for(source, settings=other, overwrite=True)
    cohort = prepared.PreparedCohort.open(preparation.prepare(again))
    assert dataclasses.replace(cohort.settings, orientation=None) == other
    assert cohort.image("p0").shape[1:] == (8, 8)
    assert sorted(path.name for path in (folder / "arrays").iterdir()) == [
        "p0.image.npy",
        "p0.label.npy",
        "p2.image.npy",
        "p2.label.npy",
    ]
    assert (folder / "notes.txt").read_text() == "mine"


def write_oblique(source):
    """Stacks whose normals are nearest to left, to anterior, and to left again."""
    for k, normal in enumerate(
        [(0.7, -0.5, -0.5), (0.5, -0.7, -0.5), (0.6, -0.5, -0.6)]
    ):
        third = np.array(normal) / np.linalg.norm(normal)
        first = np.cross(third, [0, 0, 1.0])
        first /= np.linalg.norm(first)
        axes = np.stack([first, np.cross(third, first), third], axis=1)
        for kind, values in (
            ("images", making.intensities()),
            ("labels", making.labels()),
        ):
            path = source / kind / f"p{k}.nii.gz"
            making.write(path, values, direction=axes)


def test_oblique_stacks_are_all_turned_alike(source):
    write_oblique(source)
    cohort = prepared.PreparedCohort.open(preparation.prepare(request_for(source)))
    assert cohort.settings.orientation.is_stack
    for name in ("p1", "p2"):
        np.testing.assert_allclose(cohort.image(name), cohort.image("p0"), atol=1e-5)
        np.testing.assert_array_equal(cohort.label(name), cohort.label("p0"))


def test_what_was_turned_otherwise_is_prepared_again(source):
    write_oblique(source)
    folder = preparation.prepare(request_for(source))
    before = np.array(prepared.PreparedCohort.open(folder).image("p1"))
    # As if killed before the index, and another reference had been found before.
    (folder / "index.json").unlink()
    part = folder / "parts" / "p1.json"
    content = json.loads(part.read_text())
    content["axes"][1] = [not flip for flip in content["axes"][1]]
    part.write_text(json.dumps(content))
    arrays = folder / "arrays"
    np.save(arrays / "p1.image.npy", before[::-1])
    kept = (arrays / "p0.image.npy").stat().st_mtime_ns
    again = prepared.PreparedCohort.open(preparation.prepare(request_for(source)))
    np.testing.assert_array_equal(again.image("p1"), before)
    assert (arrays / "p0.image.npy").stat().st_mtime_ns == kept


def test_an_index_of_before_orientations_is_read(source):
    folder = preparation.prepare(request_for(source))
    content = json.loads((folder / "index.json").read_text())
    del content["settings"]["orientation"]
    (folder / "index.json").write_text(json.dumps(content))
    assert prepared.PreparedCohort.open(folder).settings == _SETTINGS
    # And is not prepared again: it was asked for with the same settings.
    preparation.prepare(request_for(source))
    assert json.loads((folder / "index.json").read_text()) == content


def test_overwrite_leaves_the_same_cohort_as_it_is(source):
    folder = preparation.prepare(request_for(source))
    before = state_of(folder)
    preparation.prepare(request_for(source, overwrite=True))
    assert state_of(folder) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.json", '{"format": 1}', "format 1, expected 2.*with this version"),
        ("index.json", "{", "not valid JSON"),
        ("request.json", "{", "not valid JSON"),
    ],
)
def test_overwrite_prepares_again_what_cannot_be_read(source, name, content, message):
    folder = preparation.prepare(request_for(source))
    whole = prepared.PreparedCohort.open(folder).content_id
    before = state_of(folder)
    (folder / name).write_text(content)
    (folder / "parts" / "p0.json").write_text("{}")  # As of another version.
    with pytest.raises(errors.UserError, match=f"{name}.*{message}.*--overwrite"):
        preparation.prepare(request_for(source))
    preparation.prepare(request_for(source, overwrite=True))
    assert prepared.PreparedCohort.open(folder).content_id == whole
    assert all(state_of(folder)[key][1] == before[key][1] for key in before)


def test_overwrite_never_takes_a_folder_of_something_else(source):
    (source / "out" / "arrays").mkdir(parents=True)
    (source / "out" / "arrays" / "mine.npy").touch()
    with pytest.raises(errors.UserError, match=r"has other files in it"):
        preparation.prepare(request_for(source, overwrite=True))
    assert (source / "out" / "arrays" / "mine.npy").exists()


@pytest.mark.parametrize("change", ["touch", "add", "remove", "unlabel"])
def test_changed_originals_are_refused(source, change):
    folder = preparation.prepare(request_for(source))
    before = state_of(folder)
    if change == "touch":
        os.utime(source / "images" / "p1.nii.gz", ns=(1, 1))
    elif change == "add":
        making.write(source / "images" / "p9.nii.gz", making.intensities(9))
    elif change == "remove":
        (source / "images" / "p1.nii.gz").unlink()
    else:
        (source / "labels" / "p2.nii.gz").unlink()
    with pytest.raises(errors.UserError, match=r"original files have changed"):
        preparation.prepare(request_for(source))
    assert state_of(folder) == before


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_changed_voxels_beside_a_header_are_refused(source, suffix):
    (source / "labels" / "p2.nii.gz").unlink()
    label = source / "labels" / f"p2{suffix}"
    image_writing.write_image(making.image_of(making.labels()), label)
    preparation.prepare(request_for(source))
    (voxels,) = (p for p in label.parent.glob("p2.*") if p != label)
    later_ns = voxels.stat().st_mtime_ns + 10**9
    os.utime(voxels, ns=(later_ns, later_ns))
    with pytest.raises(errors.UserError, match=r"original files have changed"):
        preparation.prepare(request_for(source))


def test_labels_of_another_folder_are_another_request(source):
    folder = preparation.prepare(request_for(source))
    shutil.copytree(source / "labels", source / "reader2")  # Names, sizes and times.
    other = request_for(source, labels=str(source / "reader2"))
    with pytest.raises(
        errors.UserError, match=r"labels was .*labels, is now .*reader2"
    ):
        preparation.prepare(other)
    (folder / "index.json").unlink()
    with pytest.raises(
        errors.UserError, match=r"labels was .*labels, is now .*reader2"
    ):
        preparation.prepare(other)


def test_a_request_of_before_it_named_the_labels_is_the_same(source):
    folder = preparation.prepare(request_for(source))
    content = json.loads((folder / "request.json").read_text())
    del content["labels"]
    (folder / "request.json").write_text(json.dumps(content))
    before = state_of(folder)
    preparation.prepare(request_for(source))
    assert state_of(folder) == before


@pytest.mark.parametrize("lost", ["p2.image.npy", "p0.label.npy"])
@pytest.mark.parametrize("how", ["deleted", "cut"])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_lost_array_is_made_again_and_others_are_left(source, lost, how, indexed):
    folder = preparation.prepare(request_for(source))
    before = state_of(folder)
    path = folder / "arrays" / lost
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    if not indexed:
        (folder / "index.json").unlink()
    preparation.prepare(request_for(source))
    after = state_of(folder)
    assert {k: v[1] for k, v in after.items()} == {k: v[1] for k, v in before.items()}
    changed = {k.name.split(".")[0] for k in after if after[k][0] != before[k][0]}
    assert changed == {"check", "index", "request", lost.split(".")[0]}


def test_a_repair_that_fails_leaves_no_index(source, monkeypatch):
    folder = preparation.prepare(request_for(source))
    (folder / "arrays" / "p1.image.npy").unlink()

    def fail(*arguments):
        raise errors.UserError("disk is full")

    monkeypatch.setattr(preprocessing, "prepare_image", fail)
    with pytest.raises(errors.UserError, match=r"p1\.nii\.gz: disk is full"):
        preparation.prepare(request_for(source))
    assert not (folder / "index.json").exists()


def test_a_run_killed_before_the_index_goes_on(source):
    folder = preparation.prepare(request_for(source))
    before = state_of(folder)
    (folder / "index.json").unlink()
    (folder / "parts" / "p1.json").unlink()
    (folder / "arrays" / ".partial-x-p1.image.npy").touch()  # As a kill leaves it.
    preparation.prepare(request_for(source))
    after = state_of(folder)
    arrays = [path for path in before if path.suffix == ".npy"]
    assert len(arrays) == 5
    for path in arrays:
        assert after[path][1] == before[path][1]
        assert (after[path][0] == before[path][0]) == ("p1" not in path.name)


def test_a_run_killed_at_its_first_file_starts(source):
    (source / "out").mkdir()
    (source / "out" / ".partial-x-request.json").touch()
    preparation.prepare(request_for(source))
    assert (source / "out" / "index.json").exists()


def test_bad_volumes_are_all_named_before_any_work(source):
    making.write(source / "images" / "p1.nii.gz", 0 * making.intensities())
    making.write(source / "labels" / "p2.nii.gz", making.labels((5, 14, 13)))
    with pytest.raises(errors.UserError) as raised:
        preparation.prepare(request_for(source))
    message = str(raised.value)
    assert message.startswith("2 of 3 volumes cannot be prepared:\nseverity  file")
    assert re.search(r"error +p1\.nii\.gz +voxels +all 0 ", message)
    assert re.search(r"p2\.nii\.gz +size +13x14x5 +12x14x5 ", message)
    assert not (source / "out").exists()


def test_bad_volumes_may_be_left_out(source, caplog):
    making.write(source / "images" / "p1.nii.gz", 0 * making.intensities())
    folder = preparation.prepare(request_for(source, skip_bad=True))
    names = [v.name for v in prepared.PreparedCohort.open(folder).volumes]
    assert names == ["p0", "p2"]
    check = json.loads((folder / "check.json").read_text())
    assert check["skipped"] == ["p1"] and check["errors"] == 1
    assert "Left out: p1." in caplog.text
    before = state_of(folder)
    preparation.prepare(request_for(source, skip_bad=True))
    assert state_of(folder) == before


def test_what_was_left_out_is_said_again(source, caplog):
    caplog.set_level("INFO")
    making.write(source / "images" / "p1.nii.gz", 0 * making.intensities())
    folder = preparation.prepare(request_for(source, skip_bad=True))
    before = state_of(folder)
    with pytest.raises(errors.UserError, match=r"without p1, .*overwrite.*skip_bad"):
        preparation.prepare(request_for(source))
    with pytest.raises(errors.UserError, match=r"(?s)1 of 3 volumes.*p1\.nii\.gz"):
        preparation.prepare(request_for(source, overwrite=True))
    preparation.prepare(request_for(source, skip_bad=True))
    assert "prepared with these settings, without: p1." in caplog.text
    assert state_of(folder) == before
    making.write(source / "images" / "p1.nii.gz", making.intensities(1))
    preparation.prepare(request_for(source, overwrite=True))
    assert len(prepared.read_index(folder).volumes) == 3


def test_nothing_is_left_when_all_are_bad(source):
    for k in range(3):
        making.write(source / "images" / f"p{k}.nii.gz", 0 * making.intensities())
    with pytest.raises(errors.UserError, match="3 of 3 volumes"):
        preparation.prepare(request_for(source, skip_bad=True))


def test_warnings_are_errors_when_strict(source):
    making.write(source / "labels" / "p2.nii.gz", 0 * making.labels())
    with pytest.raises(errors.UserError, match="background only"):
        preparation.prepare(request_for(source, strict=True))
    folder = preparation.prepare(request_for(source))
    check = json.loads((folder / "check.json").read_text())
    assert (check["errors"], check["warnings"], check["skipped"]) == (0, 1, [])
    with pytest.raises(errors.UserError, match="background only"):
        preparation.prepare(request_for(source, strict=True))
    assert (folder / "index.json").exists()


def test_a_volume_that_fails_after_its_check_is_named_the_others_kept(
    source, monkeypatch
):
    right = preprocessing.prepare_image

    def fail_once(image, settings):
        if image.GetSize() == (12, 14, 6):
            raise ValueError("out of luck")
        return right(image, settings)

    making.write(source / "images" / "p1.nii.gz", making.intensities(1, (6, 14, 12)))
    monkeypatch.setattr(preprocessing, "prepare_image", fail_once)
    with pytest.raises(errors.UserError, match=r"1 of 3 .*\n  p1: ValueError: out of"):
        preparation.prepare(request_for(source))
    folder = source / "out"
    assert not (folder / "index.json").exists()
    kept = {k: v for k, v in state_of(folder).items() if k.suffix == ".npy"}
    assert {path.name.split(".")[0] for path in kept} == {"p0", "p2"}
    monkeypatch.undo()
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)
    preparation.prepare(request_for(source))
    assert kept.items() <= state_of(folder).items()


def test_leftovers_of_a_kill_are_removed(source, monkeypatch):
    folder = preparation.prepare(request_for(source))
    (folder / "index.json").unlink()
    leftovers = [folder / ".partial-a", folder / "arrays" / ".partial-b"]
    for path in leftovers:
        path.touch()
    preparation.prepare(request_for(source))
    assert not any(path.exists() for path in leftovers)


def test_a_bad_volume_may_be_removed(source):
    bad = source / "images" / "p1.nii.gz"
    bad.write_text("no image")
    with pytest.raises(errors.UserError, match=r"Cannot read .*p1\.nii\.gz"):
        preparation.prepare(request_for(source))
    bad.unlink()
    folder = preparation.prepare(request_for(source))
    names = [v.name for v in prepared.PreparedCohort.open(folder).volumes]
    assert names == ["p0", "p2"]


def test_a_mended_label_is_not_taken_from_before(source):
    label = source / "labels" / "p0.nii.gz"
    (source / "images" / "p1.nii.gz").write_text("no image")
    with pytest.raises(errors.UserError):
        preparation.prepare(request_for(source))
    (source / "images" / "p1.nii.gz").unlink()
    making.write(label, np.minimum(making.labels(), 1))
    cohort = prepared.PreparedCohort.open(preparation.prepare(request_for(source)))
    assert cohort.label("p0").max() == 1


def test_a_folder_with_other_files_is_refused(source):
    (source / "out").mkdir()
    (source / "out" / "thesis.tex").touch()
    with pytest.raises(errors.UserError, match=r"--output=.*has other files in it"):
        preparation.prepare(request_for(source))
    assert os.listdir(source / "out") == ["thesis.tex"]


@pytest.mark.parametrize("output", ["file/out", "/proc/dscl/out"])
def test_an_output_that_cannot_be_written_is_said_before_the_check(
    source, monkeypatch, output
):
    (source / "file").touch()
    monkeypatch.setattr(parallel, "run_all", None)  # It would be called.
    with pytest.raises(errors.UserError, match=r"Cannot write .*out: "):
        preparation.prepare(request_for(source, output=str(source / output)))


def test_check_lists_everything_and_writes_nothing(source):
    _, report = preparation.check(request_for(source, output=None))
    assert report.problems == ()
    making.write(source / "images" / "p1.nii.gz", 0 * making.intensities())
    making.write(source / "labels" / "p2.nii.gz", making.labels((5, 14, 13)))
    _, report = preparation.check(request_for(source, num_partitions=6))
    found = [(each.file.split("/")[-1], each.field) for each in report.problems]
    assert found == [
        ("p1.nii.gz", "voxels"),
        ("p2.nii.gz", "size"),
        ("p0.nii.gz", "slices"),
        ("p1.nii.gz", "slices"),
    ]
    assert not (source / "out").exists()


def test_content_id_is_the_same_for_any_number_of_processes(source, processes):
    ids = set()
    for num_workers in (1, 2):
        output = str(source / f"out{num_workers}")
        request = request_for(source, output=output, num_workers=num_workers)
        index = json.loads((preparation.prepare(request) / "index.json").read_text())
        ids.add(index["content_id"])
    assert len(ids) == 1


def test_content_id_tells_contents(source):
    ids = []
    for k in range(2):
        request = request_for(source, output=str(source / f"out{k}"))
        folder = preparation.prepare(request)
        ids.append(prepared.PreparedCohort.open(folder).content_id)
        making.write(source / "labels" / "p2.nii.gz", making.labels()[::-1])
    assert ids[0] != ids[1]


@pytest.mark.parametrize("settings", [0, "x", None, ["a"]])
def test_a_damaged_request_is_another_request(source, settings):
    folder = preparation.prepare(request_for(source))
    content = json.loads((folder / "request.json").read_text())
    (folder / "request.json").write_text(json.dumps({**content, "settings": settings}))
    with pytest.raises(errors.UserError, match="prepared differently: "):
        preparation.prepare(request_for(source))
