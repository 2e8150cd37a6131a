"""Expands a grid into tasks: shared pre-training, and a fine-tuning for each cell."""

import dataclasses
import functools
import itertools
import operator
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from dscl_tf import config, errors, results_json
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.experiments import comparison, draws, idle_settings, setting_paths
from dscl_tf.experiments.comparison import Method
from dscl_tf.experiments.draws import Size
from dscl_tf.methods import rounds
from dscl_tf.training import records


@dataclasses.dataclass(frozen=True)
class Grid:
    """What is to be compared."""

    name: str
    methods: tuple[Method, ...]
    sizes: tuple[int, ...]  # Numbers of labelled volumes, |Xtr|.
    draws: tuple[int, ...]
    seeds: tuple[int, ...]  # Of weights and batches, in pre-training, too.
    num_rounds: int = 1  # Of methods that go on from a first round.


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Stages that are run one after the other, and the tasks that they depend on."""

    name: str  # Its folder, relative to the experiment's.
    records: tuple[records.RunRecord, ...]  # What each stage's run must be.
    needs: tuple[str, ...] = ()  # Names of tasks that must be done before.

    @property
    def stages(self) -> tuple[config.StageConfig, ...]:
        """Settings of the stages."""
        return tuple(record.config for record in self.records)

    @property
    def is_cell(self) -> bool:
        """Whether it is fine-tuned and evaluated."""
        return self.stages[-1].stage == "finetune"


def make_task(
    cohort: PreparedCohort,
    name: str,
    stages: Sequence[config.StageConfig],
    needs: Sequence[str] = (),
) -> Task:
    """A task on a cohort.

    Raises:
      UserError: the cohort cannot give a stage's split.
    """
    made = [
        records.make_record(stage, cohort, splits.resolve(cohort, stage.split))
        for stage in stages
    ]
    return Task(name, tuple(made), tuple(needs))


@dataclasses.dataclass(frozen=True)
class Cell:
    """One evaluated run of the comparison: a method on a draw."""

    method: Method
    size: Size
    draw: int
    seed: int
    task: Task


@dataclasses.dataclass(frozen=True)
class Plan:
    """All tasks: pre-training, then cells and the first rounds that they go on from."""

    grid: Grid
    tasks: tuple[Task, ...]  # Each comes after what it needs.
    cells: tuple[Cell, ...]

    @property
    def pretraining(self) -> list[Task]:
        """The tasks whose weights others start from."""
        return [task for task in self.tasks if not task.is_cell]


def make_plan(
    grid: Grid, bases: Mapping[str, config.StageConfig], root: pathlib.Path
) -> Plan:
    """Expands a grid.

    Args:
      grid: what is to be compared.
      bases: settings of the stages "encoder", "decoder", "pretext" and "finetune",
        which methods change.
      root: folder of the experiment.

    Raises:
      UserError: the cohort or the splits cannot give what the grid asks for, or a row
        has a setting that it does not use.
    """
    cohort = PreparedCohort.open(bases["finetune"].prepared)
    of_draws = _make_splits(grid, cohort, bases["finetune"].split)
    new_maker = functools.partial(_Maker, grid, bases, root, cohort, of_draws)
    maker = new_maker()
    cells = [
        maker.cell(method, size, draw, seed)
        for seed, draw, size, method in _points(grid, of_draws)
    ]
    for cell in {cell.method.name: cell for cell in cells}.values():
        chain_of = functools.partial(_chain, new_maker, cell)
        idle_settings.refuse(cell.method, chain_of)
    return Plan(grid, tuple(maker.tasks), tuple(cells))


def _chain(
    new_maker: Callable[[], "_Maker"], cell: Cell, method: Method
) -> list[records.RunRecord]:
    """The records of a method's stages, if it stood in the place of `cell`'s method."""
    alone = new_maker()
    alone.cell(method, cell.size, cell.draw, cell.seed)
    return [record for task in alone.tasks for record in task.records]


def _make_splits(
    grid: Grid, cohort: PreparedCohort, split: config.SplitConfig
) -> draws.Splits:
    with_all = any(method.all_labelled for method in grid.methods)
    sizes = (*grid.sizes, results_json.ALL) if with_all else grid.sizes
    return draws.make_splits(cohort, split, sizes, grid.draws)


def settings_of(plan: Plan, method: Method) -> dict:
    """What a method changes in the stages, by dotted path in their settings."""
    found = method.of_pretraining
    cells = [cell for cell in plan.cells if cell.method.name == method.name]
    last = cells[0].task.stages[-1].finetune if cells else None
    for term in method.added if last else ():
        found.update({path: _value(last, path) for path in comparison.ADDED[term]})
    if method.in_rounds:
        found["rounds"] = plan.grid.num_rounds
    return {**found, **{k: _json(v) for k, v in method.settings}}


def _json(value):
    return list(value) if isinstance(value, tuple) else value


def _points(grid: Grid, of_draws: draws.Splits) -> Iterable[tuple]:
    """Yields (seed, draw, size, method), draw by draw.

    An experiment that is cut short then has all methods on the draws that it finished.
    """
    taken = sorted({draw for found in of_draws.values() for draw in found})
    for seed, draw in itertools.product(grid.seeds, taken):
        for size, found in of_draws.items():
            for method in _in_order(grid.methods) if draw in found else ():
                if method.all_labelled == (size == results_json.ALL):
                    yield seed, draw, size, method


def _in_order(all_methods: Sequence[Method]) -> list[Method]:
    """The methods, with first rounds before those that go on from them."""
    return sorted(all_methods, key=lambda method: method.in_rounds)


class _Maker:
    """Makes tasks; a pre-training that several cells share is made once."""

    def __init__(
        self,
        grid: Grid,
        bases: Mapping[str, config.StageConfig],
        root: pathlib.Path,
        cohort: PreparedCohort,
        of_draws: draws.Splits,
    ):
        self._grid, self._root, self._cohort = grid, root, cohort
        self._splits = of_draws
        self._bases = {name: _plain(stage) for name, stage in bases.items()}
        self._strengths = bases["finetune"].finetune
        self._pretraining: dict[str, Task] = {}
        self._finetuned: dict[str, Task] = {}
        self._by_content: dict[tuple, Task] = {}

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all cells made so far, in order."""
        return [*self._pretraining.values(), *self._finetuned.values()]

    def cell(self, method: Method, size: Size, draw: int, seed: int) -> Cell:
        """Makes the task of a cell, and the pre-training tasks that it needs."""
        name = _folder_of(method, size, draw, seed)
        stage = dataclasses.replace(
            setting_paths.replaced(self._bases["finetune"], self._settings(method)),
            workdir=str(self._root / name / "finetune"),
            seed=seed,
            split=self._splits[size][draw],
        )
        needs = self._pretrain(method, stage.split, seed)
        if needs:
            stage = dataclasses.replace(stage, init=needs[-1].stages[-1].workdir)
        needed = [task.name for task in needs]
        first = None
        if method.in_rounds:
            first = self._first_round(method.without_rounds(), size, draw, seed)
            needed.append(first.name)
        stages = rounds.finetune_rounds(
            stage,
            self._grid.num_rounds if method.in_rounds else 0,
            first.stages[-1].workdir if first else None,
        )
        key = (method.key, size, draw, seed)
        before = self._finetuned.get(name)
        if before is not None and self._by_content.get(key) is not before:
            raise errors.UserError(
                f"A method {method.name!r} of the grid has the name of another one's "
                'first round, which differs in its settings: give it another "name".'
            )
        task = make_task(self._cohort, name, stages, needed)
        self._check_test(task.records[-1].split)
        self._finetuned[name] = task
        self._by_content[key] = task
        return Cell(method, size, draw, seed, task)

    def _first_round(self, method: Method, size: Size, draw: int, seed: int) -> Task:
        """The task of a first round, shared by all cells that go on from it.

        Its cell need not be part of the grid.
        """
        found = self._by_content.get((method.key, size, draw, seed))
        if found is None or self._has_own_folder(method, size, draw, seed):
            return self.cell(method, size, draw, seed).task
        return found

    def _has_own_folder(self, method: Method, size: Size, draw: int, seed: int) -> bool:
        """Whether it was trained before the grid had a row of another name for it."""
        return (self._root / _folder_of(method, size, draw, seed)).exists()

    def _settings(self, method: Method) -> dict:
        """Settings of fine-tuning; strengths from the flags override the method's."""
        found = method.of_pretraining
        for term in method.added:
            wanted = comparison.ADDED[term]
            given = {path: _value(self._strengths, path) for path in wanted}
            found.update(given if any(given.values()) else wanted)
        return {**found, **method.settings_of("finetune")}

    def _check_test(self, split: splits.Split) -> None:
        """Refuses cells that could be trained but not evaluated."""
        if not any(self._cohort.volume(name).has_label for name in split.test):
            raise errors.UserError(
                f"Cells are evaluated on the split's test volumes, but it has "
                f"{len(split.test)}, none of them labelled: give --num_test_volumes of "
                "1 or more, or a --split whose test list has labelled subjects."
            )

    def _pretrain(self, method, split, seed: int) -> list[Task]:
        """The tasks that pre-train the method's weights, in order."""
        if method.initial == comparison.RANDOM:
            return []
        kind = "pretext" if method.initial in comparison.PRETEXTS else "encoder"
        field = "pretext.task" if kind == "pretext" else "global_.strategy"
        own = method.settings_of(kind)
        folder = f"pretraining/{_named(method.initial, own)}_seed{seed}"
        shared = {"seed": seed, "split": split}
        found = [
            self._task(f"{folder}/{kind}", kind, {field: method.initial, **own}, shared)
        ]
        if method.local:
            shared = {**shared, "init": found[0].stages[0].workdir}
            of_decoder = method.settings_of("decoder")
            settings = {**comparison.LOCALS[method.local], **of_decoder}
            added = {k: v for k, v in of_decoder.items() if k not in own}
            name = f"{folder}/decoder_{_named(method.local, added)}"
            found.append(
                self._task(name, "decoder", settings, shared, (found[0].name,))
            )
        return found

    def _task(self, name, kind, settings, shared, needs: tuple[str, ...] = ()) -> Task:
        if name not in self._pretraining:
            stage = setting_paths.replaced(self._bases[kind], settings)
            stage = dataclasses.replace(
                stage, stage=kind, workdir=str(self._root / name), **shared
            )
            self._pretraining[name] = make_task(self._cohort, name, [stage], needs)
        return self._pretraining[name]


def _folder_of(method: Method, size: Size, draw: int, seed: int) -> str:
    return f"cells/n{size}_draw{draw}_seed{seed}_{method.name}"


def _named(term: str, settings: Mapping) -> str:
    return comparison.shortened(term, [f"{k}={value}" for k, value in settings.items()])


def _plain(stage: config.StageConfig) -> config.StageConfig:
    """The stage without what methods turn on, and without other runs."""
    paths = [path for settings in comparison.ADDED.values() for path in settings]
    off = {path: _value(config.FinetuneConfig(), path) for path in paths}
    off.update({".".join(path): None for path in config.paths_of_runs(stage)})
    return setting_paths.replaced(stage, off)


def _value(settings: config.FinetuneConfig, path: str):
    return operator.attrgetter(path.removeprefix("finetune."))(settings)
