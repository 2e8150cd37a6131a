"""What importing the package sets for TensorFlow."""

import json
import os
import platform
import subprocess
import sys

import pytest

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_CODE = (
    "import json, os, sys, dscl_tf; "
    f"print(json.dumps([os.environ.get({ONEDNN!r}), 'tensorflow' in sys.modules]))"
)


def imported(**given):
    """The variable after the import, and whether TensorFlow was imported by it."""
    plain = {key: value for key, value in os.environ.items() if key != ONEDNN}
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        env={**plain, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="not measured elsewhere"
)
def test_onednn_is_on_before_tensorflow_is_imported():
    assert imported() == ["1", False]


def test_a_users_choice_of_kernels_stays():
    assert imported(**{ONEDNN: "0"}) == ["0", False]
