import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import prepared
from dscl_tf.inference import slice_embeddings
from dscl_tf.training.run_folder import RunFolder


def test_principal_plane_of_a_known_cloud():
    # Along (3, 4) / 5 by ±10, across it by ±5; their squares are as 4 to 1.
    along, across = np.array([0.6, 0.8, 0]), np.array([-0.8, 0.6, 0])
    values = np.stack([10 * along, -10 * along, 5 * across, -5 * across]) + 7
    plane, shares = slice_embeddings.principal_plane(values)
    assert shares == pytest.approx((0.8, 0.2))
    np.testing.assert_allclose(
        np.abs(plane), [[10, 0], [10, 0], [0, 5], [0, 5]], atol=1e-9
    )
    np.testing.assert_allclose(plane.sum(axis=0), 0, atol=1e-9)


def test_equal_embeddings_have_a_plane():
    plane, _ = slice_embeddings.principal_plane(np.ones((4, 3), np.float32))
    np.testing.assert_allclose(plane, 0, atol=1e-9)


@pytest.fixture(scope="module")
def run(make_stage, tmp_path_factory):
    """An encoder stage whose steps are too small to change anything."""
    folder = tmp_path_factory.mktemp("work") / "encoder"
    stage = make_stage("encoder", folder, num_steps=1, seed=3)
    tiny = config.OptimizerConfig(num_steps=1, learning_rate=1e-12)
    stages.run([dataclasses.replace(stage, optimizer=tiny)])
    return folder


def test_before_is_where_the_stage_began(run):
    record = RunFolder(run).read_record()
    before = slice_embeddings.encoder_of(record, None)
    after = slice_embeddings.encoder_of(record, run)
    for first, last in zip(before.trainable_variables, after.trainable_variables):
        np.testing.assert_allclose(first, last, atol=1e-9)
    other = dataclasses.replace(
        record, config=dataclasses.replace(record.config, seed=4)
    )
    kernel = slice_embeddings.encoder_of(other, None).trainable_variables[0]
    assert not np.allclose(kernel, before.trainable_variables[0])


def test_an_embedding_is_the_mean_over_pixels(run, tiny_cohort):
    encoder = slice_embeddings.encoder_of(RunFolder(run).read_record(), run)
    image = np.asarray(tiny_cohort.image("p0"))[..., None]
    found = slice_embeddings.embed(encoder, [image, image[:2]])
    expected = encoder(image, training=False)[-1].numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(found[: len(image)], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[len(image) :], expected[:2], rtol=1e-5, atol=1e-6)


def test_memory_does_not_grow_with_the_slices_of_a_volume():
    sizes = []

    def encoder(slices, training):
        sizes.append(len(slices))
        return [tf.constant(slices)]

    images = np.random.default_rng(0).random((40, 4, 4, 1), np.float32)
    found = slice_embeddings.embed(encoder, [images, images[:3]])
    np.testing.assert_allclose(found[:40], images.mean(axis=(1, 2)), rtol=1e-5)
    assert sum(sizes) == 43 == len(found) and max(sizes) <= 16


def test_too_few_unseen_volumes_are_refused(run, tiny_cohort):
    # The stage has one test volume; the others were trained on.
    with pytest.raises(errors.UserError, match="fewer than two subjects"):
        slice_embeddings.before_and_after(run, tiny_cohort)


def test_both_states_have_a_vector_for_each_slice(make_stage, tiny_cohort, tmp_path):
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=3)
    stage = make_stage("encoder", tmp_path / "encoder", num_steps=1, split=split)
    stages.run([stage])
    slices, states = slice_embeddings.before_and_after(stage.workdir, tiny_cohort)
    assert list(states) == ["Before", "After"]
    assert {len(each) for each in states.values()} == {len(slices.volume)}
    assert len(slices.names) == 3


def test_frames_of_a_learned_subject_are_not_shown(make_stage, tiny_cohort, tmp_path):
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=3)
    stage = make_stage("encoder", tmp_path / "encoder", num_steps=1, split=split)
    stages.run([stage])
    record = RunFolder(tmp_path / "encoder").read_record()
    learned, tested = record.split.pretrain[0], record.split.test
    assert len(slice_embeddings.unseen_slices(record, tiny_cohort).images) == 3
    # The first test volume becomes another frame of a subject of the pre-training.
    patients = {volume.name: volume.subject for volume in tiny_cohort.volumes}
    patients[tested[0]] = patients[learned]
    index = prepared.read_index(tiny_cohort.folder)
    volumes = tuple(
        dataclasses.replace(volume, subject=patients[volume.name])
        for volume in index.volumes
    )
    cohort = prepared.PreparedCohort(
        tiny_cohort.folder, dataclasses.replace(index, volumes=volumes)
    )
    found = slice_embeddings.unseen_slices(record, cohort)
    assert set(found.subject) == {patients[name] for name in tested[1:]}
    assert len(found.subject) == len(found.volume)
