"""Patients told by the names of their scans, and what the check says without."""

import dataclasses
import pathlib
import re

import pytest

from dscl_tf import config, errors
from dscl_tf.cohort import cases, layouts, parallel, preparation, prepared, splits
from dscl_tf.cohort import subjects as subjects_
from tests import miniatures
from tests.cohort import making

NAMES = [f"patient{k:03d}_frame{frame:02d}" for k in range(4) for frame in (1, 12)]
PATTERN = r"^(patient\d+)_"


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """Two scans of each of four patients in a folder, to be prepared."""
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)
    for seed, name in enumerate(NAMES):
        making.write(tmp_path / f"images/{name}.nii.gz", making.intensities(seed))
        making.write(tmp_path / f"labels/{name}.nii.gz", making.labels())
    return preparation.PreparationConfig(
        source=str(tmp_path / "images"),
        labels=str(tmp_path / "labels"),
        output=str(tmp_path / "out"),
        settings=config.PreprocessingConfig((16, 16), 2.0, bias_correction=False),
    )


def dataset_of(names):
    path = pathlib.Path("image.nii.gz")
    found = tuple(cases.Case(name, name, path, None) for name in names)
    return cases.Dataset("folder", pathlib.Path(), found, None)


def prepare(wanted, **changes):
    folder = preparation.prepare(dataclasses.replace(wanted, **changes))
    return prepared.PreparedCohort.open(folder)


def test_scans_of_a_patient_stay_together(wanted):
    cohort = prepare(wanted, subject_pattern=PATTERN)
    assert {v.name: v.subject for v in cohort.volumes} == {n: n[:10] for n in NAMES}
    split = splits.resolve(
        cohort, config.SplitConfig(num_train=1, num_validation=1, num_test=2)
    )
    for name in split.test:
        assert not {name[:10]} & {n[:10] for n in split.pretrain + split.train}
    assert len(split.test) == 4


def test_another_pattern_is_another_cohort(wanted):
    plain = prepare(wanted)
    assert plain.content_id == prepare(wanted).content_id
    with pytest.raises(errors.UserError, match=r"subject_pattern was None, is now \^"):
        prepare(wanted, subject_pattern=PATTERN)
    told = prepare(wanted, subject_pattern=PATTERN, overwrite=True)
    assert told.content_id != plain.content_id
    with pytest.raises(errors.UserError, match=r"subject_pattern was .* is now None"):
        prepare(wanted)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(patient", r"=\(patient: found an invalid regular expression .*unterminated"),
        (r"patient\d+", r"found no group, expected parentheses"),
        ("(patient00[123])", r"no subject in patient000_.* \(2 of 8 names\)"),
        ("patient(x?)", r"no subject in .* and 4 more \(8 of 8 names\)"),
    ],
)
def test_a_pattern_that_tells_no_subjects_is_refused(wanted, pattern, message):
    with pytest.raises(errors.UserError, match=message):
        prepare(wanted, subject_pattern=pattern)
    assert not pathlib.Path(wanted.output).exists()


@pytest.mark.parametrize("layout", ["nnunet", "decathlon"])
def test_cases_of_a_dataset_json_have_subjects_by_their_names(tmp_path, layout):
    request = layouts.Request(
        getattr(miniatures, layout)(tmp_path), subject_pattern=r"_\d*(\d)$"
    )
    found = layouts.find(request).cases
    assert {case.name[-1] for case in found} == {case.subject for case in found}


@pytest.mark.parametrize("layout", ["acdc", "mmwhs", "dicom"])
def test_layouts_that_know_their_patients_refuse_a_pattern(tmp_path, layout):
    root = getattr(miniatures, layout)(tmp_path)
    with pytest.raises(errors.UserError, match=r"--subject_pattern=\(\.\): the layout"):
        layouts.find(layouts.Request(root, subject_pattern="(.)"))


def test_the_check_warns_of_scans_that_look_like_one_patients(wanted):
    _, report = preparation.check(wanted)
    (problem,) = report.problems
    assert (problem.severity, problem.case) == ("warning", "")
    assert problem.found.startswith(f"{NAMES[0]}, {NAMES[1]} counted as 2 patients; 3")
    _, report = preparation.check(dataclasses.replace(wanted, subject_pattern=PATTERN))
    assert not report.problems


@pytest.mark.parametrize(
    ("names", "subjects"),
    [
        ("a_ED a_ES b", "a a b"),
        ("p1_visit1 p1_visit2 p2", "p1 p1 p2"),
        ("p1 p1-followup p2-t0 p2-t1", "p1 p1 p2 p2"),
        ("p1-1 p1-2 p2-1 p2-2 p-3 q", "p1 p1 p2 p2 p-3 q"),
        ("G-00000-000 G-00000-001 G-00002-000 G-00002-001 G-00003",)
        + ("G-00000 G-00000 G-00002 G-00002 G-00003",),
    ],
)
def test_the_pattern_of_the_warning_joins_them(names, subjects):
    dataset = dataset_of(names.split())
    (problem,) = subjects_.doubts(dataset)
    pattern = re.search("--subject_pattern='(.+?)';", problem.cure)[1]
    told = subjects_.by_pattern(dataset, pattern)
    assert [case.subject for case in told.cases] == subjects.split()


@pytest.mark.parametrize(
    "names",
    [
        [f"prostate_{k:02d}" for k in range(12)],
        [f"BraTS20_Training_{k:03d}" for k in range(12)],
        [f"Prostate3T-{k:02d}-0001" for k in range(1, 9)],
        [f"site{site}_{k:02d}" for site in (1, 2) for k in range(9)],
        [f"task5_{k}" for k in range(4)],
        [f"1.3.6.1.4.{k * 7919:012d}" for k in range(9)],
        ["a_ED", "b_ED", "c"],
        ["Case00", "Case01", "volume-0", "volume-1", "test", "edited"],
    ],
)
def test_names_of_a_patient_each_give_no_warning(names):
    assert subjects_.doubts(dataset_of(names)) == []
