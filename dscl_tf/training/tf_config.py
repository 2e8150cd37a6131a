"""Checks TF_CONFIG, which tells a worker its cluster and its place in it."""

import json
from typing import Optional

from dscl_tf import errors

_CURE = (
    "set it in each worker's environment, as "
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}} with its own index '
    "(docs/distribution.md)."
)


def check(text: Optional[str]) -> None:
    """Refuses a text that does not describe a cluster and this worker's place in it.

    Args:
      text: value of the environment variable `TF_CONFIG`; None: it is not set.

    Raises:
      UserError: naming what is missing.
    """
    if not text:
        raise errors.UserError(f"--distribution=multi_worker needs TF_CONFIG: {_CURE}")
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        addresses, index = cluster[task["type"]], task["index"]
    except (ValueError, KeyError, TypeError) as error:
        raise errors.UserError(
            f"TF_CONFIG is not valid ({type(error).__name__}: {error}), found "
            f"{text[:200]!r}: {_CURE}"
        ) from None
    if set(cluster) - {"chief", "worker"} or not isinstance(addresses, list):
        raise errors.UserError(
            "TF_CONFIG: cluster must list the addresses of the workers and, if there "
            f"is one, the chief, found {cluster}: {_CURE}"
        )
    if isinstance(index, bool) or index not in range(len(addresses)):
        raise errors.UserError(
            f"TF_CONFIG: task.index must be 0 to {len(addresses) - 1}, found "
            f"{index!r}: {_CURE}"
        )
