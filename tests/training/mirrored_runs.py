"""Trains on one device and on replicas; run by distribution_test.py in a process of its
own, since logical devices can only be made before TensorFlow starts.

    python mirrored_runs.py quick|all OUT.npz
    python mirrored_runs.py stages PREPARED FOLDER

"quick" has whole networks in one case; in the others one layer takes their place.
"stages" runs stages into FOLDER/none and FOLDER/mirrored.
"""

import dataclasses
import itertools
import sys

import numpy as np
import tensorflow as tf

from dscl_tf import config, losses, networks, stages
from dscl_tf.losses import regions as local_regions
from dscl_tf.pipeline import streams
from dscl_tf.training import distribution, optimizers, steps

NUM_STEPS = 3
SIZE = (8, 8)
CASES = ("gr", "gd_minus", "gd", "lr", "ld", "finetune")
QUICK = ("finetune",)
PLAIN = (
    "gr-plain",
    "gd_minus-plain",
    "gd-plain",
    "lr-plain",
    "ld-plain",
    "ld_crops-plain",
)
# Not to be divided by 2 nor by 3.
NUM_ROWS = 17


def batch_of(step):
    """A batch whose rows are in no order: views of slices of volumes, with labels."""
    rng = np.random.default_rng(step)
    rows = [
        (10 * volume + partition, volume, partition, view)
        for volume, partition, view in itertools.product(range(3), range(2), range(3))
    ]
    rows = rng.permutation(rows)[:NUM_ROWS].astype(np.int32)
    names = ("image_id", "volume", "partition", "view")
    ids = {name: tf.constant(rows[:, k]) for k, name in enumerate(names)}
    image = rng.normal(size=(NUM_ROWS, *SIZE, 1)).astype(np.float32)
    label = rng.integers(0, 3, (NUM_ROWS, *SIZE)).astype(np.int32)
    corners = rng.integers(0, 7, (NUM_ROWS, 4, 2)).astype(np.int32)
    return {
        **ids,
        "image": tf.constant(image),
        "label": tf.constant(label),
        "corners": tf.constant(corners),
    }


def network_of(sync):
    return config.NetworkConfig(
        filters=(3, 4), global_head_units=(8, 4), sync_batch_norm=sync
    )


def build(case, devices, sync, parts=None):
    """(loss function, trained variables, models) of a case, from a fixed seed.

    Args:
      case: a strategy, or "finetune".
      devices: what computes it.
      sync: whether BatchNorm is synchronised.
      parts: row bounds; each part is then normalised alone, on one device.
    """
    tf.keras.utils.set_random_seed(1)
    network = network_of(sync)
    by_parts = apart(parts) if parts else lambda model: model
    if case == "finetune":
        unet = networks.build_unet(network, SIZE, 3)
        loss = steps.finetune_loss(by_parts(unet), devices)
        return loss, unet.trainable_variables, [unet]
    strategy, _, plain = case.partition("-")
    if plain:
        return build_plain(strategy, devices)
    encoder = networks.build_encoder(network, SIZE)
    if case in ("gr", "gd_minus", "gd"):
        head = networks.build_global_head(network, encoder.outputs[-1].shape[1:])
        settings = config.GlobalConfig(strategy=config.GlobalStrategy(case))
        loss = steps.encoder_loss(by_parts(encoder), head, settings, devices)
        variables = encoder.trainable_variables + head.trainable_variables
        return loss, variables, [encoder, head]
    encoder.trainable = False
    decoder = networks.build_decoder(network, SIZE, 1)
    head = networks.build_local_head(network, (*SIZE, 3))
    settings = config.LocalConfig(strategy=config.LocalStrategy(case))
    regions = local_regions.make_regions(SIZE, 2, 3, 2)
    maps_of = steps.decoder_maps(encoder, decoder, head)
    loss = steps.local_loss(maps_of, settings, lambda batch: regions, devices)
    variables = decoder.trainable_variables + head.trainable_variables
    return loss, variables, [encoder, decoder, head]


def build_plain(strategy, devices):
    """As `build`, with one layer in place of the networks."""
    strategy, is_crops, _ = strategy.partition("_crops")
    if strategy in ("lr", "ld"):
        layer = tf.keras.layers.Conv2D(3, 3, padding="same")
        models = [itself, itself, tf.keras.Sequential([layer])]
        settings = config.LocalConfig(strategy=config.LocalStrategy(strategy))
        regions = local_regions.make_regions(SIZE, 2, 3, 2)

        def regions_of(batch):
            return losses.LocalRegions(2, batch["corners"]) if is_crops else regions

        maps_of = steps.decoder_maps(*models)
        loss = steps.local_loss(maps_of, settings, regions_of, devices)
    else:
        layers = [tf.keras.layers.Flatten(), tf.keras.layers.Dense(4)]
        models = [lambda images, training: [images], tf.keras.Sequential(layers)]
        settings = config.GlobalConfig(strategy=config.GlobalStrategy(strategy))
        loss = steps.encoder_loss(*models, settings, devices)
    models[-1].build([None, *SIZE, 1])
    return loss, models[-1].trainable_variables, models[-1:]


def itself(images, training):
    del training
    return images


def apart(bounds):
    """Calls a model on parts of the rows, each by its own batch statistics."""

    def of(model):
        def call(images, training):
            parts = [
                model(images[a:b], training=training)
                for a, b in zip(bounds, bounds[1:])
            ]
            return tf.nest.map_structure(lambda *p: tf.concat(p, 0), *parts)

        return call

    return of


def train(case, devices, sync, parts=None, num_steps=NUM_STEPS):
    """What some steps came to, by name."""
    with devices.scope():
        loss, variables, models = build(case, devices, sync, parts)
        adam = optimizers.build(config.OptimizerConfig(learning_rate=0.01), "float32")
    step = steps.make_step(loss, {"loss": variables}, adam, False, devices)
    scalars = [step(batch_of(0))]
    # Adam's first moment after one step is a tenth of the gradient.
    slots = adam._momentums
    assert len(slots) == len(variables)
    found = {f"gradient/{k}": 10 * v.numpy() for k, v in enumerate(slots)}
    scalars += [step(batch_of(number)) for number in range(1, num_steps)]
    for name in scalars[0]:
        found[f"scalar/{name}"] = np.array([float(s[name]) for s in scalars])
    found.update({f"weight/{k}": v.numpy() for k, v in enumerate(variables)})
    devices.settler(models)()
    moving = [v for m in models for v in m.variables if "moving_" in v.name]
    found.update({f"moving/{k}": v.numpy() for k, v in enumerate(moving)})
    return found


def moving_by_parts(bounds):
    """The mean of the parts' moving statistics after a step that each takes alone."""
    found = []
    for a, b in zip(bounds, bounds[1:]):
        _, _, (unet,) = build("finetune", distribution.ONE, False)
        unet(batch_of(0)["image"][a:b], training=True)
        found.append([v.numpy() for v in unet.variables if "moving_" in v.name])
    return {f"moving/{k}": np.mean(values, 0) for k, values in enumerate(zip(*found))}


def float16_scales(devices):
    """Weight and loss scale after a step that overflows on one replica, and one not."""
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    with devices.scope():
        weight = tf.Variable([1.0, 2.0])
        scaler = optimizers.build(config.OptimizerConfig(), "mixed_float16")

    def loss(batch):
        own = tf.reduce_sum(tf.cast(batch["image"], tf.float16))
        part = tf.reduce_sum(tf.cast(weight, tf.float16) * own)
        return {"loss": devices.sum(tf.cast(part, tf.float32))}

    step = steps.make_step(loss, {"loss": [weight]}, scaler, False, devices)
    found = []
    for values in ([0.0, 3.0], [0.125, 0.125]):
        scalars = step({"image": tf.constant(values)[:, None]})
        found += [weight.numpy().tolist(), float(scaler.loss_scale)]
    tf.keras.mixed_precision.set_global_policy("float32")
    return {
        "float16/weights": np.array([found[0], found[2]]),
        "float16/scales": np.array([found[1], found[3]]),
        "float16/grad_norm": np.array(scalars["grad_norm"]),
    }


def run_stages(prepared, folder):
    """Runs two stages on one device and on two, the second of which augments."""
    places = {"none": None, "mirrored": "/CPU:1"}
    for kind, place in places.items():
        streams.Source.batches = lambda self, _, *steps, place=place: (
            self.open_on(place, *steps) if place else iter(self.open(*steps))
        )
        encoder = config.StageConfig(
            stage="encoder",
            prepared=prepared,
            workdir=f"{folder}/{kind}/encoder",
            network=network_of(sync=True),
            global_=config.GlobalConfig(num_partitions=2, batch_volumes=2),
            finetune=config.FinetuneConfig(batch_size=3, validate_every=2),
            optimizer=config.OptimizerConfig(num_steps=3),
            runtime=config.RuntimeConfig(precision="float32", distribution=kind),
            split=config.SplitConfig(num_train=2, num_validation=1, num_test=1),
        )
        finetune = dataclasses.replace(
            encoder,
            stage="finetune",
            workdir=f"{folder}/{kind}/finetune",
            init=encoder.workdir,
        )
        stages.run([encoder, finetune])


def make_devices(count):
    """Logical CPU devices; their names."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, logical)
    return [device.name for device in tf.config.list_logical_devices("CPU")]


def main():
    if sys.argv[1] == "stages":
        make_devices(2)
        run_stages(*sys.argv[2:])
        return
    # Three steps do not earn back what optimising their graph takes.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    names = make_devices(3)
    # TensorFlow has one size of collective group in a process; the second strategy
    # exchanges by copies.
    copies = tf.distribute.ReductionToOneDevice()
    two = distribution.Replicas(tf.distribute.MirroredStrategy(names[:2]))
    three = distribution.Replicas(tf.distribute.MirroredStrategy(names, copies))
    devices = {"one": distribution.ONE, "two": two, "three": three}
    out = {}

    def keep(run, found):
        out.update({f"{run}/{name}": value for name, value in found.items()})

    if sys.argv[1] == "quick":
        runs = itertools.product(QUICK, ("one", "two"))
        runs = [*runs, *itertools.product(PLAIN, ("one", "three"))]
    else:
        runs = itertools.product(CASES, devices)
    for case, name in runs:
        keep(f"{case}/{name}", train(case, devices[name], sync=True))
    keep("two", float16_scales(two))
    if sys.argv[1] == "all":
        keep_apart(keep, three)
    np.savez(sys.argv[2], **out)


def keep_apart(keep, three):
    """Runs whose BatchNorm is not synchronised, and what they must equal."""
    bounds = distribution.row_bounds(NUM_ROWS, 3)
    for case in ("gd", "finetune"):
        keep(f"{case}/apart", train(case, three, sync=False))
        keep(f"{case}/parts", train(case, distribution.ONE, False, bounds))
    keep("apart", train("finetune", three, sync=False, num_steps=1))
    keep("parts", moving_by_parts(bounds))


if __name__ == "__main__":
    main()
