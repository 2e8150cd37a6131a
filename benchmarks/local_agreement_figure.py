"""The picture of `local_agreement.py`: a pixel, and what is similar to it elsewhere."""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from dscl_tf import errors

# Of the other volumes, as fractions of the side: hearts lie in the middle of slices, so
# without shifts the same place would mean the same anatomy.
_SHIFTS = ((0.12, 0.12), (-0.12, 0.1), (0.1, -0.15), (-0.1, -0.12))


def draw(
    cohort,
    names: list[str],
    features: Mapping[str, tf.keras.Model],
    path: pathlib.Path,
) -> None:
    """Draws where in other volumes the features are most similar to those of a pixel.

    The pixel is red, the most similar one of each other volume green; brighter means
    more similar. The other volumes are shifted, so that place does not tell anatomy.

    Args:
      cohort: the prepared cohort.
      names: volumes; the first has the pixel.
      features: models from images to feature maps, by title.
      path: PNG to write.

    Raises:
      UserError: the volumes have no structure in common.
    """
    label = _common_structure(cohort, names[: len(_SHIFTS) + 1])
    shown = [
        _middle_slice(cohort, name, label, shift)
        for name, shift in zip(names, ((0, 0), *_SHIFTS))
    ]
    images = np.stack([image for image, _ in shown])
    figure = Figure(figsize=(2.1 * len(shown), 2.25 * len(features)), dpi=80)
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
    low, high = np.quantile(similarity[1:], [0.8, 1.0])
    for k, axes in enumerate(row):
        axes.imshow(images[k], cmap="gray", vmin=0, vmax=1.1)
        axes.contour(masks[k], [0.5], colors="tab:cyan", linewidths=0.8)
        if k == 0:
            axes.set_ylabel(title)
            _mark(axes, [chosen], stride, "tab:red", 60)
        else:
            edge = stride * maps.shape[1] - 0.5
            shown = np.clip((similarity[k] - low) / (high - low), 0, 1)
            axes.imshow(
                shown,
                cmap="inferno",
                alpha=0.6 * shown,
                vmin=0,
                vmax=1,
                extent=(-0.5, edge, edge, -0.5),
            )
            best = np.unravel_index(similarity[k].argmax(), similarity[k].shape)
            _mark(axes, [best], stride, "lime", 60)
        axes.set_xticks([])
        axes.set_yticks([])


def _mark(axes, positions, stride: int, color: str, size: float) -> None:
    rows, columns = (np.array(positions).reshape(-1, 2).T + 0.5) * stride - 0.5
    axes.scatter(columns, rows, s=size, c=color, edgecolors="black", linewidths=0.5)


def _common_structure(cohort, names: list[str]) -> int:
    """The middle one of the structures that all volumes have; it is outlined."""
    found = [set(np.unique(cohort.label(name)).tolist()) for name in names]
    common = set.intersection(*found) & set(range(1, cohort.num_classes))
    if not common:
        raise errors.UserError(
            f"--figure: {', '.join(names)} have no structure in common."
        )
    return sorted(common)[len(common) // 2]


def _middle_slice(
    cohort, name: str, label: int, shift: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of the slice that has most of a class, shifted."""
    labels = np.asarray(cohort.label(name))
    number = int((labels == label).sum(axis=(1, 2)).argmax())
    image = np.asarray(cohort.image(name)[number], np.float32)
    return _moved(image, shift), _moved(labels[number], shift)


def _moved(array: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    pixels = [round(s * extent) for s, extent in zip(shift, array.shape)]
    padded = np.pad(array, [(max(p, 0), max(-p, 0)) for p in pixels], mode="edge")
    starts = [max(-p, 0) for p in pixels]
    return padded[tuple(slice(s, s + n) for s, n in zip(starts, array.shape))]


def _pixel_of(mask: np.ndarray, stride: int) -> tuple[int, int]:
    """The position of the map inside a mask that is nearest to the mask's centroid."""
    positions = np.argwhere(mask[stride // 2 :: stride, stride // 2 :: stride])
    middle = positions.mean(axis=0)
    return tuple(positions[((positions - middle) ** 2).sum(axis=1).argmin()])
