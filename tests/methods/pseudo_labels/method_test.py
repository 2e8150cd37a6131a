import dataclasses
import logging

import pytest

from dscl_tf import config, errors, files
from dscl_tf.methods.pseudo_labels import method
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.training import records, run_folder


def test_a_teacher_of_slices_that_were_prepared_otherwise(
    make_run, make_stage, tiny_cohort, tmp_path, caplog
):
    teacher = make_run("teacher", train=("p0",))
    labels = PseudoLabelConfig(str(teacher))
    stage = make_stage(
        "finetune",
        tmp_path / "student",
        finetune=config.FinetuneConfig(pseudo_labels=labels),
    )
    with caplog.at_level(logging.WARNING):
        method.check(stage, tiny_cohort)
        method.say_other_preprocessing(str(teacher), tiny_cohort)
    assert "prepared differently" not in caplog.text
    run = run_folder.RunFolder(teacher)
    record = run.read_record()
    coarse = dataclasses.replace(record.preprocessing, spacing_mm=4.0)
    record = dataclasses.replace(record, preprocessing=coarse)
    files.write_json(run.config_file, records.to_json(record))
    with caplog.at_level(logging.WARNING):
        method.check(stage, tiny_cohort)
        method.say_other_preprocessing(str(teacher), tiny_cohort)
    assert "prepared differently (spacing_mm was 4.0, is now 2.0)" in caplog.text


def test_a_batch_without_room_for_both_halves_is_refused(
    make_stage, tiny_cohort, tmp_path
):
    def check(batch_size):
        settings = config.FinetuneConfig(
            batch_size=batch_size,
            # A run that is still to be trained, by a stage before.
            pseudo_labels=PseudoLabelConfig(str(tmp_path / "first"), as_targets=True),
        )
        stage = make_stage("finetune", tmp_path / "student", finetune=settings)
        method.check(stage, tiny_cohort)

    check(2)
    with pytest.raises(errors.UserError, match="--finetune_batch_size of 2 or more"):
        check(1)
