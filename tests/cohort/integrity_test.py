import dataclasses
import itertools
import pathlib

import numpy as np
import pytest
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import check_report, integrity
from dscl_tf.cohort.cases import Case, Dataset
from tests.cohort import making

SETTINGS = config.PreprocessingConfig()
NAMES = ("background", "a", "b", "c")


def dataset_of(*cases, layout="folder", **fields):
    return Dataset(layout, pathlib.Path("/data"), tuple(cases), NAMES, **fields)


@pytest.fixture
def check(tmp_path):
    """A function that writes an image and a label and lists what is wrong."""

    def run(
        values=None, label=None, num_classes=4, layout="folder", image_mm=None, **other
    ):
        image = making.intensities() if values is None else values
        geometry = {"spacing_mm": image_mm} if image_mm else {}
        case = Case(
            "p1",
            "p1",
            making.write(tmp_path / "image.mha", image, **geometry),
            making.write(
                tmp_path / "label.nii.gz",
                making.labels() if label is None else label,
                **{**geometry, **other},
            ),
        )
        dataset = dataset_of(layout=layout)
        return integrity.check_case(case, dataset, num_classes, SETTINGS).problems

    return run


def test_a_good_case_has_no_problems(check):
    assert check() == ()
    assert check(num_classes=None) == ()


def test_facts_of_a_case(tmp_path):
    image = making.write(tmp_path / "a.mha", making.intensities())
    label = making.write(tmp_path / "a_gt.mha", making.labels())
    case = Case("a", "s", image, label)
    facts = integrity.check_case(case, dataset_of(), 4, SETTINGS).facts
    assert facts.size == (12, 14, 5) and facts.spacing_mm == (2, 2, 8)
    assert facts.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    counts = np.bincount(making.labels().ravel())
    assert facts.label_voxels == tuple(enumerate(counts.tolist()))


@pytest.mark.parametrize(
    "changes, field, found, expected",
    [
        ({"label": making.labels((5, 14, 13))}, "size", "13x14x5", "12x14x5"),
        ({"spacing_mm": (2.0, 2.1, 8.0)}, "spacing (mm)", "2x2.1x8", "2x2x8"),
    ],
)
def test_another_extent_of_the_label_is_an_error(
    check, changes, field, found, expected
):
    (problem,) = check(**changes)
    assert problem.severity == integrity.ERROR
    assert (problem.field, problem.found, problem.expected) == (field, found, expected)
    assert problem.file.endswith("label.nii.gz") and "image.mha" in problem.cure


def test_rounded_headers_are_no_problem(check):
    assert check(spacing_mm=(2.0, 2.0002, 8.0)) == ()
    assert check(origin=(-10.2, 20, 3)) == ()
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0.001)
    assert check(direction=turn.GetMatrix()) == ()


@pytest.mark.parametrize(
    "changes, field, found",
    [
        ({"origin": (-10, 25, 3)}, "origin (mm)", "-10x25x3"),
        ({"direction": np.diag([-1, -1, 1])}, "direction", "-1 0 0 0 -1 0 0 0 1"),
    ],
)
def test_a_label_that_lies_elsewhere_is_a_warning(check, changes, field, found):
    (problem,) = check(**changes)
    assert problem.severity == integrity.WARNING
    assert (problem.field, problem.found) == (field, found)


@pytest.mark.parametrize("flat", ["image", "label"])
def test_a_file_of_one_slice_may_have_two_axes_or_three(tmp_path, flat):
    case = Case("a", "a", tmp_path / "image.nii", tmp_path / "label.nii")
    for name, values in (
        ("image", making.intensities()[:1]),
        ("label", making.labels()[:1]),
    ):
        image = making.image_of(values, origin=(0, 0, 0))
        sitk.WriteImage(
            image[..., 0] if name == flat else image, tmp_path / f"{name}.nii"
        )
    assert integrity.check_case(case, dataset_of(), 4, SETTINGS).problems == ()


def test_unexpected_values_are_counted(check):
    label = making.labels().astype(np.int16)
    label[0, 0, :3] = 4
    label[1, 0, :2] = -1
    label[2, 0, :1] = 500
    (problem,) = check(label=label)
    assert problem.severity == integrity.ERROR
    assert problem.found == "-1 (2 voxels), 4 (3 voxels), 500 (1 voxels)"
    assert problem.expected == "0 to 3"
    (problem,) = check(label=label, num_classes=None)
    assert (problem.found, problem.expected) == ("-1 (2 voxels)", "0 or more")


def test_fractions_are_listed_with_their_cure(check):
    label = making.labels().astype(np.float32)
    label[0, 0, :2] = 0.5
    (problem,) = check(label=label)
    assert (problem.field, problem.found) == ("values", "0.5 (2 voxels)")
    assert "nearest-neighbour" in problem.cure


def test_known_strays_are_counted(tmp_path):
    label = making.labels().astype(np.int16)
    label[0, 0, :3] = 421
    case = Case(
        "a",
        "a",
        making.write(tmp_path / "a.mha", making.intensities()),
        making.write(tmp_path / "b.mha", label),
    )
    values = {0: 0, 1: 1, 2: 2, 3: 3, 420: 2}
    dataset = dataset_of(label_values=values, strays={421: 420})
    (problem,) = integrity.check_case(case, dataset, 4, SETTINGS).problems
    assert problem.severity == integrity.WARNING
    assert problem.found == "421 (3 voxels)" and problem.cure == "treated as 420"


def test_a_mask_of_next_to_nothing_for_n4_is_a_warning(check):
    values = making.intensities(shape=(8, 64, 64))
    values[3, :17, :28] = 32767  # 1.5 % of the voxels.
    label = making.labels((8, 64, 64))
    (problem,) = check(values=values, label=label)
    assert (problem.severity, problem.field) == ("warning", "bias field")
    assert problem.found.startswith("a mask of 1.")


def test_a_label_of_background_only_is_a_warning(check):
    (problem,) = check(label=0 * making.labels())
    assert (problem.severity, problem.found) == ("warning", "background only")


def _nearly_constant():
    values = np.zeros((5, 14, 12), np.float32)
    values[0, 0, 0] = 1
    return values


def _with_nan():
    values = making.intensities()
    values[0, 0, :2] = np.nan
    return values


@pytest.mark.parametrize(
    "values, found",
    [
        (0 * making.intensities() + 7, "all 7"),
        (_with_nan(), "2 NaN or infinite"),
        (_nearly_constant(), "percentiles 1 and 99 are both 0"),
    ],
)
def test_images_without_contrast(check, values, found):
    (problem,) = check(values=values)
    assert problem.severity == integrity.ERROR and problem.field == "voxels"
    assert problem.found.startswith(found)


@pytest.mark.parametrize("spacing_mm", [(0.01, 0.01, 0.1), (2.0, 2.0, 60.0)])
def test_spacing_in_another_unit_is_a_warning(check, spacing_mm):
    (problem,) = check(image_mm=spacing_mm)
    assert problem.severity == "warning" and problem.expected == "0.05 to 20"


def _without_spacing(path):
    content = path.read_bytes()
    for line in content.partition(b"\n\n")[0].splitlines():
        if line.startswith((b"ElementSpacing", b"space", b"spacings")):
            content = content.replace(line + b"\n", b"", 1)
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_a_header_without_spacing_is_a_warning(tmp_path, name):
    path = making.write(tmp_path / name, making.intensities())
    assert list(integrity.check_headers(Case("a", "a", path, None), "folder")) == []
    _without_spacing(path)
    (problem,) = integrity.check_headers(Case("a", "a", path, None), "folder")
    assert (problem.severity, problem.field) == ("warning", "spacing (mm)")
    assert problem.found == "none in the header"


def test_a_spacing_of_one_is_suspicious_in_acdc(check):
    assert check(image_mm=(1.0, 1.0, 8.0)) == ()
    (problem,) = check(image_mm=(1.0, 1.0, 8.0), layout="acdc")
    assert problem.severity == "warning" and problem.found == "1x1x8"


def test_an_unreadable_file_is_named_by_its_own_name(tmp_path, check):
    check()
    good, bad = tmp_path / "image.mha", tmp_path / "bad.nii.gz"
    bad.write_text("no image")
    for case in (Case("p", "p", bad, None), Case("p", "p", good, bad)):
        found = integrity.check_case(case, dataset_of(), 4, SETTINGS)
        (problem,) = found.problems
        assert problem.file == str(bad) and found.is_bad and found.facts is None
        assert "Cannot read" in problem.found


_NUMBERS = itertools.count()


def facts_of(**changes):
    facts = integrity.Facts(
        size=(12, 14, 5),
        spacing_mm=(2.0, 2.0, 8.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        voxels_id=str(next(_NUMBERS)),
        label_voxels=((0, 800), (2, 40)),
    )
    return dataclasses.replace(facts, **changes)


def report_of(*facts, num_partitions=4, problems=()):
    cases = [
        Case(f"p{k}", f"p{k}", pathlib.Path(f"/data/p{k}.mha"), None)
        for k in range(len(facts))
    ]
    checks = [
        integrity.CaseCheck(case.name, case.subject, each, tuple(problems))
        for case, each in zip(cases, facts)
    ]
    dataset = dataset_of(*cases)
    return check_report.make(checks, dataset, num_partitions), dataset


def test_too_few_slices_for_the_partitions_is_a_warning():
    report, _ = report_of(facts_of(), facts_of(size=(12, 14, 3)))
    (problem,) = report.problems
    assert (problem.case, problem.field, problem.found) == ("p1", "slices", "3")
    assert not report.is_bad(strict=False) and report.is_bad(strict=True)
    assert report.bad_cases(strict=True) == {"p1"}
    assert report_of(facts_of(size=(12, 14, 3)), num_partitions=3)[0].problems == ()


def test_a_volume_that_would_be_cut_otherwise_is_named():
    # A coronal stack among axial ones: (left, superior, posterior).
    coronal = facts_of(direction=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0))
    report, _ = report_of(facts_of(), coronal, facts_of())
    (problem,) = report.problems
    assert problem.case == "p1" and problem.field == "slice axis"
    assert problem.found == "90 degrees from the cohort's"
    # Its header may be right.
    assert "header" not in problem.cure and "direction" not in problem.cure


def test_a_volume_that_is_no_stack_among_stacks_is_named():
    even = facts_of(spacing_mm=(2.0, 2.0, 2.5))
    report, _ = report_of(facts_of(), even, facts_of())
    (problem,) = report.problems
    assert (problem.case, problem.field) == ("p1", "spacing (mm)")
    assert problem.found == "2x2x2.5" and "slices of 2x2 mm" in problem.cure


def test_one_slice_is_no_row_of_pixels():
    cube = {"spacing_mm": (2.0, 2.0, 2.0)}
    coronal, other = (facts_of(size=(12, 1, 14), **cube) for _ in range(2))
    report, _ = report_of(coronal, other, num_partitions=1)
    assert [each.field for each in report.problems] == []
    lines = check_report.summary(report, NAMES, 1)
    assert "slices           1 to 1, as acquired" in lines
    even = [facts_of(size=(12, 13, 14), **cube) for _ in range(3)]
    axial = facts_of(size=(12, 14, 1), **cube)
    report, _ = report_of(*even, axial, coronal, num_partitions=1)
    assert [(p.case, p.field) for p in report.problems] == [("p4", "slice axis")]


def test_the_summary_says_how_many_are_turned():
    upside_down = facts_of(direction=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0))
    report, _ = report_of(facts_of(), upside_down, facts_of())
    assert report.problems == ()
    lines = check_report.summary(report, NAMES, 4)
    assert "1 of 3 volumes turned" in lines and "LPS (2), LAI (1)" in lines


def test_bad_cases_do_not_decide_the_orientation():
    coronal = facts_of(direction=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0))
    report, _ = report_of(coronal, facts_of())
    error = integrity.Problem(integrity.ERROR, "p0", "f", "v", "0", "1", "mend it")
    checks = [
        dataclasses.replace(report.checks[0], problems=(error,)),
        report.checks[1],
    ]
    dataset = dataset_of(*(Case(f"p{k}", "s", pathlib.Path("f"), None) for k in (0, 1)))
    found = check_report.make(checks, dataset, 4).orientation
    assert found.axes == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_the_same_voxels_under_two_names():
    same = facts_of(voxels_id="x")
    report, _ = report_of(same, facts_of(), same)
    (problem,) = report.problems
    assert problem.case == "p2" and problem.found == "those of /data/p0.mha"


def test_the_table_has_a_row_a_problem_errors_first():
    error = integrity.Problem(
        integrity.ERROR, "p0", "/data/p0.mha", "size", "1x1x1", "2x2x2", "mend it"
    )
    report, dataset = report_of(facts_of(size=(12, 14, 1)), problems=[error])
    lines = check_report.table(report, dataset).splitlines()
    assert lines[0].split() == list(check_report._COLUMNS)
    assert lines[1].split() == [
        "error",
        "p0.mha",
        "size",
        "1x1x1",
        "2x2x2",
        "mend",
        "it",
    ]
    assert lines[2].startswith("warning   p0.mha  slices  1 ")
    assert check_report.table(report_of(facts_of())[0], dataset) == ""


def test_the_table_shortens_files_of_the_dataset_alone():
    said = "size", "mr/x", "like mr/y", "see mr/z"
    files = "mr/p0.mha", "labels_mr/p0.mha"
    rows = [integrity.Problem(integrity.ERROR, "p0", each, *said) for each in files]
    report, dataset = report_of(facts_of())
    report = dataclasses.replace(report, problems=tuple(rows))
    dataset = dataclasses.replace(dataset, root=pathlib.Path("mr"))
    lines = check_report.table(report, dataset).splitlines()[1:]
    rest = ["size", "mr/x", "like", "mr/y", "see", "mr/z"]
    assert [line.split()[1:] for line in lines] == [
        ["p0.mha", *rest],
        ["labels_mr/p0.mha", *rest],
    ]


def test_the_summary_of_a_cohort():
    report, _ = report_of(facts_of(), facts_of(size=(12, 14, 9), label_voxels=()))
    lines = check_report.summary(report, NAMES, 4).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["subjects", "2"],
        ["volumes", "2,"],
        ["sizes", "12x14x5"],
        ["spacings", "(mm)"],
        ["orientations", "LPS"],
        ["slices", "5"],
        ["in", "a"],
        ["b", "1.3"],  # 40 voxels of 32 mm^3.
    ]
    assert "1 labelled" in lines[1] and "12x14x5 (1), 12x14x9 (1)" in lines[2]
    assert "2 x 2 x 8" in lines[3] and "5 to 9, as acquired; 0 of 2" in lines[5]
    assert "1 to 3 slices (4 partitions)" in lines[6]
    assert "1.3 to 1.3 ml, in 1 of 1 labelled" in lines[7]
