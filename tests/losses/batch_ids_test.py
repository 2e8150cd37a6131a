"""Ids that are not one value for each image are refused, and all others taken."""

import enum
import re

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, losses
from dscl_tf.losses import global_loss, local_loss
from tests.losses import global_loss_test, local_loss_test

# The ids that each strategy reads (design.md, tables of strategies).
READ = {
    "gr": {"image", "view"},
    "gd_minus": {"image", "partition", "view"},
    "gd": {"image", "volume", "partition", "view"},
    "positional": {"image", "view", "position"},
    "lr": {"image", "view"},
    "ld": {"image", "volume", "partition", "view"},
}


def make(strategy: str):
    """What a loss is of, with ids; and the loss, as a function of both."""
    if strategy in global_loss_test.STRATEGIES:
        values, ids = global_loss_test.make_batch(strategy)

        def of_embeddings(values, ids):
            return losses.global_contrastive_loss(values, ids, strategy)

        return values, ids, of_embeddings
    values, ids = local_loss_test.make_batch(strategy)
    regions, _ = local_loss_test.make_regions(2, "all")

    def of_maps(values, ids):
        return losses.local_contrastive_loss(values, ids, strategy, regions)

    return values, ids, of_maps


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("strategy", READ)
def test_ids_of_other_shapes_are_refused(strategy, compiled):
    values, ids, loss = make(strategy)
    if compiled:
        loss = tf.function(loss, autograph=False)
    count = len(values)
    noun = "map" if strategy in local_loss_test.STRATEGIES else "embedding"
    for name in READ[strategy]:
        whole = tf.constant(ids[name])
        for wrong in (whole[:, None], whole[:1], whole[:-3], whole[0]):
            message = (
                f"ids['{name}'] must be [{count}], one for each {noun}, "
                f"found {list(wrong.shape)}."
            )
            with pytest.raises(ValueError, match=re.escape(message)):
                loss(tf.constant(values), {**ids, name: wrong})


@pytest.mark.parametrize("strategy", READ)
def test_ids_of_other_images_are_refused(strategy):
    values, ids, loss = make(strategy)
    for change in (lambda each: each[:5], lambda each: each[:, None]):
        with pytest.raises(ValueError, match=rf"must be \[{len(values)}\]"):
            loss(values, {name: change(each) for name, each in ids.items()})


@pytest.mark.parametrize("strategy", READ)
def test_a_missing_id_is_named_with_those_that_are_needed(strategy):
    values, ids, loss = make(strategy)
    for name in READ[strategy]:
        others = {key: each for key, each in ids.items() if key != name}
        with pytest.raises(ValueError, match=f"missing: '{name}'") as caught:
            loss(values, others)
        named = re.findall(r"'(\w+)'", str(caught.value).split(";")[0])
        assert named[0] == strategy and set(named[1:]) == READ[strategy]


@pytest.mark.parametrize("strategy", READ)
def test_ids_that_are_not_read_may_be_missing_or_of_any_shape(strategy):
    values, ids, loss = make(strategy)
    expected = loss(values, ids)
    read = {name: ids[name] for name in READ[strategy]}
    np.testing.assert_array_equal(loss(values, read), expected)
    others = dict.fromkeys(ids.keys() - READ[strategy], "not looked at")
    np.testing.assert_array_equal(loss(values, {**read, **others}), expected)


@pytest.mark.parametrize("strategy", READ)
def test_ids_may_be_lists_or_of_any_dtype(strategy):
    values, ids, loss = make(strategy)
    expected = loss(values, ids)
    lists = {name: each.tolist() for name, each in ids.items()}
    np.testing.assert_array_equal(loss(values, lists), expected)
    for dtype in (np.uint8, np.int16, np.uint16, np.int64, np.float32):
        cast = {
            name: each if name == "position" else each.astype(dtype)
            for name, each in ids.items()
        }
        np.testing.assert_array_equal(loss(values, cast), expected)
    names = np.array(["first", "second", "third"])
    named = {**ids, "volume": names[ids["volume"]]}
    np.testing.assert_array_equal(loss(values, named), expected)


@pytest.mark.parametrize("strategy", READ)
def test_the_number_of_images_may_be_unknown(strategy):
    values, ids, loss = make(strategy)
    ids = {name: tf.constant(each) for name, each in ids.items()}
    unknown = {name: tf.TensorSpec([None], each.dtype) for name, each in ids.items()}
    of_values = tf.TensorSpec([None, *values.shape[1:]], tf.float32)
    traced = tf.function(loss, input_signature=[of_values, unknown], autograph=False)
    np.testing.assert_allclose(traced(values, ids), loss(values, ids), rtol=1e-5)


@pytest.mark.parametrize("strategy", READ)
def test_what_is_known_of_an_unknown_number_is_checked(strategy):
    values, ids, loss = make(strategy)
    of_values = tf.TensorSpec([None, *values.shape[1:]], tf.float32)

    def trace(shape, shape_of_view):
        shapes = {**dict.fromkeys(ids, shape), "view": shape_of_view}
        specs = {
            name: tf.TensorSpec(shapes[name], each.dtype) for name, each in ids.items()
        }
        tf.function(loss, autograph=False).get_concrete_function(of_values, specs)

    trace([8], [None])
    with pytest.raises(ValueError, match=r"must be \[8\], .* found \[1\]"):
        trace([8], [1])
    with pytest.raises(ValueError, match=r"must be \[N\], .* found \[None, 1\]"):
        trace([None], [None, 1])


def test_keras_can_build_a_model_with_a_loss():
    values, ids, loss = make("gd")
    inputs = tf.keras.Input(values.shape[1:])
    of_ids = {name: tf.keras.Input([], dtype=tf.int32) for name in ids}
    model = tf.keras.Model([inputs, of_ids], loss(inputs, of_ids))
    found = model([values, {name: tf.constant(each) for name, each in ids.items()}])
    np.testing.assert_allclose(found, loss(values, ids), rtol=1e-5)


def with_new_member(members: type[enum.Enum]) -> type[enum.Enum]:
    values = {member.name: member.value for member in members}
    return enum.Enum(members.__name__, {**values, "NEW": "new"})


def test_a_new_strategy_does_not_pass_for_another(monkeypatch):
    for name in ("GlobalStrategy", "LocalStrategy"):
        monkeypatch.setattr(config, name, with_new_member(getattr(config, name)))
    embeddings, ids = global_loss_test.make_batch("gd")
    features, ids_of_maps = local_loss_test.make_batch("ld")
    regions, _ = local_loss_test.make_regions(2, "all")
    message = "Strategy 'new' has no loss"
    with pytest.raises(ValueError, match=message):
        global_loss.global_pairs(ids, "new")
    with pytest.raises(ValueError, match=message):
        losses.global_contrastive_loss(embeddings, ids, "new")
    with pytest.raises(ValueError, match=message):
        local_loss.local_pairs(ids_of_maps, "new")
    with pytest.raises(ValueError, match=message):
        losses.local_contrastive_loss(features, ids_of_maps, "new", regions)
