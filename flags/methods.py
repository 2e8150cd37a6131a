"""The flags of all methods that add to fine-tuning, a module each."""

import dataclasses
import importlib

from dscl_tf import config
from dscl_tf.methods import registered

# A method's module has its name, and `settings`, which makes its settings.
MODULES = {
    name: importlib.import_module(f"dscl_flags.{name}") for name in registered.NAMES
}


def added_to(finetune: config.FinetuneConfig) -> config.FinetuneConfig:
    """The fine-tuning stage's settings with those of the methods."""
    given = {name: module.settings() for name, module in MODULES.items()}
    return dataclasses.replace(finetune, **given)
