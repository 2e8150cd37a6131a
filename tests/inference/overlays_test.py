"""What the pictures show; that they look right is checked by eye."""

import dataclasses

import numpy as np
import pytest
from matplotlib import image as images

from dscl_tf import palette
from dscl_tf.inference import case_views, evaluation_pictures, overlays

NAMES = ("background", "RV", "LV")


def _view(truth, prediction, name="p1", aspect=1.0):
    truth, prediction = np.asarray(truth, np.uint8), np.asarray(prediction, np.uint8)
    image = np.linspace(0, 1, truth.size, dtype=np.float32).reshape(truth.shape)
    return case_views.CaseView(name, image, truth, prediction, aspect, NAMES)


def _stack(*rows):
    """Slices of one row each, as two rows so that they are pictures."""
    return [[[int(c) for c in row]] * 2 for row in rows]


def test_slice_dice():
    view = _view(_stack("1100", "0000"), _stack("0110", "0000"))
    assert view.slice_dice(0) == {1: 0.5}
    assert view.slice_dice(1) == {}


def test_worst_slice_has_the_lowest_mean():
    truth = _stack("0000", "1122", "1122", "0000")
    prediction = _stack("0000", "1122", "1110", "0000")
    assert _view(truth, prediction).worst() == 2
    spurious = _stack("2000", "1122", "1110", "0000")
    assert _view(truth, spurious).worst() == 0
    assert _view(_stack("0000"), _stack("0000")).worst() is None


def test_levels_are_the_middles_of_thirds():
    filled = ["1000"] * 9
    truth = _stack("0000", *filled, "0000")
    assert _view(truth, truth).levels() == [2, 5, 8]
    assert _view(_stack("0000", "1000"), _stack("1000", "1000")).levels() == [1]
    nothing = _stack("0000", "0000", "0000")
    assert _view(nothing, _stack("0000", "0000", "1000")).levels() == [2]
    assert _view(nothing, nothing).levels() == [1]


def _has_color(picture, color):
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    distance = np.abs(np.round(picture[..., :3] * 255) - wanted).max(axis=-1)
    return bool((distance < 12).any())


def test_case_picture_shows_its_structures(tmp_path):
    truth = np.zeros((3, 24, 24), np.uint8)
    truth[1, 4:14, 4:14] = 2
    path = tmp_path / "overlays" / "p1.png"
    overlays.draw_case(_view(truth, truth), path)
    picture = images.imread(path)
    assert _has_color(picture, palette.structure_color(2))
    assert not _has_color(picture[:-60], palette.structure_color(1))


@pytest.mark.parametrize("count", [1, 7])
def test_sheet_of_cases(tmp_path, count):
    truth = np.zeros((3, 24, 24), np.uint8)
    truth[1, 4:14, 4:14] = 1
    thumbnails = [
        case_views.thumbnail(_view(truth, truth, f"p{k}"), None if k == 2 else k / 10)
        for k in range(count)
    ]
    overlays.draw_sheet(thumbnails, tmp_path / "sheet.png")
    assert images.imread(tmp_path / "sheet.png").ndim == 3


def test_of_very_many_cases_the_lowest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(overlays, "_SHEET_LIMIT", 2)
    drawn = []
    monkeypatch.setattr(
        overlays, "draw_sheet", lambda shown, path, count: drawn.append((shown, count))
    )
    truth = np.zeros((3, 24, 24), np.uint8)
    truth[1, 4:14, 4:14] = 1
    pictures = evaluation_pictures.Pictures(tmp_path)
    for number, dice in enumerate([0.9, None, 0.2, 0.5]):
        pictures.add(_view(truth, truth, f"p{number}"), dice)
        assert len(pictures._thumbnails) <= 2
    pictures.finish()
    ((shown, count),) = drawn
    assert ([each.dice for each in shown], count) == ([0.2, 0.5], 4)
    assert overlays._sheet_title(2, 4).startswith("The lowest 2 of 4")


def test_empty_case_is_drawn(tmp_path):
    nothing = np.zeros((2, 16, 16), np.uint8)
    overlays.draw_case(_view(nothing, nothing, aspect=3.0), tmp_path / "p.png")
    assert (tmp_path / "p.png").is_file()


def test_names_of_other_scripts_are_said_once_for_all_pictures(
    tmp_path, recwarn, caplog, monkeypatch
):
    overlays._say_that_no_font_has_them.cache_clear()
    monkeypatch.setattr(overlays, "_fonts", lambda: ["DejaVu Sans"])
    nothing = np.zeros((2, 16, 16), np.uint8)
    for k in range(2):
        view = _view(nothing, nothing, name="\u60a3\u8005")
        overlays.draw_case(view, tmp_path / f"p{k}.png")
    assert not recwarn.list
    (said,) = caplog.messages
    assert "characters that no font here has" in said


def test_fonts_that_are_there_are_taken_after_the_usual_one(monkeypatch):
    overlays._fonts.cache_clear()
    there = [type("Font", (), {"name": n}) for n in ("Unifont", "Noto Sans CJK JP")]
    monkeypatch.setattr(overlays.font_manager.fontManager, "ttflist", there)
    assert overlays._fonts() == ["DejaVu Sans", "Noto Sans CJK JP", "Unifont"]
    overlays._fonts.cache_clear()


def test_thumbnail_is_the_middle_level():
    truth = np.zeros((9, 8, 8), np.uint8)
    truth[2:7, 1:3, 1:3] = 1
    view = _view(truth, truth)
    small = case_views.thumbnail(view, 0.5).view
    assert small.image.shape == (1, 8, 8)
    np.testing.assert_array_equal(small.image[0], view.image[4])


def test_dollars_in_names_are_no_formulas(tmp_path):
    truth = np.zeros((2, 16, 16), np.uint8)
    truth[:, 4:8, 4:8] = 1
    name = "p$\\bad{$"
    view = dataclasses.replace(
        _view(truth, truth, name=name), label_names=("background", name, "$_{$")
    )
    small = case_views.thumbnail(view, 0.5)
    overlays.draw_case(view, tmp_path / "case.png")
    overlays.draw_sheet([small], tmp_path / "sheet.png")
    overlays.draw_beside([(name, [small])], tmp_path / "beside.png")
    assert len(list(tmp_path.iterdir())) == 3
