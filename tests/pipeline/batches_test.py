import numpy as np
import pytest

from dscl_tf import config, errors
from dscl_tf.pipeline import batches, sampling

NAMES = ("p0", "p1", "p2", "p3")
SHAPES = {"num_partitions": 2, "batch_volumes": 2}
STRATEGIES = ("gr", "gd_minus", "gd", "positional", "lr", "ld")


@pytest.fixture(scope="module")
def make_stream(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, NAMES, 2)

    def make(strategy, m=2):
        shapes = {**SHAPES, "batch_volumes": m}
        view = config.ViewConfig()
        if strategy == "finetune":
            settings = config.FinetuneConfig(batch_size=3)
            return batches.finetune_batches(tiny_cohort, table, settings)
        if strategy in ("gr", "gd_minus", "gd", "positional"):
            settings = config.GlobalConfig(config.GlobalStrategy(strategy), **shapes)
            return batches.global_batches(tiny_cohort, table, settings, view)
        settings = config.LocalConfig(config.LocalStrategy(strategy), **shapes)
        return batches.local_batches(tiny_cohort, table, settings, view)

    return make


def take(stream, seed, first, last):
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in stream.open(seed, first, last)
    ]


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("strategy", ["gd", "positional", "lr", "finetune"])
def test_batch_is_a_function_of_seed_and_step(make_stream, strategy):
    stream = make_stream(strategy)
    whole = take(stream, 7, 0, 4)
    later = take(make_stream(strategy), 7, 2, 4)
    assert len(whole) == 4 and len(later) == 2
    assert_same(whole[2], later[0])
    assert_same(whole[3], later[1])
    assert not np.array_equal(whole[0]["image"], whole[1]["image"])
    other = take(stream, 8, 2, 3)[0]
    assert not np.array_equal(whole[2]["image"], other["image"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ids(make_stream, tiny_cohort, strategy):
    stream = make_stream(strategy)
    batch = take(stream, 0, 0, 1)[0]
    two_views = {"gr": (6, 2), "positional": (6, 2), "lr": (4, 2)}
    expected = two_views.get(strategy, (4, 3))
    num_slices, num_views = expected
    assert len(batch["image"]) == num_slices * num_views
    assert batch["image"].shape[1:] == (16, 16, 1)
    views = [1, 2] if num_views == 2 else [0, 1, 2]
    assert batch["view"].tolist() == np.repeat(views, num_slices).tolist()
    assert ("position" in batch) == (strategy == "positional")
    # The views of a slice share its ids, and there is one of each.
    keys = list(zip(batch["image_id"], batch["view"]))
    assert len(set(keys)) == len(keys)
    made_of = stream.ids(0, 0)
    names = [NAMES[volume] for volume in batch["volume"]]
    assert names == made_of["volume"] * num_views
    if strategy == "positional":
        last = np.array([len(tiny_cohort.image(name)) - 1 for name in names])
        position = np.array(made_of["slice"] * num_views) / last
        np.testing.assert_allclose(batch["position"], position, rtol=1e-6)
        assert batch["position"].dtype == np.float32
    for name, index, partition, view, image in zip(
        names,
        made_of["slice"] * num_views,
        *map(batch.get, ("partition", "view", "image")),
    ):
        slices = tiny_cohort.image(name)
        assert partition == (0 if index < 3 else 1)
        assert np.array_equal(image[..., 0], slices[index]) == (view == 0)


def test_gr_gets_as_many_images_as_gd(make_stream):
    sizes = [len(take(make_stream(s, 4), 0, 0, 1)[0]["image"]) for s in ("gr", "gd")]
    assert sizes == [24, 24]


@pytest.mark.parametrize("strategy", ["gd", "ld"])
def test_domain_batches_have_every_partition(make_stream, strategy):
    batch = take(make_stream(strategy), 3, 0, 1)[0]
    groups = set(zip(batch["volume"], batch["partition"], batch["view"]))
    assert len(set(batch["volume"])) == 2
    assert len(groups) == 2 * 2 * 3


def test_loss_ids_have_the_losses_names(make_stream):
    batch = take(make_stream("gd"), 0, 0, 1)[0]
    ids = batches.loss_ids(batch)
    assert set(ids) == {"image", "volume", "partition", "view"}
    assert ids["image"] is batch["image_id"]


def test_finetune_batch_has_labels(make_stream):
    batch = take(make_stream("finetune"), 0, 0, 1)[0]
    assert batch["image"].shape == (3, 16, 16, 1)
    assert batch["label"].shape == (3, 16, 16)
    assert batch["label"].dtype == np.int32
    assert set(np.unique(batch["label"])) == {0, 1}


def test_too_many_volumes_are_refused_plainly(make_stream):
    with pytest.raises(errors.UserError) as raised:
        make_stream("gd", m=5)
    assert str(raised.value).startswith("A batch needs 5 volumes")
