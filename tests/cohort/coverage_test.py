"""What a prepared grid clips or loses of structures is said, with the cure."""

import dataclasses
import re

import numpy as np
import pytest

from dscl_tf import config
from dscl_tf.cohort import preparation, prepared
from tests.cohort import making

pytestmark = pytest.mark.usefixtures("in_process")


def request_for(folder, size_px, spacing_mm):
    """Class 1 in the middle; class 2 of 4 x 4 voxels near a corner of 64 x 48."""
    values = np.zeros((4, 64, 48), np.uint8)
    values[:, 20:40, 14:34] = 1
    values[1:3, 2:6, 40:44] = 2
    image = making.intensities(shape=values.shape)
    making.write(folder / "images/p.mha", image, spacing_mm=(1.5, 1.5, 8))
    making.write(folder / "labels/p.mha", values, spacing_mm=(1.5, 1.5, 8))
    return preparation.PreparationConfig(
        source=str(folder / "images"),
        output=str(folder / "out"),
        labels=str(folder / "labels"),
        settings=config.PreprocessingConfig(
            size_px=size_px, spacing_mm=spacing_mm, bias_correction=False
        ),
    )


def rows(request):
    return preparation.check(request)[1].problems


def test_a_whole_field_loses_nothing(tmp_path):
    assert rows(request_for(tmp_path, (64, 64), 1.5)) == ()


def test_a_structure_beyond_the_field_is_a_row_with_its_cure(tmp_path):
    request = request_for(tmp_path, (48, 48), 1.5)
    (row,) = rows(request)
    # 32 voxels of 18 mm^3; the grid begins 8 rows further in.
    assert (row.severity, row.field) == ("warning", "class 2")
    assert row.found == "0 ml on the prepared grid, 0.576 ml beyond it"
    assert row.expected == "0.576 ml as in the file"
    size, spacing_mm = re.fullmatch(
        r"--size_px=(\d+), or --spacing_mm=([\d.]+)", row.cure
    ).groups()
    for changes in {"size_px": (int(size),) * 2}, {"spacing_mm": float(spacing_mm)}:
        settings = dataclasses.replace(request.settings, **changes)
        assert rows(dataclasses.replace(request, settings=settings)) == ()


def test_a_structure_below_a_pixel_is_a_row_with_its_cure(tmp_path):
    request = request_for(tmp_path, (8, 8), 12.6)
    (row,) = [row for row in rows(request) if row.field == "class 2"]
    assert row.found.endswith(" 0 ml beyond it")
    spacing_mm, size = re.fullmatch(
        r"--spacing_mm=([\d.]+) with --size_px=([\d,]+)", row.cure
    ).groups()
    size_px = tuple(int(each) for each in size.split(","))
    settings = dataclasses.replace(
        request.settings,
        size_px=size_px if len(size_px) == 2 else size_px * 2,
        spacing_mm=float(spacing_mm),
    )
    assert rows(dataclasses.replace(request, settings=settings)) == ()


def test_classes_are_those_of_the_files_although_the_grid_loses_one(tmp_path):
    folder = preparation.prepare(request_for(tmp_path, (48, 48), 1.5))
    cohort = prepared.PreparedCohort.open(folder)
    assert cohort.label_names == ("background", "class 1", "class 2")
    assert set(np.unique(cohort.label("p"))) == {0, 1}


@pytest.mark.parametrize(
    "size_px, said",
    [
        ((64, 64), None),
        ((48, 64), "--size_px=48,64: the default U-Net needs multiples of 32, such as"),
    ],
)
def test_a_size_that_the_default_network_cannot_halve_is_said(
    tmp_path, caplog, size_px, said
):
    preparation.check(request_for(tmp_path, size_px, 1.5))
    assert (said in caplog.text) if said else ("multiples" not in caplog.text)
    if said:
        (cure,) = re.findall(r"such as --size_px=([\d,]+);", caplog.text)
        extents = [int(extent) for extent in cure.split(",")]
        assert all(extent % 32 == 0 for extent in extents)
        assert extents[0] * 1.5 >= 48 * 1.5  # No smaller field than was asked for.
