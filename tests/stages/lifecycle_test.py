"""A stop that is asked for when a stage has nothing left to be stopped."""

import pathlib

import pytest

from dscl_tf import errors, stages
from dscl_tf.training import run_folder
from tests import interrupting


def is_finished(stage):
    return run_folder.RunFolder(stage.workdir).read_result() is not None


def test_a_signal_at_the_last_step_keeps_the_next_stage_from_starting(
    make_stage, tmp_path
):
    encoder = make_stage("encoder", tmp_path / "encoder", 1)
    decoder = make_stage("decoder", tmp_path / "decoder", 1, init=encoder.workdir)
    message = r"SIGTERM at step 1, the last one: .*encoder is finished\..* same command"
    with interrupting.signal_after(1), pytest.raises(errors.Interrupted, match=message):
        stages.run([encoder, decoder])
    assert is_finished(encoder)
    assert not pathlib.Path(decoder.workdir).exists()
    # The same command goes on; nothing follows the decoder, which is done, not stopped.
    with interrupting.signal_after(1):
        stages.run([encoder, decoder])
    assert is_finished(decoder)
