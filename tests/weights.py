"""Reads the weights of a run, for tests that compare runs."""

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
