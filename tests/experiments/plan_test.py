import dataclasses
import pathlib

import pytest

from dscl_tf import config, errors
from dscl_tf.experiments import grids, methods, plan


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
    cell = by_name["cells/n1_draw1_seed1_gd+lr"]
    assert cell.stages[0].init == decoder.stages[0].workdir
    assert cell.stages[0].split.seed == 1
    assert by_name["cells/n1_draw0_seed0_random"].stages[0].init is None
    pretext = by_name["pretraining/rotation_seed0/pretext"].stages[0]
    assert pretext.pretext.task is config.PretextTask.ROTATION
    seen = set()
    for task in found.tasks:
        assert seen.issuperset(task.needs)
        seen.add(task.name)


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


def test_methods_of_finetuning_and_their_strengths(expand):
    found = expand(["random", "mixup", "adversarial", "joint"], draws=1)
    cells = {cell.method.name: cell.task.stages[0].finetune for cell in found.cells}
    assert cells["random"].mixup_alpha == 0 and not cells["random"].uses_unlabelled
    assert cells["mixup"].mixup_alpha == methods.ADDED["mixup"]["finetune.mixup_alpha"]
    assert cells["adversarial"].adversarial.weight > 0
    assert cells["joint"].is_joint
    # A strength that was given goes before, and is of its own method alone.
    given = config.FinetuneConfig(batch_size=3, mixup_alpha=0.7)
    found = expand(["random", "mixup"], draws=1, finetune=given)
    cells = {cell.method.name: cell.task.stages[0].finetune for cell in found.cells}
    assert (cells["random"].mixup_alpha, cells["mixup"].mixup_alpha) == (0, 0.7)


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
    # Alone, it trains its first round itself.
    alone = expand(["self_training"], draws=1).cells[0].task
    assert len(alone.stages) == 2 and alone.needs == ()


def test_benchmark_has_all_labelled_volumes(expand):
    # Six volumes: one for testing, one for validation, four left.
    found = expand(["random", "benchmark"], sizes=(1, 2), draws=1)
    cells = [cell for cell in found.cells if cell.size == plan.ALL]
    assert len(cells) == 1 and cells[0].task.stages[0].split.num_train == 4
    assert len(found.cells) == 3


def test_more_draws_than_a_file_has(expand, tmp_path):
    split = tmp_path / "split.json"
    split.write_text(
        '{"pretrain": ["p0", "p1", "p2"], "test": ["p5"], "finetune": {'
        '"tr1_c1": {"train": ["p0"], "validation": ["p1"]}, '
        '"tr1_c2": {"train": ["p1"], "validation": ["p0"]}}}'
    )
    of_file = config.SplitConfig(file=str(split), name="tr1_c1")
    found = expand(["random"], split=of_file)
    names = [cell.task.stages[0].split.name for cell in found.cells]
    assert names == ["tr1_c1", "tr1_c2"]
    with pytest.raises(errors.UserError, match="has 2 draws of 1 labelled"):
        expand(["random"], draws=3, split=of_file)
