"""The picture of `local_agreement.py`: a pixel and what it is alike to elsewhere."""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

_NUM_OTHERS = 4
_NUM_NEAREST = 12  # Positions that are marked in all other volumes together.


def draw(
    cohort,
    names: list[str],
    features: Mapping[str, tf.keras.Model],
    path: pathlib.Path,
    label: int = 2,
) -> None:
    """Draws where in other volumes a pixel's most similar ones lie.

    Args:
      cohort: the prepared cohort.
      names: volumes; the first has the pixel.
      features: by title, from images to maps.
      path: PNG to write.
      label: class that the pixel is of, the one that is outlined.
    """
    shown = [_middle_slice(cohort, name, label) for name in names[: _NUM_OTHERS + 1]]
    images = np.stack([image for image, _ in shown])
    figure = Figure(figsize=(2.1 * len(shown), 2.25 * len(features)))
    figure.set_layout_engine("constrained")
    grid = figure.subplots(len(features), len(shown), squeeze=False)
    for row, (title, of_images) in zip(grid, features.items()):
        maps = of_images(tf.constant(images[..., None])).numpy()
        _draw_row(row, title, images, [truth == label for _, truth in shown], maps)
    canvas = backend_agg.FigureCanvasAgg(figure)
    canvas.print_png(str(path))


def _draw_row(row, title: str, images, masks, maps) -> None:
    stride = images.shape[1] // maps.shape[1]
    units = maps / np.maximum(np.linalg.norm(maps, axis=-1, keepdims=True), 1e-9)
    chosen = _pixel_of(masks[0], stride)
    similarity = units @ units[0][chosen]  # [N, h, w]
    low, high = np.quantile(similarity[1:], [0.5, 1.0])
    threshold = np.sort(similarity[1:].ravel())[-_NUM_NEAREST]
    for k, axes in enumerate(row):
        axes.imshow(images[k], cmap="gray", vmin=0, vmax=1.1)
        axes.contour(masks[k], [0.5], colors="tab:cyan", linewidths=0.8)
        if k == 0:
            axes.set_ylabel(title)
            _mark(axes, [chosen], stride, "tab:red", 60)
        else:
            edge = stride * maps.shape[1] - 0.5
            axes.imshow(
                np.clip((similarity[k] - low) / (high - low), 0, 1),
                cmap="inferno",
                alpha=0.45,
                vmin=0,
                vmax=1,
                extent=(-0.5, edge, edge, -0.5),
            )
            _mark(axes, np.argwhere(similarity[k] >= threshold), stride, "lime", 14)
        axes.set_xticks([])
        axes.set_yticks([])


def _mark(axes, positions, stride: int, color: str, size: float) -> None:
    rows, columns = (np.array(positions).reshape(-1, 2).T + 0.5) * stride - 0.5
    axes.scatter(columns, rows, s=size, c=color, edgecolors="black", linewidths=0.5)


def _middle_slice(cohort, name: str, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of the slice that has most of a class."""
    labels = np.asarray(cohort.label(name))
    number = int((labels == label).sum(axis=(1, 2)).argmax())
    return np.asarray(cohort.image(name)[number], np.float32), labels[number]


def _pixel_of(mask: np.ndarray, stride: int) -> tuple[int, int]:
    """A position of the map inside of a mask: the one nearest to its first moment."""
    positions = np.argwhere(mask[stride // 2 :: stride, stride // 2 :: stride])
    middle = positions.mean(axis=0)
    return tuple(positions[((positions - middle) ** 2).sum(axis=1).argmin()])
