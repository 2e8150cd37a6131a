"""Pictures of segmentations beside their truth, drawn without a display."""

import functools
import logging
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk
from matplotlib import colors, font_manager, lines, patches, text
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from dscl_tf import files
from dscl_tf.inference.case_views import CaseView, Thumbnail
from dscl_tf.palette import structure_color

_BACKGROUND, _TEXT = "#101214", "#e8e8e8"
_VEIL = (0.5, 0.55, 0.65, 0.6)  # Stripes over unlabelled voxels, RGBA.
_PANEL_INCHES = 2.2
_BARE = (0.05, 0.05, 0.05)  # Margins of a picture without words around it.
_SMALL_INCHES = 1.7
# Fonts with Chinese, Japanese and Korean characters that systems come with.
_MORE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC"),
    *("Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Droid Sans Fallback", "IPAGothic", "NanumGothic", "Unifont"),
    *("PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
)
_LOG = logging.getLogger(__name__)
_SHEET_LIMIT = 200  # Thumbnails; a sheet of thousands could not be opened.


def draw_case(view: CaseView, path: files.PathLike) -> None:
    """Draws some slices of a case: image, truth, prediction and both contours.

    The slices are those of `CaseView.levels` and the worst one.

    Args:
      view: the case.
      path: the PNG to write, whole or not at all.
    """
    worst = view.worst()
    indices = sorted({*view.levels(), *([] if worst is None else [worst])})
    titles = ("image", "truth", "prediction", "contours")
    figure, grid = _figure(view, len(indices), len(titles))
    for row, index in enumerate(indices):
        panels = grid[row]
        for panel in panels[:3]:
            _show(panel, view, index)
        _fill(panels[1], view.truth[index])
        _veil(panels[1], view, index)
        _fill(panels[2], view.prediction[index])
        _outline_both(panels[3], view, index)
        _describe(panels[0], view, index, index == worst)
    for panel, title in zip(grid[0], titles):
        panel.set_title(title, color=_TEXT, fontsize=9, pad=4)
    figure.suptitle(view.name, color=_TEXT, fontsize=11)
    _legend(figure, view.label_names, view.unknown is not None)
    _save(figure, path)


def draw_levels(view: CaseView, path: files.PathLike) -> None:
    """Draws the contours of a case in a row of slices, without a legend.

    Args:
      view: the case; its slices are those of `CaseView.levels`.
      path: the PNG to write, whole or not at all.
    """
    levels = view.levels()
    figure, grid = _figure(view, 1, len(levels), 0, _BARE, _SMALL_INCHES)
    for panel, index in zip(grid[0], levels):
        _outline_both(panel, view, index)
        place = {"transform": panel.transAxes, "va": "top", "fontsize": 8}
        heading = f"{index + 1}/{len(view.image)}"
        panel.text(0.02, 0.98, heading, color=_TEXT, **place)
    _save(figure, path)


def shown_first(thumbnails: Iterable[Thumbnail]) -> list[Thumbnail]:
    """Those that fit on a contact sheet, the lowest Dice first."""
    ordered = sorted(thumbnails, key=lambda each: (each.dice is None, each.dice or 0))
    return ordered[:_SHEET_LIMIT]


def draw_sheet(
    thumbnails: Sequence[Thumbnail],
    path: files.PathLike,
    num_cases: Optional[int] = None,
) -> None:
    """Draws the contact sheet of all cases, the lowest Dice first.

    Args:
      thumbnails: one per case; only the 200 lowest are drawn, as the title then says.
      path: the PNG to write, whole or not at all.
      num_cases: number of all cases, if these are only the lowest; None: these are all.
    """
    drawn = shown_first(thumbnails)
    columns = min(len(drawn), max(4, math.ceil(math.sqrt(1.6 * len(drawn)))))
    rows = math.ceil(len(drawn) / columns)
    figure, grid = _figure(drawn[0].view, rows, columns, 0.3, (0.1, 0.65, 0.4))
    panels = [panel for row in grid for panel in row]
    for panel, thumbnail in zip(panels, drawn):
        _outline_both(panel, thumbnail.view, 0)
        panel.set_title(_heading(thumbnail), color=_TEXT, fontsize=7, pad=3)
    for panel in panels[len(drawn) :]:
        panel.set_axis_off()
    figure.suptitle(
        _sheet_title(len(drawn), num_cases or len(thumbnails)), color=_TEXT, fontsize=11
    )
    is_sparse = any(each.view.unknown is not None for each in drawn)
    _legend(figure, drawn[0].view.label_names, is_sparse)
    _save(figure, path)


def draw_beside(
    rows: Sequence[tuple[str, Sequence[Thumbnail]]], path: files.PathLike
) -> None:
    """Draws the masks of several models for the same cases, a row for each model.

    Args:
      rows: heading and thumbnails of each; all rows have the same cases in one order.
      path: the PNG to write, whole or not at all.
    """
    first = rows[0][1]
    figure, grid = _figure(first[0].view, len(rows), len(first), 0.3, (0.5, 0.45, 0.4))
    for panels, (heading, thumbnails) in zip(grid, rows):
        for panel, thumbnail in zip(panels, thumbnails):
            _outline_both(panel, thumbnail.view, 0)
            panel.set_title(_heading(thumbnail), color=_TEXT, fontsize=7, pad=3)
        panels[0].set_ylabel(heading, color=_TEXT, fontsize=9)
    is_sparse = any(each.view.unknown is not None for each in first)
    _legend(figure, first[0].view.label_names, is_sparse)
    _save(figure, path)


def _heading(thumbnail: Thumbnail) -> str:
    dice = "no structure" if thumbnail.dice is None else f"{thumbnail.dice:.3f}"
    return f"{thumbnail.view.name}\n{dice}"


def _sheet_title(drawn: int, total: int) -> str:
    count = f"{total} cases" if drawn == total else f"The lowest {drawn} of {total}"
    return f"{count}, mean Dice of each, lowest first"


def _figure(
    view: CaseView,
    rows: int,
    columns: int,
    title_inches: float = 0.05,
    margins: tuple[float, float, float] = (0.85, 0.65, 0.4),
    panel_inches: float = _PANEL_INCHES,
) -> tuple[Figure, np.ndarray]:
    """A figure of panels; `margins` are left, top and bottom, in inches."""
    height, width = view.image.shape[1:]
    # Very long images would make a picture too wide or too high to look at.
    ratio = min(max(height * view.aspect / width, 0.4), 2.5)
    left, top, bottom = margins
    right = min(left, 0.1)
    panel_height = panel_inches * ratio + title_inches
    total = (left + columns * panel_inches + right, top + rows * panel_height + bottom)
    figure = Figure(figsize=total, dpi=110, facecolor=_BACKGROUND)
    backend_agg.FigureCanvasAgg(figure)
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / total[0],
            "right": 1 - right / total[0],
            "top": 1 - top / total[1],
            "bottom": bottom / total[1],
            "wspace": 0.03,
            "hspace": 0.03 + title_inches / panel_height,
        },
    )
    return figure, grid


def _show(panel: Axes, view: CaseView, index: int, white: float = 1) -> None:
    panel.imshow(
        view.image[index], cmap="gray", vmin=0, vmax=white, interpolation="bilinear"
    )
    panel.set_aspect(view.aspect)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _fill(panel: Axes, mask: np.ndarray) -> None:
    for label in _labels(mask):
        layer = np.zeros((*mask.shape, 4), np.float32)
        layer[mask == label] = colors.to_rgba(structure_color(label), 0.5)
        panel.imshow(layer, interpolation="nearest", aspect=panel.get_aspect())
        _outline(panel, mask == label, structure_color(label), "solid")


def _outline_both(panel: Axes, view: CaseView, index: int) -> None:
    # A darker image, since white lines must show on bright blood.
    _show(panel, view, index, white=1.6)
    truth, prediction = view.truth[index], view.prediction[index]
    _veil(panel, view, index)
    for label in _labels(truth):
        _outline(panel, _filled(truth, label), structure_color(label), "solid")
    for label in _labels(prediction):
        _outline(panel, _filled(prediction, label), "white", "dashed")


def _veil(panel: Axes, view: CaseView, index: int) -> None:
    """Draws stripes over unlabelled voxels."""
    if view.unknown is None:
        return
    is_unknown = view.unknown[index]
    rows, columns = np.indices(is_unknown.shape)
    layer = np.zeros((*is_unknown.shape, 4), np.float32)
    layer[is_unknown & ((rows + columns) // 2 % 2 == 0)] = _VEIL
    panel.imshow(layer, interpolation="nearest", aspect=panel.get_aspect())


def _filled(mask: np.ndarray, label: int) -> np.ndarray:
    """A structure with those that it encloses, so that shared lines are drawn once."""
    alone = sitk.GetImageFromArray((mask == label).astype(np.uint8))
    enclosed = sitk.GetArrayFromImage(sitk.BinaryFillhole(alone)) > 0
    return enclosed & (mask > 0)


def _outline(panel: Axes, mask: np.ndarray, color: str, style: str) -> None:
    # A border of background closes the lines of structures that leave the picture.
    padded = np.pad(mask.astype(np.float32), 1)
    rows, columns = (np.arange(-1, extent + 1) for extent in mask.shape)
    panel.contour(
        columns, rows, padded, [0.5], colors=color, linestyles=style, linewidths=0.9
    )
    panel.set_xlim(-0.5, mask.shape[1] - 0.5)
    panel.set_ylim(mask.shape[0] - 0.5, -0.5)


def _labels(mask: np.ndarray) -> list[int]:
    return [int(label) for label in np.unique(mask) if label]


def _describe(panel: Axes, view: CaseView, index: int, worst: bool) -> None:
    heading = f"slice {index + 1}/{len(view.image)}" + (
        "\nlowest Dice" if worst else ""
    )
    place = {"transform": panel.transAxes, "ha": "right", "fontsize": 8}
    panel.text(-0.04, 0.97, heading, va="top", color=_TEXT, **place)
    for line, (label, dice) in enumerate(view.slice_dice(index).items()):
        words = f"{view.label_names[label][:8]} {dice:.2f}"
        color = structure_color(label)
        panel.text(-0.04, 0.72 - 0.09 * line, words, va="top", color=color, **place)


def _legend(figure: Figure, label_names: tuple[str, ...], is_sparse: bool) -> None:
    structures = [
        patches.Patch(color=structure_color(label), label=name)
        for label, name in enumerate(label_names)
        if label
    ]
    truth = lines.Line2D([], [], color=structure_color(1), lw=1.2, label="truth")
    prediction = lines.Line2D(
        [], [], color="white", lw=1.2, ls="dashed", label="prediction"
    )
    handles = [*structures, truth, prediction]
    if is_sparse:
        handles.append(patches.Patch(color=_VEIL, label="not labelled"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        labelcolor=_TEXT,
        fontsize=8,
    )


def _save(figure: Figure, path: files.PathLike) -> None:
    for words in figure.findobj(text.Text):
        words.set_family(_fonts())
        words.set_parse_math(False)  # Names may have a $.
    with warnings.catch_warnings(record=True) as said, files.atomic_path(path) as new:
        figure.savefig(new, format="png", facecolor=_BACKGROUND)
    for each in said:
        if "missing from" in str(each.message):  # Comes for each character and place.
            _say_that_no_font_has_them()
        else:
            warnings.warn_explicit(
                each.message, each.category, each.filename, each.lineno
            )


@functools.lru_cache
def _fonts() -> list[str]:
    """The default font, then installed ones that have the characters it lacks."""
    there = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in there)]


@functools.lru_cache
def _say_that_no_font_has_them() -> None:
    """Warns once, however many pictures there are."""
    _LOG.warning(
        "Names have characters that no font here has, so that pictures show boxes: "
        "install a font with them, such as Noto Sans CJK."
    )
