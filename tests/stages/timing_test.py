import re

from dscl_tf import config, stages
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.pseudo_labels import rounds
from dscl_tf.stages import timing


def test_what_is_left_of_a_chain_is_timed_and_nothing_is_kept(make_stage, tmp_path):
    encoder = make_stage("encoder", tmp_path / "encoder", 2)
    stages.run([encoder])
    added = config.FinetuneConfig(
        batch_size=3, consistency=ConsistencyConfig(0.5, steps_factor=2)
    )
    finetune = make_stage(
        "finetune", tmp_path / "finetune", 30, finetune=added, init=encoder.workdir
    )
    chain = rounds.with_rounds([encoder, finetune], 0)
    done, first, second, total = timing.outline(chain).splitlines()
    assert done == f"done  {encoder.workdir}"
    assert f"{tmp_path}/finetune_round_0: 30 steps, about " in first
    assert f"{tmp_path}/finetune: 60 steps, about " in second
    assert re.fullmatch(r"About \d+\.\d min in all\.", total)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
