"""Draws a picture of some of the phantom's subjects, with their labels."""

import numpy as np
import SimpleITK as sitk
from matplotlib import patches
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from dscl_tf import files, palette
from dscl_tf.cohort import phantom

_HEIGHTS = {"base": 0.1, "middle": 0.5, "apex": 0.9}


def draw(seed: int, num_subjects: int, path: files.PathLike) -> None:
    """Draws a column for each subject: base, middle and apex, plain and with labels.

    Args:
      seed: the cohort's seed.
      num_subjects: number of subjects to draw, from the first on.
      path: the PNG file to write.
    """
    figure = Figure(figsize=(1.7 * num_subjects, 10), layout="constrained")
    axes = figure.subplots(2 * len(_HEIGHTS), num_subjects, squeeze=False)
    for column in range(num_subjects):
        made = phantom.make_subject(seed, column + 1)
        image = sitk.GetArrayFromImage(made.image)
        label = sitk.GetArrayFromImage(made.label)
        for row, (name, height) in enumerate(_HEIGHTS.items()):
            z = round(height * (len(image) - 1))
            _show(axes[2 * row, column], image, z)
            _show(axes[2 * row + 1, column], image, z)
            _outline(axes[2 * row + 1, column], label[z])
            if not column:
                axes[2 * row, 0].set_ylabel(name)
        axes[0, column].set_title(f"{column + 1}: {made.info['Group']}", fontsize=9)
    structures = [
        patches.Patch(color=palette.structure_color(value), label=name)
        for value, name in enumerate(phantom.LABEL_NAMES)
        if value
    ]
    figure.legend(handles=structures, loc="outside lower center", ncols=3, fontsize=9)
    with files.atomic_path(path) as partial:
        backend_agg.FigureCanvasAgg(figure).print_png(str(partial))


def _outline(axes, labels: np.ndarray) -> None:
    for value in np.unique(labels[labels > 0]):
        color = palette.structure_color(int(value))
        axes.contour(labels == value, [0.5], colors=color, linewidths=0.8)


def _show(axes, image: np.ndarray, z: int) -> None:
    axes.imshow(image[z], cmap="gray", vmin=0, vmax=np.percentile(image, 99.5))
    axes.set_xticks([])
    axes.set_yticks([])
