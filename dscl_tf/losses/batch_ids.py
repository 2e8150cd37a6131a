"""The ids that tell what each image of a batch is, and their checks."""

from collections.abc import Mapping, Sequence
from typing import Optional

import tensorflow as tf

# By name, integer [N] each; "position" is floating.
Ids = Mapping[str, tf.Tensor]


def checked(
    ids: Ids,
    needed: Sequence[str],
    strategy: str,
    num_images: Optional[int],
    of_what: str,
) -> dict[str, tf.Tensor]:
    """The ids that a strategy reads, as tensors, one for each image.

    Pairs are found by broadcasting: an id of another shape would often go unnoticed and
    give a plausible loss over the wrong pairs.

    Args:
      ids: by name, [N] each: tensors, arrays or lists. Ids that are not needed are
        ignored.
      needed: names of the ids that the strategy reads.
      strategy: its name, for messages.
      num_images: N; None if it is unknown while the graph is traced. Dimensions that
        are unknown then are not checked.
      of_what: what there is one id for, such as "embedding".

    Returns:
      A tensor [N] for each needed name, of its own dtype.

    Raises:
      ValueError: a needed id is missing, is not of rank 1, or does not have one value
        for each image.
    """
    missing = [repr(name) for name in needed if name not in ids]
    if missing:
        raise ValueError(
            f"Strategy {strategy!r} needs the ids {', '.join(map(repr, needed))}; "
            f"missing: {', '.join(missing)}."
        )
    tensors = {name: tf.convert_to_tensor(ids[name]) for name in needed}
    expected = tf.TensorShape([num_images])
    for name, values in tensors.items():
        if not expected.is_compatible_with(values.shape):
            count = "N" if expected[0] is None else expected[0]
            raise ValueError(
                f"ids[{name!r}] must be [{count}], one for each {of_what}, "
                f"found {list(values.shape)}."
            )
        # Where N is unknown, the ids have to agree with each other.
        expected = expected.merge_with(values.shape)
    return tensors
