"""NVIDIA GPUs of this machine, as the driver (not TensorFlow) lists them."""

import os
import pathlib
from typing import Optional

from dscl_tf import errors

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = pathlib.Path("/proc/driver/nvidia/gpus")  # A folder for each GPU.


def names(folder: pathlib.Path = _DRIVER) -> list[str]:
    """The GPUs that this process may use, by their names in CUDA_VISIBLE_DEVICES.

    Args:
      folder: where the driver has an entry for each GPU.
    """
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        try:
            return [str(number) for number, _ in enumerate(folder.iterdir())]
        except OSError:
            return []  # No driver.
    found = []
    for name in map(str.strip, chosen.split(",")):
        if name in ("", "-1"):
            break  # CUDA sees none from there on.
        found.append(name)
    return found


def take(name: Optional[str]) -> None:
    """Restricts a process that has not computed yet to one GPU; None: no change."""
    if name is not None:
        os.environ[VISIBLE] = name


def unseen(num_seen: int, folder: pathlib.Path = _DRIVER) -> Optional[str]:
    """Why TensorFlow may not see the GPUs that the driver has, and the cure.

    Args:
      num_seen: GPUs that TensorFlow lists.
      folder: where the driver has an entry for each GPU.

    Returns:
      A sentence; None if there is no such problem.
    """
    there = names(folder)
    if num_seen or not there:
        return None
    return (
        f"The driver has {len(there)} NVIDIA GPU(s), but TensorFlow sees none and "
        f"computes on the CPU: {errors.how_to_install('cuda')} brings the CUDA "
        "libraries (docs/gpu.md); or hide them (CUDA_VISIBLE_DEVICES=-1)."
    )
