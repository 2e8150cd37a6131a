"""Stages and rounds that follow each other draw apart."""

import dataclasses

import numpy as np
import pytest

from dscl_tf import config
from dscl_tf.methods import rounds
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.pipeline import batches, sampling, streams

NUM_STEPS = 200
TABLE = sampling.SliceTable(
    names=tuple(f"v{k}" for k in range(50)),
    volume=np.repeat(np.arange(50, dtype=np.int32), 10),
    index=np.tile(np.arange(10, dtype=np.int32), 50),
    partition=np.tile(np.repeat(np.arange(2, dtype=np.int32), 5), 50),
    num_partitions=2,
)


def stage_of(kind, seed=3):
    return config.StageConfig(kind, "cohort", f"run/{kind}", seed=seed)


def drawn(stage, sampler, step):
    return set(sampler(streams.step_rng(stage.draw_seed, step)).tolist())


def samplers():
    settings = {"num_partitions": 4, "batch_volumes": 3}
    strategies = (config.GlobalStrategy.GR, config.LocalStrategy.LR)
    return (
        batches.global_sampler(TABLE, config.GlobalConfig(strategies[0], **settings)),
        batches.local_sampler(TABLE, config.LocalConfig(strategies[1], **settings)),
    )


def test_encoder_and_decoder_share_slices_of_a_step_by_chance_alone():
    first, second = samplers()
    stages = [stage_of(kind) for kind in ("encoder", "decoder")]
    shared = np.array(
        [
            len(drawn(stages[0], first, step) & drawn(stages[1], second, step))
            for step in range(NUM_STEPS)
        ]
    )
    # 18 and 12 of 500 slices: a hypergeometric mean, four of its errors wide.
    mean = 18 * 12 / 500
    assert abs(shared.mean() - mean) < 4 * np.sqrt(mean / NUM_STEPS)


def test_the_same_seed_would_have_them_share():
    # What the test above can see: the same generator gives both stages like slices.
    first, second = samplers()
    stage = stage_of("encoder")
    shared = [
        len(drawn(stage, first, step) & drawn(stage, second, step))
        for step in range(NUM_STEPS)
    ]
    assert np.mean(shared) > 2 * 18 * 12 / 500


def test_every_round_has_draws_of_its_own():
    taught = config.FinetuneConfig(pseudo_labels=PseudoLabelConfig(as_targets=True))
    stage = dataclasses.replace(stage_of("finetune"), finetune=taught)
    stages = rounds.finetune_rounds(stage, 3)
    assert len({stage.draw_seed for stage in stages}) == 4
    assert stages[0].draw_seed == stages[0].seed


@pytest.mark.parametrize("kind", ["decoder", "pretext"])
def test_draws_of_a_stage_are_a_function_of_its_seed(kind):
    seeds = {stage_of(kind, seed).draw_seed for seed in range(100)}
    assert len(seeds) == 100 and min(seeds) >= 0 and max(seeds) < 2**31
    moved = dataclasses.replace(stage_of(kind), workdir="elsewhere")
    assert moved.draw_seed == stage_of(kind).draw_seed


def test_encoder_and_fine_tuning_draw_by_the_seed_itself():
    assert [stage_of(kind).draw_seed for kind in ("encoder", "finetune")] == [3, 3]
