"""The flags of all methods that add to fine-tuning, a module each."""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping

from absl import flags
from dscl_flags import command_line, pseudo_labels

from dscl_tf import config, errors
from dscl_tf.methods import registered
from dscl_tf.methods.settings import MethodSettings

# Each module has its method's name and a function `settings` that makes its settings.
MODULES = {
    name: importlib.import_module(f"dscl_flags.{name}") for name in registered.NAMES
}


def added_to(finetune: config.FinetuneConfig) -> config.FinetuneConfig:
    """The fine-tuning stage's settings with those of the methods."""
    given = {name: module.settings() for name, module in MODULES.items()}
    return dataclasses.replace(finetune, **given)


def refuse_unused(finetune: config.FinetuneConfig) -> None:
    """Refuses command-line flags of methods that are off, as they have no effect.

    Raises:
      UserError: a flag of a method that is off.
    """
    for flag, first in unused(finetune.methods_on):
        if flag != first:
            raise errors.UserError(
                f"--{flag} has no effect while its method is off: turn the method on "
                f"with --{first}, or leave the flag out."
            )


def unused(on: Mapping[str, MethodSettings]) -> Iterator[tuple[str, str]]:
    """The command-line flags of methods that are off.

    Flags of presets and recipes do not count, nor do flags set to their defaults.

    Args:
      on: the methods that are on, by name.

    Yields:
      A flag, and its method's first flag, which turns the method on; they may be one.
    """
    in_rounds = any(each.needs_first_round for each in on.values())
    takes_labels = any(each.uses_pseudo_labels for each in on.values())
    for name in MODULES.keys() - on.keys():
        if name == "pseudo_labels" and (pseudo_labels.num_rounds() or takes_labels):
            continue
        of_method = flags.FLAGS.get_flags_for_module(MODULES[name].__name__)
        for flag in of_method:
            is_used = in_rounds and flag.name == "self_training_first"
            is_said = command_line.is_given(flag.name) and flag.value != flag.default
            if is_said and not is_used:
                yield flag.name, of_method[0].name
