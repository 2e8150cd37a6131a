import dataclasses
import pathlib

import pytest

from dscl_tf import config, errors, results_json
from dscl_tf.cohort import splits
from dscl_tf.experiments import comparison, experiment, grids, plan
from dscl_tf.methods.mixup.settings import MixupConfig
from tests.cohort import splits_test


@pytest.fixture
def bases(make_stage):
    return {
        name: make_stage(name, "")
        for name in ("encoder", "decoder", "pretext", "finetune")
    }


@pytest.fixture
def expand(bases, tmp_path):
    def make(names, sizes=(1,), draws=2, seeds=(0,), rounds=1, **changes):
        grid = grids.make_grid(
            config.GridConfig("quick", tuple(names), sizes, draws, seeds, rounds)
        )
        changed = {k: dataclasses.replace(s, **changes) for k, s in bases.items()}
        return plan.make_plan(grid, changed, tmp_path)

    return make


def test_pretraining_is_shared(expand):
    found = expand(["random", "gd", "gd+lr", "gr+lr", "rotation"], seeds=(0, 1))
    # Of each seed: encoders gd and gr, a decoder on each, the rotation stage.
    assert len(found.pretraining) == 2 * 5
    assert len(found.cells) == 5 * 2 * 2
    by_name = {task.name: task for task in found.tasks}
    decoder = by_name["pretraining/gd_seed1/decoder_lr"]
    assert decoder.needs == ("pretraining/gd_seed1/encoder",)
    assert decoder.stages[0].init == by_name[decoder.needs[0]].stages[0].workdir
    assert decoder.stages[0].seed == 1
    cell = by_name["cells/n1_draw2_seed1_gd+lr"]
    assert cell.stages[0].init == decoder.stages[0].workdir
    assert cell.stages[0].split.seed == 2
    assert by_name["cells/n1_draw0_seed0_random"].stages[0].init is None
    pretext = by_name["pretraining/rotation_seed0/pretext"].stages[0]
    assert pretext.pretext.task is config.PretextTask.ROTATION
    seen = set()
    for task in found.tasks:
        assert seen.issuperset(task.needs)
        seen.add(task.name)


def test_a_row_that_one_volume_suits_is_planned(expand):
    found = expand(["gr@global_.batch_volumes=1"], draws=1)
    encoder = found.pretraining[0].stages[0]
    assert encoder.global_.strategy is config.GlobalStrategy.GR
    assert encoder.global_.batch_volumes == 1


def test_a_first_round_keeps_its_folder_when_the_grid_gets_a_row_for_it(
    expand, tmp_path
):
    first = "cells/n1_draw0_seed0_mixup"
    rows = ["random+mixup+consistency"]
    assert expand(rows, draws=1).tasks[0].name == first
    # Not trained yet, it is shared with the row's own cell.
    (shared, cell) = expand([*rows, "random+mixup"], draws=1).tasks
    assert shared.name == "cells/n1_draw0_seed0_random+mixup"
    assert cell.stages[-1].init == shared.stages[-1].workdir
    (tmp_path / first).mkdir(parents=True)
    tasks = {t.name: t for t in expand([*rows, "random+mixup"], draws=1).tasks}
    cell = tasks["cells/n1_draw0_seed0_random+mixup+consistency"]
    assert cell.stages[-1].init == tasks[first].stages[-1].workdir
    assert len(tasks) == 3


def test_settings_of_a_sweep_have_an_encoder_of_their_own(expand):
    found = expand(["gd", "gd@global_.temperature=0.5", "gd@finetune.batch_size=4"])
    names = [task.name for task in found.pretraining]
    # What is of fine-tuning alone shares the encoder.
    assert names == [
        "pretraining/gd_seed0/encoder",
        "pretraining/gd@global_.temperature=0.5_seed0/encoder",
    ]
    assert found.pretraining[1].stages[0].global_.temperature == 0.5
    sizes = [cell.task.stages[0].finetune.batch_size for cell in found.cells]
    assert sorted(set(sizes)) == [3, 4]


def test_a_sweep_of_the_decoder_shares_the_encoder(expand):
    found = expand(["gd+lr", "gd+lr@local.num_blocks=2"])
    assert [task.name for task in found.pretraining] == [
        "pretraining/gd_seed0/encoder",
        "pretraining/gd_seed0/decoder_lr",
        "pretraining/gd_seed0/decoder_lr@local.num_blocks=2",
    ]


def test_many_settings_of_an_encoder_have_a_folder_with_a_short_name(bases, tmp_path):
    settings = {
        "global_.temperature": 0.5,
        "network.batch_norm_epsilon": 0.0005,
        "views.brightness": 0.25,
        "network.batch_norm_momentum": 0.95,
        "network.filters": [4, 4, 4],
        "optimizer.learning_rate": 0.0005,
        "optimizer.warmup_steps": 2,
        "global_.batch_volumes": 3,
    }
    row = {"method": "gd", "name": "mine", "settings": settings}
    own = plan.Grid("own", (comparison.from_json(row),), (1,), (0,), (0,), 1)
    (encoder,) = plan.make_plan(own, bases, tmp_path).pretraining
    folder = encoder.name.split("/")[1]
    assert folder.startswith("gd@") and len(folder) < 60


def test_steps_of_one_stage_leave_what_comes_before_shared(expand):
    found = expand(
        [
            "gd+lr",
            "gd+lr@finetune.optimizer.num_steps=7",
            "gd+lr@decoder.optimizer.num_steps=7",
            "gd+lr@encoder.optimizer.num_steps=7",
        ],
        draws=1,
    )
    steps = {task.name: task.stages[0].optimizer.num_steps for task in found.tasks}
    given = steps["pretraining/gd_seed0/encoder"]
    longer = [name for name, number in steps.items() if number == 7]
    assert longer == [
        "pretraining/gd_seed0/decoder_lr@decoder.optimizer.num_steps=7",
        "pretraining/gd@encoder.optimizer.num_steps=7_seed0/encoder",
        "cells/n1_draw0_seed0_gd+lr@finetune.optimizer.num_steps=7",
    ]
    assert set(steps.values()) == {given, 7}
    assert len(found.pretraining) == 5
    by_name = {task.name: task for task in found.tasks}
    assert by_name[longer[2]].needs[-1] == "pretraining/gd_seed0/decoder_lr"


def test_methods_of_finetuning_and_their_strengths(expand):
    found = expand(["random", "mixup", "adversarial", "joint"], draws=1)
    cells = {cell.method.name: cell.task.stages[0].finetune for cell in found.cells}
    assert cells["random"].mixup.alpha == 0 and not cells["random"].uses_unlabelled
    assert (
        cells["mixup"].mixup.alpha == comparison.ADDED["mixup"]["finetune.mixup.alpha"]
    )
    assert cells["adversarial"].adversarial.weight > 0
    assert cells["joint"].joint.is_on
    # A strength that was given goes before, and is of its own method alone.
    given = config.FinetuneConfig(batch_size=3, mixup=MixupConfig(0.7))
    found = expand(["random", "mixup"], draws=1, finetune=given)
    cells = {cell.method.name: cell.task.stages[0].finetune for cell in found.cells}
    assert (cells["random"].mixup.alpha, cells["mixup"].mixup.alpha) == (0, 0.7)


def test_joint_training_has_the_losses_of_the_rows_terms(expand):
    rows = ["joint", "gr+joint", "gr+ld+joint", "gr+ld+joint@local.strategy=lr"]
    found = expand(rows, draws=1)
    stages = {cell.method.name: cell.task.stages[0] for cell in found.cells}
    assert {
        name: (it.global_.strategy.value, it.local.strategy.value, it.local.views.value)
        for name, it in stages.items()
    } == {
        "joint": ("gd", "lr", "crops"),
        "gr+joint": ("gr", "lr", "crops"),
        "gr+ld+joint": ("gr", "ld", "intensity"),
        "gr+ld+joint@local.strategy=lr": ("gr", "lr", "intensity"),
    }


@pytest.mark.parametrize(
    "row",
    [
        "gd+lr@local.num_regions=26",
        "gd+lr_crops@local.num_negatives=5",
        "gd@global_.position_threshold=0.3",
        "gd@local.num_blocks=2",
        "random@global_.temperature=0.5",
        "random@finetune.consistency.confidence=0.5",
        "gd+lr+mixup@local.num_blocks=2@pretext.num_boxes=9",
    ],
)
def test_a_setting_that_no_stage_of_its_row_uses_is_refused(expand, row):
    setting = row.split("@")[-1]
    with pytest.raises(errors.UserError, match=f"{setting} has no effect, since no"):
        expand(["random", row], draws=1)


def test_a_setting_of_the_value_that_it_has_anyway_is_a_row(expand):
    same = f"gd@global_.temperature={config.GlobalConfig().temperature}"
    assert len(expand(["gd", same], draws=1).cells) == 2


def test_rounds_go_on_from_the_cell_of_the_same_start(expand):
    found = expand(["self_training", "random"], draws=1, rounds=2)
    random, trained = (
        next(cell.task for cell in found.cells if cell.method.name == name)
        for name in ("random", "self_training")
    )
    assert trained.needs == (random.name,)
    assert len(trained.stages) == 2
    first, last = trained.stages
    assert first.init == random.stages[-1].workdir
    assert first.finetune.pseudo_labels.teacher == random.stages[-1].workdir
    assert first.finetune.pseudo_labels.as_targets
    assert last.finetune.pseudo_labels.teacher == first.workdir
    assert pathlib.Path(last.workdir).name == "finetune"


def test_first_rounds_without_a_cell_of_their_own(expand):
    found = expand(["gd+lr+self_training", "gd+lr+class_contrast"], draws=1)
    # Both go on from one run, which is where the cell would be: the grid can grow.
    firsts = {cell.task.needs[-1] for cell in found.cells}
    assert firsts == {"cells/n1_draw0_seed0_gd+lr"}
    assert [task.is_cell for task in found.tasks] == [False] * 2 + [True] * 3
    assert [cell.method.name for cell in found.cells] == [
        "gd+lr+self_training",
        "gd+lr+class_contrast",
    ]
    grown = expand(["gd+lr", "gd+lr+self_training", "gd+lr+class_contrast"], draws=1)
    before = {task.name: task.stages for task in found.tasks}
    assert {task.name: task.stages for task in grown.tasks} == before


def test_a_row_named_as_the_first_round_of_another_is_refused(bases, tmp_path):
    own = {"finetune.batch_size": 4}
    rows = [{"name": "random", "method": "random", "settings": own}, "self_training"]
    for methods in (rows, rows[::-1]):
        grid = plan.Grid(
            "own", tuple(map(comparison.from_json, methods)), (1,), (0,), (0,), 1
        )
        with pytest.raises(errors.UserError, match="'random' of the grid has the name"):
            plan.make_plan(grid, bases, tmp_path)


def test_a_row_that_is_the_first_round_of_one_before_it_is_shared(expand):
    found = expand(["self_training", "random"], draws=1)
    assert [task.name for task in found.tasks].count("cells/n1_draw0_seed0_random") == 1


def test_draws_are_of_different_volumes_as_long_as_there_are_any(
    expand, tiny_cohort, caplog
):
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=1)
    first, second = (
        splits.resolve(tiny_cohort, dataclasses.replace(split, seed=k)) for k in (0, 1)
    )
    assert first == second
    found = expand(["random"], draws=2)
    assert [cell.draw for cell in found.cells] == [0, 2]
    assert "not counted: 1 (as 0). Used: 0, 2." in caplog.text
    found = expand(["random"], draws=40)
    drawn = [
        (each.train, each.validation)
        for each in (cell.task.records[0].split for cell in found.cells)
    ]
    # One of five to train on and one of the others to validate on.
    assert len(drawn) == len(set(drawn)) == 5 * 4
    assert "There are no more on this cohort." in caplog.text


def test_benchmark_has_all_labelled_volumes(expand):
    # Six volumes: one for testing, one for validation, four left.
    found = expand(["random", "benchmark"], sizes=(1, 2), draws=1)
    cells = [cell for cell in found.cells if cell.size == results_json.ALL]
    assert len(cells) == 1 and cells[0].task.stages[0].split.num_train == 4
    assert len(found.cells) == 3


@pytest.fixture
def of_file(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(
        '{"pretrain": ["p0", "p1", "p2", "p3"], "test": ["p5"], "finetune": {'
        '"tr1_c1": {"train": ["p0"], "validation": ["p1"]}, '
        '"tr2_c1": {"train": ["p0", "p2"], "validation": ["p1"]}, '
        '"tr1_c2": {"train": ["p1"], "validation": ["p0"]}}, '
        '"benchmark": {"train": ["p0", "p1", "p2"], "validation": ["p3"]}}'
    )
    return config.SplitConfig(file=str(path), name="tr1_c1")


@pytest.mark.parametrize(
    ("dataset", "subjects"),
    [("acdc", splits_test.patients(100)), ("prostate", splits_test.PROSTATE)],
)
def test_the_papers_rows_each_have_their_own_lists(
    expand, monkeypatch, dataset, subjects
):
    cohort = splits_test.make_cohort(subjects)
    monkeypatch.setattr(plan.PreparedCohort, "open", lambda folder: cohort)
    listed = config.SplitConfig(file=f"paper:{dataset}", name="tr1_c1")
    names = ["random", "gd+lr", "benchmark"]
    found = expand(names, sizes=(1, 2, 8), draws=5, split=listed)
    assert len(found.cells) == 2 * (5 + 5 + 3) + 1
    records = [cell.task.records[-1].split for cell in found.cells]
    assert len({record.test for record in records}) == 1
    for record in records:
        assert not set(record.train) & set(record.validation)


def test_draws_of_a_file(expand, of_file):
    found = expand(["random", "benchmark"], sizes=(1, 2), draws=6, split=of_file)
    names = {
        (cell.size, cell.draw): cell.task.stages[0].split.name for cell in found.cells
    }
    # Fewer than were asked for: those that there are; the benchmark has one.
    assert names == {
        (1, 0): "tr1_c1",
        (1, 1): "tr1_c2",
        (2, 0): "tr2_c1",
        (results_json.ALL, 0): splits.BENCHMARK,
    }


def test_a_file_of_one_draw(expand, of_file):
    path = pathlib.Path(of_file.file)
    path.write_text(
        '{"pretrain": ["p0", "p1", "p2"], "train": ["p0", "p2"], "validation": ["p1"], '
        '"test": ["p5"]}'
    )
    listed = config.SplitConfig(file=str(path))
    found = expand(["random"], sizes=(2,), draws=3, split=listed)
    assert [cell.draw for cell in found.cells] == [0]
    record = found.cells[0].task.records[0]
    assert record.split.train == ("p0", "p2")
    with pytest.raises(errors.UserError, match="trains on 1: set --sizes to some of 2"):
        expand(["random"], sizes=(1,), split=listed)


def test_shards_share_the_first_ones_pretraining(expand):
    found = expand(["gd", "mixup"], draws=3, seeds=(0, 1))
    shards = [experiment.tasks_of_shard(found, (k, 2)) for k in range(2)]
    names = [{task.name for task in shard} for shard in shards]
    assert names[0] | names[1] == {task.name for task in found.tasks}
    needed = {task.name for task in found.pretraining}
    assert len(needed) == 2 and needed == names[0] & names[1]


def test_a_file_without_what_is_asked_for(expand, of_file):
    with pytest.raises(errors.UserError, match="trains on 3: set --sizes to some of 1"):
        expand(["random"], sizes=(3,), split=of_file)
    path = pathlib.Path(of_file.file)
    path.write_text(path.read_text().replace("benchmark", "comment"))
    with pytest.raises(errors.UserError, match="benchmark: leave out that method"):
        expand(["benchmark"], split=of_file)
