import dataclasses
import shutil
import types

import pytest

from dscl_tf import config, errors, stages
from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods import rounds
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.stages import batch_sizes, finetune, opening
from dscl_tf.training import run_folder, runtime

ADDED = config.FinetuneConfig(
    batch_size=3, consistency=ConsistencyConfig(0.5), mixup=MixupConfig(0.2)
)
# Of six volumes none is left.
ALL_LABELLED = config.SplitConfig(num_train=3, num_validation=2, num_test=1)


def test_no_unlabelled_volume_is_refused_before_any_work(make_stage, tmp_path):
    encoder = make_stage("encoder", tmp_path / "encoder", 2, split=ALL_LABELLED)
    stage = make_stage(
        "finetune", tmp_path / "finetune", 2, finetune=ADDED, split=ALL_LABELLED
    )
    with pytest.raises(
        errors.UserError, match=r"--consistency_weight needs unlabelled .* all 5"
    ):
        stages.run(rounds.with_rounds([encoder, stage], 0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["decoder", "finetune"])
def test_a_missing_run_to_go_on_from_is_refused_before_any_work(
    make_stage, tmp_path, kind
):
    nowhere = str(tmp_path / "nowhere")
    chain = [
        make_stage("encoder", tmp_path / "encoder", 2),
        make_stage(kind, tmp_path / kind, 2, init=nowhere),
    ]
    with pytest.raises(errors.UserError, match="nowhere is not a finished run"):
        stages.run(chain)
    assert not list(tmp_path.iterdir())


def test_what_went_on_from_a_run_that_is_gone_is_not_taken_for_finished(
    make_stage, tmp_path
):
    encoder = make_stage("encoder", tmp_path / "encoder", 1)
    decoder = make_stage("decoder", tmp_path / "decoder", 1, init=encoder.workdir)
    stages.run([encoder, decoder])
    shutil.move(tmp_path / "encoder", tmp_path / "elsewhere")
    with pytest.raises(
        errors.UserError, match=r"decoder went on from \S+encoder, which is gone and"
    ):
        stages.run([encoder, decoder])
    shutil.move(tmp_path / "elsewhere", tmp_path / "encoder")
    stages.run([encoder, decoder])
    # Without its record, weights would pass for those of any settings.
    (tmp_path / "decoder" / "config.json").unlink()
    with pytest.raises(errors.UserError, match="decoder holds a trained run, but not"):
        stages.run([encoder, decoder])
    assert not (tmp_path / "decoder" / "config.json").exists()


def test_a_folder_that_another_process_trains_in_is_refused(make_stage, tmp_path):
    stage = make_stage("encoder", tmp_path / "encoder", 2)
    refused = pytest.raises(errors.UserError, match=r"is in use by .* --workdir")
    with run_folder.RunFolder(stage.workdir).held(), refused:
        stages.run([stage])
    assert [path.name for path in (tmp_path / "encoder").iterdir()] == [".lock"]


def test_what_nobody_chose_is_left_off_where_no_volume_is_unlabelled(
    make_stage, tmp_path, caplog
):
    stage = make_stage(
        "finetune", tmp_path / "finetune", 2, finetune=ADDED, split=ALL_LABELLED
    )
    found = opening.without_methods_in_want(stage, lambda flag: False)
    assert found.finetune.methods_on == {"mixup": ADDED.mixup}
    assert "ignores --consistency_weight" in caplog.text
    some = dataclasses.replace(
        stage, split=config.SplitConfig(num_train=1, num_validation=1, num_test=1)
    )
    assert opening.without_methods_in_want(some, lambda flag: False) == some


def test_what_somebody_chose_stays_where_no_volume_is_unlabelled(
    make_stage, tmp_path, caplog
):
    added = dataclasses.replace(ADDED, copy_paste=CopyPasteConfig(1.0))
    stage = make_stage(
        "finetune", tmp_path / "finetune", 2, finetune=added, split=ALL_LABELLED
    )
    found = opening.without_methods_in_want(stage, "--copy_paste_weight".__eq__)
    assert list(found.finetune.methods_on) == ["mixup", "copy_paste"]
    assert "ignores --consistency_weight" in caplog.text
    with pytest.raises(errors.UserError, match="--copy_paste_weight needs unlabelled"):
        stages.check([found])


def test_self_training_without_an_unlabelled_volume_is_refused_before_any_work(
    make_stage, tmp_path
):
    taught = config.FinetuneConfig(pseudo_labels=PseudoLabelConfig(as_targets=True))
    stage = make_stage(
        "finetune", tmp_path / "finetune", 2, finetune=taught, split=ALL_LABELLED
    )
    chain = rounds.with_rounds(
        [make_stage("encoder", tmp_path / "encoder", split=ALL_LABELLED), stage], 1
    )
    with pytest.raises(errors.UserError, match="--self_training_rounds needs unlabel"):
        stages.run(chain)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings, fields, message",
    [
        ({"adversarial": AdversarialConfig(0.1)}, {}, "--adversarial_weight does not"),
        ({"copy_paste": CopyPasteConfig(1.0)}, {}, "--copy_paste_weight does not go"),
        (
            {"joint": JointConfig(local_weight=0.1)},
            {"local": config.LocalConfig(strategy=config.LocalStrategy.NONE)},
            "--joint_local_weight has no loss to weigh",
        ),
    ],
)
def test_methods_refuse_a_stage_before_any_work(
    make_stage, tmp_path, settings, fields, message
):
    taught = PseudoLabelConfig(as_targets=True)
    added = config.FinetuneConfig(pseudo_labels=taught, **settings)
    stage = make_stage("finetune", tmp_path / "finetune", 2, finetune=added, **fields)
    chain = [make_stage("encoder", tmp_path / "encoder", 2), stage]
    with pytest.raises(errors.UserError, match=message):
        stages.run(rounds.with_rounds(chain, 1))
    assert not list(tmp_path.iterdir())
    rest = dataclasses.replace(added, pseudo_labels=PseudoLabelConfig())
    if not fields:
        stages.check(rounds.with_rounds([dataclasses.replace(stage, finetune=rest)], 0))


@pytest.mark.parametrize("kind, changed", [("decoder", "local"), ("finetune", "joint")])
def test_batches_of_more_volumes_than_there_are_are_refused_before_any_work(
    make_stage, tmp_path, kind, changed
):
    many = config.LocalConfig(
        config.LocalStrategy.LD, batch_volumes=8, num_blocks=1, region_size=2
    )
    gr = config.GlobalConfig(config.GlobalStrategy.GR, num_partitions=2)
    joint = config.FinetuneConfig(joint=JointConfig(local_weight=0.1))
    fields = {"finetune": joint} if changed == "joint" else {}
    encoder = make_stage("encoder", tmp_path / "encoder", 2, global_=gr)
    later = make_stage(
        kind, tmp_path / kind, 2, init=encoder.workdir, local=many, **fields
    )
    with pytest.raises(errors.UserError, match=r"A batch needs 8 volumes .* only 5"):
        stages.run([encoder, later])
    assert not list(tmp_path.iterdir())


def test_batches_smaller_than_the_devices_are_refused_before_any_work(
    make_stage, tmp_path, monkeypatch
):
    chain = [make_stage(kind, tmp_path / kind, 2) for kind in ("encoder", "finetune")]
    opening.check_devices(chain[1])
    many = types.SimpleNamespace(num_replicas=4)
    monkeypatch.setattr(runtime, "devices", lambda settings: many)
    opening.check_devices(chain[0])  # 3 views of 2 x 2 slices; 3 in fine-tuning.
    with pytest.raises(errors.UserError, match="A batch of 3 images cannot be divided"):
        stages.run(chain)
    assert not list(tmp_path.iterdir())


def test_a_finished_run_needs_no_devices(make_stage, tmp_path, monkeypatch):
    stage = make_stage("finetune", tmp_path / "finetune", 1)
    stages.run([stage])
    many = types.SimpleNamespace(num_replicas=64)
    monkeypatch.setattr(runtime, "devices", lambda settings: many)
    opening.check_devices(stage)


def test_the_sizes_of_joint_batches(make_stage, tiny_cohort, tmp_path):
    joint = config.FinetuneConfig(batch_size=3, joint=JointConfig(0.1, 0.1))
    stage = make_stage("finetune", tmp_path / "finetune", finetune=joint)
    with opening.open_stage(stage) as context:
        stream = stages.assemble(context).stream
        batch = next(stream.batches(None, 0, 0, 1))
    split = splits.resolve(tiny_cohort, stage.split)
    images = ("image", "global/image", "local/image")
    found = list(batch_sizes.sizes(stage, tiny_cohort, split))
    assert found == [batch[name].shape[0] for name in images]


def test_the_sizes_are_those_of_the_batches(make_stage, tiny_cohort, tmp_path):
    split = splits.resolve(tiny_cohort, make_stage("encoder", tmp_path / "r").split)
    for kind in ("encoder", "decoder", "pretext", "finetune"):
        for number in (0, 1):
            strategies = {
                "global_": config.GlobalConfig(
                    [config.GlobalStrategy.GR, config.GlobalStrategy.GD][number], 0.1, 2
                ),
                "local": config.LocalConfig(
                    [config.LocalStrategy.LR, config.LocalStrategy.LD][number],
                    num_partitions=2,
                    num_blocks=1,
                    region_size=2,
                ),
            }
            stage = make_stage(kind, tmp_path / f"{kind}{number}", **strategies)
            stage = dataclasses.replace(stage, init=None)
            with opening.open_stage(stage) as context:
                stream = stages.assemble(context).stream
                batch = next(stream.batches(None, 0, 0, 1))
            found = list(batch_sizes.sizes(stage, tiny_cohort, split))
            assert found == [batch["image"].shape[0]]


def test_no_labelled_volume_is_refused_before_any_work(make_stage, tmp_path):
    split = config.SplitConfig(num_train=0, num_validation=1, num_test=1)
    chain = [
        make_stage(kind, tmp_path / kind, 2, split=split)
        for kind in ("encoder", "finetune")
    ]
    with pytest.raises(errors.UserError, match="No labelled volume to fine-tune on"):
        stages.run(chain)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("is_seen", [True, False])
def test_classes_that_no_training_volume_shows_are_named(
    make_stage, tmp_path, caplog, monkeypatch, is_seen
):
    if not is_seen:
        whole = PreparedCohort.label
        monkeypatch.setattr(
            PreparedCohort, "label", lambda self, name: 0 * whole(self, name)
        )
    stage = make_stage("finetune", tmp_path / "finetune", 2)
    with opening.open_stage(stage) as context:
        finetune.prepare(context)
        (name,) = context.split.train
        structures = ", ".join(context.cohort.label_names[1:])
        validation = ", ".join(context.split.validation)
    for subset, names in (("training", name), ("validation", validation)):
        said = f"labelled {subset} volumes ({names}) have no voxel of {structures}"
        assert (said in caplog.text) != is_seen
