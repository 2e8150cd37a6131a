import functools
import os

import pytest

from dscl_tf import errors, locks


def test_who_held_it_before_is_not_named(tmp_path):
    hold = functools.partial(locks.held, tmp_path, "--output")
    for _ in range(2):
        with hold():
            assert locks.is_held(tmp_path)
    assert not locks.is_held(tmp_path)
    refused = pytest.raises(errors.UserError, match="use another --output")
    with hold(), refused as said, hold():
        pass
    assert str(said.value).count(f"process {os.getpid()} on") == 1
