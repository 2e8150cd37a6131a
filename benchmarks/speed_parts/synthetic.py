"""A prepared cohort of noise for timing, so that none needs to be shipped."""

import os
import pathlib

import numpy as np

from dscl_tf import config, config_json, files
from dscl_tf.cohort import prepared

NUM_CLASSES = 4


def write(
    folder: pathlib.Path, size_px: int, num_volumes: int, num_slices: int = 12
) -> None:
    """Writes the cohort: arrays of eight volumes, and links to them for the others.

    Args:
      folder: a new folder.
      size_px: side of a slice.
      num_volumes: number of volumes, all labelled.
      num_slices: slices of each volume.
    """
    rng = np.random.default_rng(0)
    shape = (num_slices, size_px, size_px)
    (folder / prepared.ARRAYS).mkdir(parents=True)
    for number in range(num_volumes):
        image, label = (_path(folder, number, kind) for kind in ("image", "label"))
        if number < 8:
            np.save(image, rng.uniform(0, 1.2, shape).astype(np.float32))
            np.save(label, rng.integers(0, NUM_CLASSES, shape).astype(np.uint8))
        else:
            os.link(_path(folder, number % 8, "image"), image)
            os.link(_path(folder, number % 8, "label"), label)
    index = prepared.Index(
        format=prepared.FORMAT,
        content_id=f"noise-{size_px}-{num_volumes}-{num_slices}",
        sources_id="",
        settings=config.PreprocessingConfig(size_px=(size_px, size_px)),
        label_names=("background", "a", "b", "c"),
        volumes=tuple(_volume(number, shape) for number in range(num_volumes)),
    )
    files.write_json(folder / prepared.INDEX, config_json.to_json(index))


def _name(number: int) -> str:
    return f"case{number:06d}"


def _path(folder: pathlib.Path, number: int, kind: str) -> pathlib.Path:
    return prepared.array_path(folder, _name(number), kind)


def _volume(number: int, shape: tuple[int, int, int]) -> prepared.PreparedVolume:
    name = _name(number)
    return prepared.PreparedVolume(
        name=name,
        subject=name,
        frame="",
        num_slices=shape[0],
        image_file=f"{name}.nii.gz",
        label_file=f"{name}_gt.nii.gz",
        size=shape[::-1],
        spacing_mm=(1.4, 1.4, 8.0),
        origin=(0.0, 0.0, 0.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )
