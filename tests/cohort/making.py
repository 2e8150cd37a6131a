"""Tiny volumes and datasets for the tests of the cohort."""

import numpy as np
import SimpleITK as sitk

from dscl_tf.cohort.layouts import listing


def image_of(values, spacing_mm=(2.0, 2.0, 8.0), direction=None, origin=(-10, 20, 3)):
    """A SimpleITK image of an array [Q, rows, columns]."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_mm)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(np.ravel(direction).tolist())
    return image


def write(path, values, **geometry):
    """Writes an array as an image file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image_of(values, **geometry), str(path))
    return path


def intensities(seed=0, shape=(5, 14, 12)):
    """float32 noise on a ramp."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 100, shape[2])
    return (ramp + rng.normal(0, 5, shape)).astype(np.float32)


def labels(shape=(5, 14, 12)):
    """A box of each of the labels 1, 2 and 3."""
    values = np.zeros(shape, np.uint8)
    values[:, 2:5, 2:5] = 1
    values[:, 6:9, 2:8] = 2
    values[1:, 10:12, 5:9] = 3
    return values


def acdc_patient(folder, frames, info, labelled=True):
    """A patient of the ACDC layout with these frame numbers and Info.cfg."""
    name = folder.name
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        values = intensities(frame)
        write(folder / f"{name}_frame{frame:02d}.nii.gz", values)
        if labelled:
            write(folder / f"{name}_frame{frame:02d}_gt.nii.gz", labels())
    (folder / "Info.cfg").write_text(info)
    return folder


def without_faults(dataset):
    """A dataset whose faults, if it has any, are raised as one error."""
    listing.refuse_faults([str(fault) for fault in dataset.faults if fault.is_error])
    return dataset


def run_all_here(function, items, arguments, num_workers):
    """As `parallel.run_all`, but in this process: starting others takes long."""
    results = {}
    for name, item in items.items():
        try:
            results[name] = function(item, *arguments)
        except Exception as error:
            results[name] = error
    return results
