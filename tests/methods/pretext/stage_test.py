import pytest

from dscl_tf import config, errors, stages
from dscl_tf.training import run_folder
from tests import curves, weights

TASKS = [task for task in config.PretextTask if task.value != "none"]


@pytest.fixture
def pretext_stage(make_stage):
    def make(folder, task, num_steps=3, **changes):
        sizes = config.PretextConfig(
            task=config.PretextTask(task),
            batch_size=8,
            num_swaps=2,
            patch_fraction=0.2,
        )
        return make_stage("pretext", folder, num_steps, pretext=sizes, **changes)

    return make


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.value)
def test_its_own_loss_falls_and_finetuning_takes_it_over(
    pretext_stage, make_stage, tmp_path, task, caplog
):
    caplog.set_level("INFO")
    runtime = config.RuntimeConfig(precision="float32", log_every=20, panel_every=60)
    first = pretext_stage(tmp_path / "pretext", task, num_steps=120, runtime=runtime)
    finetune = make_stage("finetune", tmp_path / "finetune", 1, init=first.workdir)
    folders = stages.run([first, finetune])
    found = curves.of_training(folders[0], "loss")
    assert found[-1] < 0.8 * found[0]
    taken = [line.split() for line in caplog.text.splitlines() if "taken over" in line]
    names = {line[0] for line in taken if len(line) > 4}
    blocks = {"decoder_block_1", "decoder_block_2"}
    assert names == {"encoder"} | (
        set() if task is config.PretextTask.ROTATION else blocks
    )
    assert run_folder.load_segmenter(folders[1]).model is not None


@pytest.mark.parametrize(
    "task", ["context_restoration", pytest.param("rotation", marks=pytest.mark.slow)]
)
def test_resumed_equals_uninterrupted(pretext_stage, tmp_path, task):
    every = config.RuntimeConfig(precision="float32", log_every=1, checkpoint_every=2)
    whole = pretext_stage(tmp_path / "whole", task, num_steps=4, runtime=every)
    stages.run([whole])
    cut = pretext_stage(tmp_path / "cut", task, num_steps=4, runtime=every)
    folder = stages.run([cut])[0]
    (folder / "result.json").unlink()
    for path in (folder / "checkpoints").glob("ckpt-4*"):
        path.write_bytes(b"")  # As if killed while it was written.
    stages.run([cut])
    weights.assert_same(cut.workdir, whole.workdir)


def test_other_task_in_the_same_folder_is_refused(pretext_stage, tmp_path):
    stages.run([pretext_stage(tmp_path / "run", "rotation", num_steps=1)])
    with pytest.raises(errors.UserError, match=r"pretext\.task was 'rotation'"):
        stages.run([pretext_stage(tmp_path / "run", "inpainting", num_steps=1)])


def test_no_task_is_refused(make_stage, tmp_path):
    with pytest.raises(errors.UserError, match="give --pretext"):
        stages.run([make_stage("pretext", tmp_path / "run")])
