import types

from dscl_tf.cohort import splits
from dscl_tf.training.stage_context import StageContext


def test_frames_of_validation_subjects_are_not_learned_from():
    subject = {"a_ED": "a", "a_ES": "a", "b_ED": "b", "b_ES": "b", "c_ED": "c"}
    # Of each patient one frame is labelled.
    split = splits.Split(tuple(subject), ("a_ED",), ("b_ED",), ())
    volumes = {n: types.SimpleNamespace(subject=s) for n, s in subject.items()}
    cohort = types.SimpleNamespace(volume=volumes.__getitem__)
    opened = StageContext(None, cohort, split, None, None, None)
    assert opened.unlabelled == ("a_ES", "c_ED")
