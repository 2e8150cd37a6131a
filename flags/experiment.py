"""The experiment: its grid, and how its tasks are computed."""

from collections.abc import Collection

from absl import flags
from dscl_flags import command_line, contrast, methods, network, pretext, run

from dscl_tf import config, errors
from dscl_tf.config import experiment
from dscl_tf.methods import registered

_GRID = flags.DEFINE_string(
    "grid",
    "quick",
    "What to compare: table1, table2, beyond, sweeps, quick, or a JSON file.",
)
_METHODS = flags.DEFINE_list(
    "methods", None, "Rows, such as random,gd+lr,mixup, in place of the grid's."
)
_SIZES = flags.DEFINE_list(
    "sizes", None, "Numbers of labelled volumes, in place of the grid's."
)
_DRAWS = flags.DEFINE_integer(
    "draws", None, "Draws of labelled volumes, in place of the grid's.", lower_bound=1
)
_SEEDS = flags.DEFINE_list(
    "seeds", None, "Seeds of weights and batches, in place of the grid's (0)."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds",
    None,
    "Rounds of the methods that go on from a first fine-tuning (self-training, "
    "consistency, ...), in place of the grid's (1).",
    lower_bound=1,
)
_JOBS = flags.DEFINE_integer(
    "jobs",
    1,
    "Tasks to run at once on this machine; they share its cores.",
    lower_bound=1,
)
_ENGINE = flags.DEFINE_enum(
    "engine", "local", list(experiment.ENGINES), "This machine, or a Ray cluster."
)
_CPUS = flags.DEFINE_integer(
    "cpus_per_task", 1, "With --engine=ray: cores of a task.", lower_bound=1
)
_GPUS = flags.DEFINE_float(
    "gpus_per_task", 0, "With --engine=ray: GPUs of a task.", lower_bound=0
)
_SHARD = flags.DEFINE_string(
    "shard",
    None,
    "K/N: run every N-th draw from the K-th on, K counted from 0, so that N calls "
    "with the same --workdir share an experiment.",
)
_PICTURES = flags.DEFINE_bool(
    "pictures", False, "Draw overlays of each cell's test volumes."
)
_PAPER = flags.DEFINE_enum(
    "paper_dataset",
    None,
    list(experiment.PAPER_DATASETS),
    "Add the paper's figures for this dataset to the table, marked as such.",
)


_SET_BY_GRID = {
    "methods": (
        "stage",
        "init",
        "global_strategy",
        "local_strategy",
        "pretext",
        "pseudo_targets",
    ),
    "rounds": ("self_training_rounds", "self_training_first"),
    "sizes": ("num_train_volumes",),
    "draws": ("split_seed", "split_name"),
    "seeds": ("seed",),
}


def experiment_config() -> config.ExperimentConfig:
    """The experiment's settings.

    Raises:
      UserError: flags that are missing or not valid.
    """
    _refuse_what_the_grid_sets()
    _refuse_what_the_engine_has_not()
    if run.runtime_config().distribution == "multi_worker":
        raise errors.UserError(
            "--distribution=multi_worker is for dscl-train: an experiment's cells are "
            "shared out whole, with --shard on several hosts, or --engine=ray."
        )
    grid = config.GridConfig(
        name=_GRID.value,
        methods=_METHODS.value and tuple(_METHODS.value),
        sizes=_numbers("sizes", _SIZES.value),
        draws=_DRAWS.value,
        seeds=_numbers("seeds", _SEEDS.value),
        rounds=_ROUNDS.value,
    )
    bases = {stage: run.stage_config(stage) for stage in run.STAGES}
    network.refuse_unused(bases["finetune"].network)
    return config.ExperimentConfig(
        grid=grid,
        bases=bases,
        root=bases["finetune"].workdir,
        engine=config.EngineConfig(
            engine=_ENGINE.value,
            jobs=_JOBS.value,
            pictures=_PICTURES.value,
            cpus_per_task=_CPUS.value,
            gpus_per_task=_GPUS.value,
        ),
        paper_dataset=_PAPER.value or _dataset_of(bases["finetune"].split),
        shard=_shard(),
    )


def _refuse_what_the_grid_sets() -> None:
    """Refuses flags that the grid sets: they would be ignored in silence."""
    for own, names in _SET_BY_GRID.items():
        for name in names:
            if command_line.is_given(name):  # A preset may set it, for dscl-train.
                raise errors.UserError(
                    f"--{name} is for dscl-train: in an experiment --{own} sets it."
                )


def refuse_unused(
    starts: Collection[str], terms: Collection[str], local_views: Collection[str]
) -> None:
    """Refuses command-line flags of methods that no row has.

    Args:
      starts: the terms that the rows start with, such as "gd".
      terms: the terms of fine-tuning that any row has.
      local_views: the views that any row's decoder stage has.

    Raises:
      UserError: a flag that would be ignored in silence.
    """
    kinds = {k: it for k, it in registered.METHODS.items() if it.term.name in terms}
    on = {name: kind() for name, kind in kinds.items()}
    for flag, _ in methods.unused(on):
        raise errors.UserError(
            f"--{flag} has no effect, since no row of --methods has its method: add a "
            "row with it, or leave the flag out."
        )
    contrast.refuse_unused_in_rows(
        starts, local_views, is_said=registered.METHODS["joint"].term.name in terms
    )
    pretext.refuse_unused_in_rows(starts)
    in_rounds = any(kind.term.in_rounds for kind in kinds.values())
    if command_line.is_given("--rounds") and not in_rounds:
        raise errors.UserError(
            "--rounds has no effect: no row of --methods goes on from a first "
            "fine-tuning. Leave it out."
        )


def _refuse_what_the_engine_has_not() -> None:
    others = {"local": ("cpus_per_task", "gpus_per_task"), "ray": ("jobs",)}
    for name in others[_ENGINE.value]:
        if command_line.is_given(name):
            raise errors.UserError(
                f"--{name} has no effect with --engine={_ENGINE.value}: leave it out, "
                "or choose the other engine."
            )


def _dataset_of(split: config.SplitConfig):
    """The paper's dataset whose lists the split takes; None: none."""
    name = (split.file or "").partition("paper:")[2]
    return name if name in experiment.PAPER_DATASETS else None


def _numbers(flag: str, values):
    if values is None:
        return None
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise errors.UserError(
            f"--{flag} must be whole numbers separated by commas, found "
            f"{','.join(values)!r}."
        ) from None


def _shard() -> tuple[int, int]:
    number, _, count = (_SHARD.value or "0/1").partition("/")
    if not (number.isdigit() and count.isdigit() and int(number) < int(count)):
        raise errors.UserError(
            f"--shard must be K/N with K from 0 to N - 1, found {_SHARD.value!r}."
        )
    return int(number), int(count)
