"""Picture panels for TensorBoard, drawn with matplotlib off the screen."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import patches
from matplotlib.backends import backend_agg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from dscl_tf import palette
from dscl_tf.losses import LocalRegions

_UNKNOWN = "dimgray"  # The colour of voxels whose label is unknown.
_ROWS = 4  # Images per column of a panel.
_TITLES = ("x", "view 1", "view 2")


def view_panel(images: np.ndarray, view: np.ndarray) -> np.ndarray:
    """The views of a few slices side by side.

    Args:
      images: float [N, H, W, channels], view by view as the pipeline stacks them;
        the first channel is shown.
      view: int [N], 0, 1 or 2.

    Returns:
      uint8 [H', W', 3].
    """
    numbers = sorted(set(view.tolist()))
    columns = [images[view == number][:_ROWS, ..., 0] for number in numbers]
    return _grid(columns, [_TITLES[number] for number in numbers])


def image_panel(columns: Mapping[str, npt.ArrayLike]) -> np.ndarray:
    """A few images in several states side by side.

    Args:
      columns: by title, float [N, H, W, channels], arrays or tensors; the first
        channel of some images is shown.

    Returns:
      uint8 [H', W', 3].
    """
    shown = [np.asarray(images[:_ROWS, ..., 0]) for images in columns.values()]
    return _grid(shown, list(columns))


def region_panel(
    images: np.ndarray,
    view: np.ndarray,
    regions: LocalRegions,
    region_size: int,
    stride_px: float,
) -> np.ndarray:
    """Two views of one slice with the regions drawn where they lie.

    Args:
      images: float [N, H, W, channels]; the first channel of the first slice is shown.
      view: int [N].
      regions: their top-left corners on the feature map are drawn.
      region_size: K; that of `regions` is 1 where the head makes each one a vector.
      stride_px: image pixels per position of the feature map.

    Returns:
      uint8 [H', W', 3].
    """
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    for axes, number in zip(figure.subplots(1, 2), (1, 2)):
        row_of_batch = int(np.argmax(view == number))
        title = f"{_TITLES[number]}: {regions.num_regions} regions"
        _show(axes, images[row_of_batch, ..., 0], title)
        for color, (row, column) in enumerate(regions.corners_of(row_of_batch)):
            axes.add_patch(
                patches.Rectangle(
                    (column * stride_px - 0.5, row * stride_px - 0.5),
                    region_size * stride_px,
                    region_size * stride_px,
                    fill=False,
                    # A region has the same color in both views.
                    edgecolor=f"C{color % 10}",
                )
            )
    return _pixels(figure)


def segmentation_panel(
    images: np.ndarray, truth: np.ndarray, prediction: np.ndarray, num_classes: int
) -> np.ndarray:
    """Image, truth and prediction of a few slices.

    Args:
      images: float [Q, H, W].
      truth: int [Q, H, W]; `num_classes` means unknown and is shown in grey.
      prediction: int [Q, H, W].
      num_classes: background included.

    Returns:
      uint8 [H', W', 3].
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, 4).round().astype(int))
    columns = [array[chosen] for array in (images, truth, prediction)]
    return _grid(columns, ["image", "truth", "prediction"], num_classes)


def _grid(
    columns: Sequence[np.ndarray], titles: Sequence[str], num_classes: int = 0
) -> np.ndarray:
    rows = len(columns[0])
    figure = Figure(figsize=(2 * len(columns), 2 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for k, (column, title) in enumerate(zip(columns, titles)):
        for row, image in enumerate(column):
            is_label = num_classes and k > 0
            _show(grid[row, k], image, "" if row else title, is_label * num_classes)
    return _pixels(figure)


def _show(axes, image: np.ndarray, title: str, num_classes: int = 0) -> None:
    if num_classes:
        colors = ["black", *map(palette.structure_color, range(1, num_classes))]
        colors.append(_UNKNOWN)
        axes.imshow(
            image,
            cmap=ListedColormap(colors),
            vmin=-0.5,
            vmax=num_classes + 0.5,
            interpolation="nearest",
        )
    else:
        axes.imshow(image, cmap="gray", vmin=0, vmax=1.2)
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()


def _pixels(figure: Figure) -> np.ndarray:
    canvas = backend_agg.FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
