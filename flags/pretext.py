"""The pretext stage."""

from collections.abc import Collection, Iterator

from absl import flags
from dscl_flags import command_line, pairs

from dscl_tf import config

_DEFAULT = config.PretextConfig()

_TASK = flags.DEFINE_enum(
    "pretext",
    _DEFAULT.task.value,
    [task.value for task in config.PretextTask],
    "Task to pre-train by, instead of the contrastive losses.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "pretext_batch_size", _DEFAULT.batch_size, "Slices of a batch.", lower_bound=1
)
_NUM_BOXES = flags.DEFINE_integer(
    "num_boxes", _DEFAULT.num_boxes, "Boxes that inpainting masks.", lower_bound=1
)
_BOX = flags.DEFINE_list(
    "box_fraction",
    [f"{value:g}" for value in _DEFAULT.box_fraction],
    "Smallest and largest side of such a box, as fractions of the slice's side.",
)
_NUM_SWAPS = flags.DEFINE_integer(
    "num_swaps",
    _DEFAULT.num_swaps,
    "Pairs of patches that context restoration swaps.",
    lower_bound=1,
)
_PATCH = flags.DEFINE_float(
    "patch_fraction",
    _DEFAULT.patch_fraction,
    "Side of such a patch, as a fraction of the slice's side.",
    lower_bound=0.001,
    upper_bound=0.5,
)


def pretext_config() -> config.PretextConfig:
    """The pretext stage's settings."""
    return config.PretextConfig(
        task=config.PretextTask(_TASK.value),
        batch_size=_BATCH_SIZE.value,
        num_boxes=_NUM_BOXES.value,
        box_fraction=pairs.pair(_BOX, float),
        num_swaps=_NUM_SWAPS.value,
        patch_fraction=_PATCH.value,
    )


def refuse_unused(settings: config.PretextConfig) -> None:
    """Refuses command-line flags of another task.

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    for flag, tasks in _used_by():
        if settings.task.value not in tasks:
            command_line.refuse_typed(flag, _TASK, tasks[0])


def refuse_unused_in_rows(starts: Collection[str]) -> None:
    """Refuses command-line flags of tasks that no row of an experiment has.

    Args:
      starts: the rows' first terms, such as "rotation".

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    for flag, tasks in _used_by():
        command_line.refuse_without_row(flag, tasks, starts)


def _used_by() -> Iterator[tuple[flags.FlagHolder, list[str]]]:
    """Yields the flags with the tasks that use them."""
    flag_of = {
        "batch_size": _BATCH_SIZE,
        "num_boxes": _NUM_BOXES,
        "box_fraction": _BOX,
        "num_swaps": _NUM_SWAPS,
        "patch_fraction": _PATCH,
    }
    tasks = [config.PretextConfig(task=task) for task in config.PretextTask]
    some = [each for each in tasks if each.task is not config.PretextTask.NONE]
    for field, flag in flag_of.items():
        yield flag, [each.task.value for each in some if field not in each.unused]


def refuse_of_contrast(flag: flags.FlagHolder) -> None:
    """Refuses a typed flag of the contrastive stages, whose place the task takes.

    Raises:
      UserError: it is on the command line.
    """
    command_line.refuse_typed(flag, _TASK, config.PretextTask.NONE.value)


def replaces_contrast() -> bool:
    """Whether the pretext stage takes the place of the contrastive ones."""
    return _TASK.value != config.PretextTask.NONE.value
