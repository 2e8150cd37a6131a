"""Reads the weights of a run, for tests that compare runs."""

import numpy as np
import tensorflow as tf

from dscl_tf.training import run_folder


def weights_of(folder):
    """The networks' variables and the optimizer's, of the result of a run, by name."""
    path = str(run_folder.RunFolder(folder).final_checkpoint())
    return {
        name: tf.train.load_variable(path, name)
        for name, _ in tf.train.list_variables(path)
        if "OBJECT_GRAPH" not in name and "save_counter" not in name
    }


def assert_same(found, expected, rtol=0.0, atol=0.0):
    """Two runs ended with the same variables, to the bit unless told otherwise."""
    found, expected = weights_of(found), weights_of(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol, atol, err_msg=name)


def assert_same_in_rms(found, expected, atol):
    """The root mean square of what each variable of two runs differs by is small."""
    found, expected = weights_of(found), weights_of(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        rms = np.sqrt(np.mean(np.square(value - found[name], dtype=np.float64)))
        assert rms <= atol, f"{name}: {rms:.2g}"
