"""The training loop: steps, logs, checkpoints, stopping. It knows no loss."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Callable, Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.config import StageConfig
from dscl_tf.pipeline.streams import Source
from dscl_tf.training import distribution, finiteness, interruption, steps
from dscl_tf.training.checkpoints import Checkpoints
from dscl_tf.training.distribution import Devices
from dscl_tf.training.monitor import Monitor

_LOG = logging.getLogger(__name__)
_FLAT = 0.01  # A loss within this fraction of chance level has learned nothing.


@dataclasses.dataclass(frozen=True)
class Hook:
    """Something to do every so many steps, and at the last one."""

    every: int
    action: Callable[[int], None]  # Receives the number of steps taken.


@dataclasses.dataclass(frozen=True)
class Training:
    """Everything that the loop needs to train a stage."""

    config: StageConfig
    stream: Source
    step: Callable[[Mapping], Mapping[str, tf.Tensor]]
    checkpoints: Checkpoints
    monitor: Monitor
    hooks: Sequence[Hook] = ()
    devices: Devices = distribution.ONE
    after_step: Sequence[Callable[[int], None]] = ()  # Take the number of steps done.
    input_device: Optional[str] = None  # As in `runtime.Runtime`.


def train(training: Training) -> str:
    """Trains from the newest checkpoint to the last step.

    Returns:
      What asked to stop during the last step (`StopRequest.by`): training is complete,
      and the caller decides whether to start what follows; "" if nothing did.

    Raises:
      Interrupted: a signal arrived before the last step; the state has been saved.
      NotFiniteError: a loss or gradient is not finite, naming the step and the slices
        of its batch; or a weight is not, when it is to be saved.
    """
    config, checkpoints = training.config, training.checkpoints
    devices = training.devices
    first, last = int(checkpoints.step), config.optimizer.num_steps
    if first:
        _LOG.info("Going on at step %d of %d.", first, last)
    meter = _Meter(training, first)
    batches = training.stream.batches(
        training.input_device, config.draw_seed, first, last
    )
    with interruption.stop_request() as stop:
        for done in range(first + 1, last + 1):
            meter.add(training.step, batches)
            for action in training.after_step:
                action(done)
            if done == last or done % config.runtime.log_every == 0:
                meter.report(done)
            due = [h for h in training.hooks if done == last or done % h.every == 0]
            if due:
                with meter.paused():
                    for hook in due:
                        hook.action(done)
            looks = done < last and done % devices.steps_between_stops == 0
            stopping = looks and devices.any_asked(bool(stop))
            if done == last or stopping or done % config.runtime.checkpoint_every == 0:
                meter.check_finite(done)
                checkpoints.save(done)
                devices.barrier()
            if stopping:
                raise errors.Interrupted(
                    f"{stop.by} at step {done} of {last}, saved in "
                    f"{config.workdir}. Start the same command again to go on."
                )
    # Signals have their former handlers again, so none is missed between here and what
    # follows. Workers make this last check together, whatever the number of steps.
    return stop.by if devices.any_asked(bool(stop)) else ""


class _Meter:
    """Gathers the steps' scalars, on the device, and reports their means."""

    def __init__(self, training: Training, first: int):
        self._training = training
        self._names: list[str] = []
        self._steps: list[tf.Tensor] = []  # float32 [names], of each step.
        self._since = self._start = time.perf_counter()
        self._first, self._waited, self._images = first, 0.0, 0
        self._flat_reports = 0

    def add(self, step: Callable, batches) -> None:
        """Takes one step."""
        before = time.perf_counter()
        batch = self._next(batches)
        self._waited += time.perf_counter() - before
        scalars = step(batch)
        self._names = list(scalars)
        self._steps.append(
            tf.stack([tf.cast(value, tf.float32) for value in scalars.values()])
        )
        self._images += batch["image"].shape[0]

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps the time of a validation or a picture out of images per second."""
        if self._steps:
            self._steps[-1].numpy()  # Steps that a device has queued are not paused.
        before = time.perf_counter()
        yield
        self._since += time.perf_counter() - before

    def _next(self, batches) -> Mapping[str, tf.Tensor]:
        try:
            return next(batches)
        except tf.errors.OpError:
            if self._training.stream.failure is not None:
                raise self._training.stream.failure from None
            raise

    def check_finite(self, done: int) -> np.ndarray:
        """Stops the run when a loss or gradient since the last report was not finite.

        Looking at every step would make the host wait for the device each time; the
        batch can be named afterwards, since it is a function of the step.

        Returns:
          The scalars since the last report, float64 [steps, names], copied at once.
        """
        if not self._steps:
            return np.zeros([0, len(self._names)])
        values = tf.stack(self._steps).numpy().astype(np.float64)
        for offset, step in enumerate(values):
            for name, value in zip(self._names, step):
                if self._must_be_finite(name) and not np.isfinite(value):
                    raise self._not_finite(name, value, done - len(values) + offset)
        return values

    @property
    def _is_scaled(self) -> bool:
        return steps.LOSS_SCALE in self._names

    def _must_be_finite(self, name: str) -> bool:
        # With loss scaling, a step whose gradient overflows is skipped: no error.
        return "loss" in name or (name == "grad_norm" and not self._is_scaled)

    def _not_finite(self, name: str, value: float, step: int) -> Exception:
        ids = self._training.stream.ids(self._training.config.draw_seed, step)
        made_of = ", ".join(
            f"{volume}[{index}]" for volume, index in zip(ids["volume"], ids["slice"])
        )
        what = "norm of the gradient" if name == "grad_norm" else name.replace("_", " ")
        return finiteness.NotFiniteError(
            f"The {what} is {value} at step {step + 1}. Its batch was made of the "
            f"slices {made_of}. Nothing was saved since the last checkpoint; look at "
            "these slices, lower --learning_rate, or use --precision=float32."
        )

    def report(self, done: int) -> None:
        """Logs the means since the last report."""
        values = self.check_finite(done)
        means = dict(zip(self._names, values.mean(axis=0).tolist()))
        if self._is_scaled:
            norms = values[:, self._names.index("grad_norm")]
            taken = np.isfinite(norms)
            means["skipped_steps"] = 1 - float(taken.mean())
            means["grad_norm"] = float(norms[taken].mean()) if taken.any() else 0.0
        now = time.perf_counter()
        seconds = max(now - self._since, 1e-9)
        means["images_per_second"] = self._images / seconds
        means["input_wait"] = self._waited / seconds
        self._training.monitor.scalars(
            done, {f"train/{name}": value for name, value in means.items()}
        )
        self._log(done, means, now)
        self._warn_if_flat(done, means)
        self._since = time.perf_counter()
        self._steps, self._waited, self._images = [], 0.0, 0

    def _log(self, done: int, means: Mapping[str, float], now: float) -> None:
        config = self._training.config
        last = config.optimizer.num_steps
        left = (now - self._start) / (done - self._first) * (last - done)
        extra = f", top-1 {means['top1']:.2f}" if "top1" in means else ""
        _LOG.info(
            "%s step %d/%d: loss %.4f%s, %.0f images/s, %s left",
            config.stage,
            done,
            last,
            means["loss"],
            extra,
            means["images_per_second"],
            _duration(left),
        )

    def _warn_if_flat(self, done: int, means: Mapping[str, float]) -> None:
        if "chance" not in means:
            return
        flat = abs(means["pair_loss"] - means["chance"]) <= _FLAT * means["chance"]
        self._flat_reports = self._flat_reports + 1 if flat else 0
        if self._flat_reports == 3:
            _LOG.warning(
                "At step %d the loss has stayed within 1 %% of its chance level %.3f: "
                "the networks learn nothing. Try another --learning_rate%s.",
                done,
                means["chance"],
                "" if self._training.config.stage == "pretext" else " or --temperature",
            )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
