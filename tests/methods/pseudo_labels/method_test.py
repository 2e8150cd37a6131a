import dataclasses
import logging

from dscl_tf import config, files
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
    assert "prepared otherwise" not in caplog.text
    run = run_folder.RunFolder(teacher)
    record = run.read_record()
    coarse = dataclasses.replace(record.preprocessing, spacing_mm=4.0)
    record = dataclasses.replace(record, preprocessing=coarse)
    files.write_json(run.config_file, records.to_json(record))
    with caplog.at_level(logging.WARNING):
        method.check(stage, tiny_cohort)
        method.say_other_preprocessing(str(teacher), tiny_cohort)
    assert "prepared otherwise (spacing_mm was 4.0, is now 2.0)" in caplog.text
