"""A prepared cohort: one folder with an index and memory-mapped arrays."""

import dataclasses
import functools
import hashlib
import pathlib
import tokenize
from typing import Any, Optional

import numpy as np

from dscl_tf import checks, config_json, errors, files
from dscl_tf.cohort import cases
from dscl_tf.config import PreprocessingConfig

FORMAT = 2
INDEX = "index.json"
ARRAYS = "arrays"
# At most this many arrays stay open, since the number of file descriptors is limited.
_MAX_OPEN = 256


# What NumPy raises for a file that is missing, truncated, or has an invalid header.
_DAMAGED = (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError)


@dataclasses.dataclass(frozen=True)
class PreparedVolume:
    """One volume and the files it was prepared from."""

    name: str  # "patient001_frame01"
    subject: str  # "patient001": all volumes of a patient share it.
    frame: str  # "ED", "ES" or "".
    num_slices: int
    image_file: str  # Absolute path of the original, links not followed.
    label_file: Optional[str]
    size: tuple[int, ...]  # Of the original, as SimpleITK orders it.
    spacing_mm: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    fourth: Optional[int] = None  # Index along the fourth axis of a 4-D original.
    # Pairs of raw value and class of the original label; None: the values are classes.
    label_map: Optional[tuple[tuple[int, int], ...]] = None
    # For each channel after the first: the file, and the index along its fourth axis.
    more_images: tuple[tuple[str, Optional[int]], ...] = dataclasses.field(
        default=(), metadata=checks.ABSENT
    )

    @property
    def original_files(self) -> tuple[str, ...]:
        """The files of all channels and, if there is one, of the label."""
        more = [path for path, _ in self.more_images]
        return tuple(p for p in (self.image_file, *more, self.label_file) if p)

    @property
    def has_label(self) -> bool:
        """Whether the volume is labelled."""
        return self.label_file is not None


@dataclasses.dataclass(frozen=True)
class Index:
    """The content of index.json."""

    format: int
    content_id: str
    sources_id: str  # Hash of the original files' names, sizes and modification times.
    settings: PreprocessingConfig
    label_names: tuple[str, ...]
    volumes: tuple[PreparedVolume, ...]
    # The voxel value of each class in the label files; None: the classes themselves.
    label_values: Optional[tuple[int, ...]] = dataclasses.field(
        default=None, metadata=checks.ABSENT
    )
    # Which slices of a label count as labelled, one of `cases.LABELLED_SLICES`.
    labelled_slices: str = dataclasses.field(
        default=cases.ALL_SLICES, metadata=checks.ABSENT
    )
    # The value of unannotated voxels in the label files.
    ignore_label: Optional[int] = dataclasses.field(
        default=None, metadata=checks.ABSENT
    )


class PreparedCohort:
    """An opened prepared cohort; arrays are read from disk only when they are used."""

    def __init__(self, folder: pathlib.Path, index: Index):
        """Wraps a folder and its validated index; use `open` to read one."""
        self.folder = folder
        self.content_id = index.content_id
        self.settings = index.settings
        self.label_names = index.label_names
        self.label_values = index.label_values
        self.labelled_slices = index.labelled_slices
        self.ignore_label = index.ignore_label
        self.volumes = index.volumes
        self._by_name = {volume.name: volume for volume in index.volumes}
        self._open_array = functools.lru_cache(maxsize=_MAX_OPEN)(self._map_array)

    @classmethod
    def open(cls, folder: files.PathLike) -> "PreparedCohort":
        """Opens a folder that `prepare` has completed.

        Raises:
          UserError: the folder has no complete cohort, or one of another version.
        """
        folder = pathlib.Path(folder)
        if not (folder / INDEX).exists():
            found = "an unfinished one" if (folder / ARRAYS).exists() else "none"
            raise errors.UserError(
                f"No prepared cohort at {folder} (expected {INDEX}, found {found}): "
                "write one with dscl-prepare --output."
            )
        return cls(folder, read_index(folder))

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.label_names)

    @property
    def unknown(self) -> Optional[int]:
        """The label of unannotated voxels: C; None: every voxel is annotated."""
        all_slices = self.labelled_slices == cases.ALL_SLICES
        is_whole = all_slices and self.ignore_label is None
        return None if is_whole else self.num_classes

    def volume(self, name: str) -> PreparedVolume:
        """The volume called `name`.

        Raises:
          UserError: there is no such volume.
        """
        if name not in self._by_name:
            raise errors.UserError(f"No volume {name!r} in {self.folder}.")
        return self._by_name[name]

    def image(self, name: str) -> np.ndarray:
        """The slices of a volume, memory-mapped float32 [Q, H, W].

        Of several channels this is the first one, which is used for display.
        """
        array = self._open_array(name, "image")
        return array if array.ndim == 3 else array[..., 0]

    def slices(self, name: str) -> np.ndarray:
        """The slices of a volume with all channels, float32 [Q, H, W, C]."""
        array = self._open_array(name, "image")
        return array if array.ndim == 4 else array[..., None]

    @property
    def num_channels(self) -> int:
        """Number of channels of the network's input."""
        return self.settings.num_channels

    def label(self, name: str) -> np.ndarray:
        """The labels of a volume, memory-mapped uint8 [Q, H, W]; see `unknown`.

        Raises:
          UserError: the volume has no labels.
        """
        if not self.volume(name).has_label:
            raise errors.UserError(f"Volume {name} in {self.folder} has no labels.")
        return self._open_array(name, "label")

    def _map_array(self, name: str, kind: str) -> np.ndarray:
        return map_array(self.folder, self.volume(name), kind, self.settings)


def map_array(
    folder: pathlib.Path,
    volume: PreparedVolume,
    kind: str,
    settings: PreprocessingConfig,
) -> np.ndarray:
    """Memory-maps the array "image" or "label" of a volume, and checks it.

    Raises:
      UserError: it is missing or damaged, or its shape or dtype is wrong.
    """
    path = array_path(folder, volume.name, kind)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise errors.UserError(
            f"Cannot read {path} ({error}): prepare the cohort again."
        ) from None
    is_image = kind == "image"
    shape = settings.slice_shape if is_image else settings.size_px
    expected = (volume.num_slices, *shape)
    dtype = np.float32 if is_image else np.uint8
    if array.shape != expected or array.dtype != dtype:
        raise errors.UserError(
            f"{path}: found {array.dtype} {array.shape}, expected "
            f"{np.dtype(dtype)} {expected}: prepare the cohort again."
        )
    return array


def write_array(folder: pathlib.Path, name: str, kind: str, array: np.ndarray) -> str:
    """Writes the array "image" or "label" of a volume, whole or not at all.

    Returns:
      A checksum of its values.
    """
    path = array_path(folder, name, kind)
    with files.atomic_path(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def array_path(folder: pathlib.Path, name: str, kind: str) -> pathlib.Path:
    """The path of the array "image" or "label" of a volume."""
    return folder / ARRAYS / f"{name}.{kind}.npy"


def read_index(folder: pathlib.Path) -> Index:
    """Reads and checks index.json.

    Raises:
      UserError: it is damaged, or was written by another version.
    """
    path = folder / INDEX
    content = files.read_json_object(path, "index of the prepared cohort")
    if content.get("format") != FORMAT:
        raise errors.UserError(
            f"{path}: format {content.get('format')!r}, expected {FORMAT}: prepare the "
            "cohort again with this version (dscl-prepare --overwrite)."
        )
    index: Any = config_json.from_json(Index, content, str(path))
    seen = set()
    for name in (volume.name for volume in index.volumes):
        if pathlib.PurePath(name).name != name or name in seen:
            raise errors.UserError(
                f"{path}: volume name {name!r} is not a file name, or occurs twice."
            )
        seen.add(name)
    values, names = index.label_values, index.label_names
    if values is not None and not len(set(values)) == len(values) == len(names):
        raise errors.UserError(
            f"{path}: label_values: found {values}, expected {len(names)} different "
            "ones, one for each class: prepare the cohort again."
        )
    if index.labelled_slices not in cases.LABELLED_SLICES:
        raise errors.UserError(
            f"{path}: labelled_slices: found {index.labelled_slices!r}, expected one "
            f"of {', '.join(cases.LABELLED_SLICES)}: prepare the cohort again."
        )
    return index
