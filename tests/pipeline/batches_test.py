import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.losses import local_loss
from dscl_tf.pipeline import batches, sampling

NAMES = ("p0", "p1", "p2", "p3")
SHAPES = {"num_partitions": 2, "batch_volumes": 2}
CROPS = ("lr_crops", "ld_crops")
STRATEGIES = ("gr", "gd_minus", "gd", "positional", "lr", "ld", *CROPS)


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
        name, _, is_crops = strategy.partition("_")
        settings = config.LocalConfig(
            config.LocalStrategy(name),
            views=config.LocalViews.CROPS if is_crops else config.LocalViews.INTENSITY,
            num_regions=4,
            **shapes,
        )
        return batches.local_batches(tiny_cohort, table, settings, view, (16, 16))

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


@pytest.mark.parametrize(
    "strategy", ["gd", "positional", "lr", "lr_crops", "ld_crops", "finetune"]
)
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
    two_views = {"gr": (6, 2), "positional": (6, 2), "lr": (4, 2), "lr_crops": (4, 2)}
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
        is_shown_whole = view == 0 and strategy not in CROPS
        assert np.array_equal(image[..., 0], slices[index]) == is_shown_whole


@pytest.mark.parametrize("kind", config.LocalViews)
def test_transformed_views_of_a_slice_differ_from_each_other(kind):
    # Crops of the whole slice, so that only intensities may differ.
    settings = config.LocalConfig(
        config.LocalStrategy.LD,
        views=kind,
        crop_side=(1.0, 1.0),
        region_size=2,
        num_regions=4,
        **SHAPES,
    )
    images = np.random.default_rng(0).random([4, 16, 16, 1], np.float32)
    numbers = tf.range(4)
    ids = {"image_id": numbers, "volume": numbers // 2, "partition": numbers % 2}
    transform = batches.local_transform(settings, config.ViewConfig(), (16, 16))
    found = transform({"image": tf.constant(images), **ids}, tf.constant([1, 2]))
    original, first, second = np.split(found["image"].numpy(), 3)
    np.testing.assert_allclose(original, images, atol=1e-5)
    assert (np.abs(first - second).mean(axis=(1, 2, 3)) > 0.01).all()


class Ramps:
    """A cohort whose pixels tell where they lie: row r has the value r, or column."""

    settings = config.PreprocessingConfig(size_px=(16, 16))

    def __init__(self, axis):
        self._slices = np.repeat(np.mgrid[:16, :16][axis][None], 6, axis=0)

    def slices(self, name):
        del name
        return self._slices[..., None]


@pytest.mark.parametrize("strategy", ["lr", "ld"])
def test_regions_of_crops_show_the_same_in_maps_that_are_compared(
    tiny_cohort, strategy
):
    table = sampling.slice_table(tiny_cohort, NAMES, 2)
    plain = config.ViewConfig(brightness=0.0, contrast=(1, 1), clip=(0.0, 15.0))
    settings = config.LocalConfig(
        config.LocalStrategy(strategy), region_size=2, num_regions=4, **SHAPES
    )
    shown = [
        take(
            batches.local_batches(Ramps(axis), table, settings, plain, (16, 16)),
            0,
            0,
            1,
        )[0]
        for axis in (0, 1)
    ]
    corners = shown[0]["corners"]
    np.testing.assert_array_equal(corners, shown[1]["corners"])
    assert corners.shape == (len(shown[0]["view"]), 4, 2)
    seen = np.stack([_means_of_regions(each["image"], corners) for each in shown], -1)
    group = shown[0]["image_id" if strategy == "lr" else "partition"]
    for number in set(group):
        # Positions are whole: two regions lie up to half a pixel off each.
        assert np.ptp(seen[group == number], axis=0).max() <= 1.01
    # But not at the same positions, and not all at one place.
    assert np.ptp(corners[group == group[0]], axis=0).max() > 1
    assert np.ptp(seen[0], axis=0).max() > 2


def _means_of_regions(images, corners):
    return np.array(
        [
            [image[r : r + 2, c : c + 2].mean() for r, c in places]
            for image, places in zip(images, corners)
        ]
    )


def test_gr_gets_as_many_images_as_gd(make_stream):
    sizes = [len(take(make_stream(s, 4), 0, 0, 1)[0]["image"]) for s in ("gr", "gd")]
    assert sizes == [24, 24]


@pytest.mark.parametrize("strategy", ["gd", "ld"])
def test_domain_batches_have_every_partition(make_stream, strategy):
    batch = take(make_stream(strategy), 3, 0, 1)[0]
    groups = set(zip(batch["volume"], batch["partition"], batch["view"]))
    assert len(set(batch["volume"])) == 2
    assert len(groups) == 2 * 2 * 3


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("strategy", ["lr", "ld", *CROPS])
def test_as_many_pairs_of_maps_as_are_told_before(
    make_stream, tiny_cohort, strategy, m
):
    table = sampling.slice_table(tiny_cohort, NAMES, 2)
    name = config.LocalStrategy(strategy.partition("_")[0])
    settings = config.LocalConfig(name, num_partitions=2, batch_volumes=m)
    ids = batches.loss_ids(take(make_stream(strategy, m), 0, 0, 1)[0])
    num_pairs = np.count_nonzero(local_loss.local_pairs(ids, name))
    assert batches.num_local_pairs(table, settings) == num_pairs


def test_pairs_are_not_told_before_where_a_slice_may_be_drawn_twice(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0",), 2)  # 5 slices.
    for m, expected in ((2, 8), (3, None)):
        settings = config.LocalConfig("lr", num_partitions=2, batch_volumes=m)
        assert batches.num_local_pairs(table, settings) == expected


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


def test_half_of_a_batch_is_of_the_truly_labelled_volumes(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, NAMES, 1)
    settings = config.FinetuneConfig(batch_size=6)
    stream = batches.finetune_batches(
        tiny_cohort, table, settings, label_of=tiny_cohort.label, num_labelled=1
    )
    for batch in take(stream, 0, 0, 5):
        assert (batch["volume"] == 0).sum() == 3


def test_too_many_volumes_are_refused_plainly(make_stream):
    with pytest.raises(errors.UserError) as raised:
        make_stream("gd", m=5)
    assert str(raised.value).startswith("A batch needs 5 volumes")
