"""Splits a cohort into volumes for pre-training, training, validation and testing.

Splits are by subject: all volumes of a subject go to the same subset.
"""

import dataclasses
import difflib
import logging
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Optional

import numpy as np

from dscl_tf import errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import SplitConfig

_LOG = logging.getLogger(__name__)
SUBSETS = ("pretrain", "train", "validation", "test")
BENCHMARK = "benchmark"  # A split file's draw with all labelled subjects.
_PAPER = "paper:"
_PAPER_FOLDER = pathlib.Path(__file__).parent / "paper_splits"
# Constant, so that draws with different seeds have the same test subjects.
_TEST_SEED = 0


@dataclasses.dataclass(frozen=True)
class Split:
    """The names of the volumes in each subset."""

    pretrain: tuple[str, ...]
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def resolve(cohort: PreparedCohort, config: SplitConfig) -> Split:
    """Reads or draws the split that a configuration describes.

    Args:
      cohort: the prepared cohort.
      config: either a split file, or numbers of subjects and a seed.

    Raises:
      UserError: subjects are unknown, in two subsets, unlabelled, or too few.
    """
    subjects = _from_file(cohort, config) if config.file else _draw(cohort, config)
    _check_disjoint(subjects)
    return Split(
        pretrain=_volumes_of(cohort, subjects["pretrain"]),
        train=_labelled_volumes_of(cohort, subjects["train"], "train"),
        validation=_labelled_volumes_of(cohort, subjects["validation"], "validation"),
        test=_volumes_of(cohort, subjects["test"]),
    )


def unlabelled(cohort: PreparedCohort, split: Split) -> tuple[str, ...]:
    """The pre-training volumes whose labels are not used in fine-tuning.

    Volumes of validation subjects are left out: training must not use the images by
    which the checkpoint is chosen.
    """
    validated = {cohort.volume(name).subject for name in split.validation}
    return tuple(
        name
        for name in split.pretrain
        if name not in split.train and cohort.volume(name).subject not in validated
    )


def _draw(cohort: PreparedCohort, config: SplitConfig) -> dict[str, list[str]]:
    """Draws test subjects by a constant seed, training and validation by the draw's."""
    everyone = sorted({volume.subject for volume in cohort.volumes})
    labelled = {volume.subject for volume in cohort.volumes if volume.has_label}
    order = np.random.default_rng(_TEST_SEED).permutation(len(everyone))
    shuffled = [everyone[k] for k in order]
    # Unlabelled subjects cannot be used for testing, but can for pre-training.
    test = [name for name in shuffled if name in labelled][: config.num_test]
    if len(test) < config.num_test:
        raise _too_few("--num_test_volumes", config.num_test, len(labelled), cohort)
    rest = [name for name in shuffled if name not in test]
    pretrain = rest[: config.num_pretrain] if config.num_pretrain else rest
    if len(pretrain) < config.num_pretrain:
        raise _too_few("--num_pretrain_volumes", config.num_pretrain, len(rest), cohort)
    candidates = sorted(name for name in pretrain if name in labelled)
    wanted = config.num_train + config.num_validation
    if len(candidates) < wanted:
        flag = "--num_train_volumes and --num_validation_volumes"
        if sum(name in labelled for name in rest) < wanted:
            raise _too_few(flag, wanted, len(candidates), cohort)
        # There are enough labelled subjects, but too few among those to pre-train on.
        raise _too_few(
            flag,
            wanted,
            len(candidates),
            cohort,
            kind="labelled, not for testing, and among those to pre-train on",
            cure="pre-train on more with --num_pretrain_volumes",
        )
    drawn = np.random.default_rng([config.seed, 1]).permutation(len(candidates))
    chosen = [candidates[k] for k in drawn[:wanted]]
    return {
        "pretrain": sorted(pretrain),
        "train": chosen[: config.num_train],
        "validation": chosen[config.num_train :],
        "test": sorted(test),
    }


def _too_few(
    flag: str,
    wanted: int,
    found: int,
    cohort: PreparedCohort,
    kind: str = "labelled, and not for testing",
    cure: str = "set fewer aside with --num_test_volumes",
) -> errors.UserError:
    return errors.UserError(
        f"{flag}: {wanted} subjects wanted, but only {found} of {cohort.folder} are "
        f"left for that ({kind}): ask for fewer, or {cure}."
    )


def count_train(file: str) -> dict[Optional[str], int]:
    """Counts the training subjects of each draw of a split file.

    Args:
      file: path, or paper:NAME.

    Returns:
      Counts by name of the draw, in the file's order, the benchmark included. In a file
      with one unnamed draw, its name is None.

    Raises:
      UserError: the file cannot be read.
    """
    path = _path_of(file)
    content = files.read_json_object(path, "split file")
    found: dict[Optional[str], dict] = {**_named_draws(content)}
    if "train" in content and "finetune" not in content:
        found[None] = content
    return {
        name: len(_strings(path, name or "train", draw.get("train", [])))
        for name, draw in found.items()
    }


def _path_of(file: str) -> pathlib.Path:
    if not file.startswith(_PAPER):
        return pathlib.Path(file)
    path = _PAPER_FOLDER / f"{file[len(_PAPER) :]}.json"
    if path.parent != _PAPER_FOLDER or not path.exists():
        known = ", ".join(sorted(p.stem for p in _PAPER_FOLDER.glob("*.json")))
        raise errors.UserError(f"--split={file}: the paper's lists exist for {known}.")
    return path


def _from_file(cohort: PreparedCohort, config: SplitConfig) -> dict[str, list[str]]:
    path = _path_of(config.file)
    content = files.read_json_object(path, "split file")
    lists = {name: content.get(name, []) for name in SUBSETS}
    _check_names(path, content, config.name)
    if "finetune" in content or config.name == BENCHMARK:
        lists.update(_named_draw(path, content, config.name))
    if config.file.startswith(_PAPER):
        lists["train"] = _not_to_validate_on(lists, config)
    subjects = sorted({volume.subject for volume in cohort.volumes})
    return {
        name: [_match(subjects, item, path, name) for item in _strings(path, name, ids)]
        for name, ids in lists.items()
    }


def _not_to_validate_on(lists: dict, config: SplitConfig) -> list[str]:
    """The training subjects without the validation subjects of the same draw.

    The authors' benchmark of ACDC has one subject in both lists. Validation keeps it:
    then all draws choose their models by the same subjects, and no model was trained on
    a subject that it is chosen by.
    """
    both = [name for name in lists["train"] if name in lists["validation"]]
    if both:
        _LOG.info(
            "%s, draw %s: %s for validation only, though listed for training too.",
            config.file,
            config.name,
            ", ".join(both),
        )
    return [name for name in lists["train"] if name not in both]


def _check_names(path: pathlib.Path, content: dict, draw) -> None:
    """Refuses unknown lists, which would be ignored silently; other keys are notes."""
    odd = [key for key in content if isinstance(content[key], list)]
    odd = sorted(set(odd) - set(SUBSETS))
    if odd:
        raise errors.UserError(
            f"{path} has a list called {', '.join(odd)}, expected the names "
            f"{', '.join(SUBSETS)}."
        )
    if draw and draw != BENCHMARK and "finetune" not in content:
        raise errors.UserError(
            f"{path} has only one draw, so --split_name={draw} has no effect: leave "
            "the flag out."
        )


def _named_draw(path: pathlib.Path, content: dict, name) -> dict:
    named = _named_draws(content)
    if name not in named:
        raise errors.UserError(
            f"{path} has several draws: choose one with --split_name, found {name!r}, "
            f"expected one of {', '.join(named) or 'none'}."
        )
    return {kind: named[name].get(kind, []) for kind in ("train", "validation")}


def _named_draws(content: dict) -> dict[str, dict]:
    """The draws that have names: those for fine-tuning, and the benchmark."""
    draws = content.get("finetune")
    draws = draws if isinstance(draws, dict) else {}
    draws = {**draws, BENCHMARK: content.get(BENCHMARK)}
    return {name: draw for name, draw in draws.items() if isinstance(draw, dict)}


def _strings(path: pathlib.Path, name: str, ids) -> list[str]:
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise errors.UserError(
            f"{path}: {name} must be a list of subject names, found {ids!r:.80}."
        )
    if len(set(ids)) < len(ids):
        twice = sorted({item for item in ids if ids.count(item) > 1})
        raise errors.UserError(f"{path}: {name} names {', '.join(twice)} twice.")
    return ids


def _match(subjects: Sequence[str], item: str, path: pathlib.Path, name: str) -> str:
    """The subject with the name or the number `item`: "002" is patient002."""
    if item in subjects:
        return item
    if item.isdigit():
        found = [s for s in subjects if _number(s) == int(item)]
        if len(found) == 1:
            return found[0]
    close = difflib.get_close_matches(item, subjects, 1)
    hint = f"; did you mean {close[0]}?" if close else "."
    raise errors.UserError(
        f"{path}: {name} names {item!r}, which is not in the prepared cohort{hint} "
        f"It has {len(subjects)} subjects, such as {', '.join(subjects[:3])}."
    )


def _number(subject: str) -> int:
    digits = re.search(r"(\d+)$", subject)
    return int(digits.group(1)) if digits else -1


def _check_disjoint(subjects: dict[str, list[str]]) -> None:
    for first, second in (
        ("test", "pretrain"),
        ("test", "train"),
        ("test", "validation"),
        ("train", "validation"),
    ):
        both = sorted(set(subjects[first]) & set(subjects[second]))
        if both:
            raise errors.UserError(
                f"The split has {', '.join(both[:5])} in both {first} and {second}: a "
                "subject may be in one of them only."
            )


def _volumes_of(cohort: PreparedCohort, subjects: Iterable[str]) -> tuple[str, ...]:
    wanted = {subject: position for position, subject in enumerate(subjects)}
    chosen = [volume for volume in cohort.volumes if volume.subject in wanted]
    chosen.sort(key=lambda volume: (wanted[volume.subject], volume.name))
    return tuple(volume.name for volume in chosen)


def _labelled_volumes_of(
    cohort: PreparedCohort, subjects: Sequence[str], kind: str
) -> tuple[str, ...]:
    names = _volumes_of(cohort, subjects)
    labelled = tuple(name for name in names if cohort.volume(name).has_label)
    missing = set(subjects) - {cohort.volume(name).subject for name in labelled}
    if missing:
        raise errors.UserError(
            f"The split has {', '.join(sorted(missing)[:5])} in {kind}, but the "
            "prepared cohort has no labels of it."
        )
    return labelled
