#!/usr/bin/env python3
"""Measures what two workers of one core each gain over one process of one core.

The global batch is the same, constant and in memory, and so are the weights after each
step (with --sync_batch_norm). Each process is pinned to a core of its own; the workers
talk over loopback, as hosts would over a network.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

from speed_parts import IMAGES

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", default="encoder,finetune")
    parser.add_argument("--size_px", type=int, default=96)
    parser.add_argument("--steps", type=int, default=5, help="measured, in each turn")
    parser.add_argument("--turns", type=int, default=3, help="of each contender")
    parser.add_argument("--work", help="for the workers that this program starts")
    return parser.parse_args()


def make_step(stage: str, sync: bool, size_px: int, devices):
    """A stage's step in float32 and a constant batch for it."""
    import numpy as np
    import tensorflow as tf

    from dscl_tf import config, networks
    from dscl_tf.training import optimizers, steps

    network, size = config.NetworkConfig(sync_batch_norm=sync), (size_px, size_px)
    count, rng = IMAGES[stage], np.random.default_rng(0)
    with devices.scope():
        adam = optimizers.build(config.OptimizerConfig(), "float32")
        if stage == "finetune":
            unet = networks.build_unet(network, size, 4)
            loss, variables = steps.finetune_loss(unet, devices), unet.trainable_weights
        else:
            encoder = networks.build_encoder(network, size)
            shape = encoder.outputs[-1].shape[1:]
            head = networks.build_global_head(network, shape)
            loss = steps.encoder_loss(encoder, head, config.GlobalConfig(), devices)
            variables = encoder.trainable_weights + head.trainable_weights
    number = np.arange(count, dtype=np.int32)
    batch = {
        "image": rng.random((count, *size, 1), np.float32),
        "label": rng.integers(0, 4, (count, *size)).astype(np.int32),
        "image_id": number // 3,
        "volume": number // 12,
        "partition": number // 3 % 4,
        "view": number % 3,
    }
    batch = {name: tf.constant(values) for name, values in batch.items()}
    return steps.make_step(loss, {"loss": variables}, adam, False, devices), batch


def work(options: argparse.Namespace, stage: str, sync: bool) -> None:
    """Takes steps; the chief prints their seconds of wall-clock and processor time."""
    import tensorflow as tf

    from dscl_tf.training import distribution

    tf.config.threading.set_intra_op_parallelism_threads(1)
    alone = "TF_CONFIG" not in os.environ
    devices = distribution.start("none" if alone else "multi_worker")
    step, batch = make_step(stage, sync, options.size_px, devices)
    seconds = []
    for _ in range(options.steps + 2):
        before = time.perf_counter(), time.process_time()
        float(step(batch)["loss"])
        seconds.append(
            (time.perf_counter() - before[0], time.process_time() - before[1])
        )
    if devices.is_chief:
        print(json.dumps(seconds[2:]))


def measure(options: argparse.Namespace, stage: str, sync: bool, count: int) -> list:
    """Each step's wall-clock and processor seconds; each process has its own core."""
    cores = sorted(os.sched_getaffinity(0))
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(count):
        environment = dict(os.environ)
        if count > 1:
            task = {"type": "worker", "index": index}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            environment["TF_CONFIG"] = json.dumps(cluster)
        command = [
            *("taskset", "-c", str(cores[index]), sys.executable, __file__),
            *(f"--size_px={options.size_px}", f"--steps={options.steps}"),
            f"--work={stage},{int(sync)}",
        ]
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit(f"A process of {stage} failed.")
    return json.loads(said[0].splitlines()[-1])


def report(options: argparse.Namespace, stage: str, sync: bool) -> str:
    """A row of the table; the contenders take turns."""
    found = {1: [], 2: []}
    for _ in range(options.turns):
        for count, pairs in found.items():
            pairs += measure(options, stage, sync, count)
    walls, cpus = [], []
    for pairs in found.values():
        wall, cpu = zip(*pairs)
        low, middle, high = statistics.quantiles(wall, n=4)
        walls.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        cpus.append(statistics.median(cpu))
    one, two = (statistics.median(w for w, _ in pairs) for pairs in found.values())
    cells = [
        *(stage, str(IMAGES[stage]), "whole batch" if sync else "each share"),
        *(*walls, f"{one / two:.2f}", f"{one / two / 2:.0%}"),
        *(f"{cpus[0]:.2f}", f"{cpus[1]:.2f}", f"{cpus[0] / cpus[1] / 2:.0%}"),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Prints the table."""
    options = parse()
    if options.work:
        stage, sync = options.work.split(",")
        work(options, stage, sync == "1")
        return
    print(f"{options.size_px} x {options.size_px} pixels, float32\n")
    print(
        "| stage | images | BatchNorm of | 1 process, s (quartiles) | 2 workers, s "
        "(quartiles) | speed-up | efficiency | core, 1 process, s | core, each of 2, s "
        "| efficiency by core |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for stage in options.stages.split(","):
        for sync in (False, True):
            print(report(options, stage, sync), flush=True)


if __name__ == "__main__":
    main()
