"""Methods of the comparison, expressed as settings of the stages."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Optional

from dscl_tf import config, errors
from dscl_tf.experiments import setting_paths
from dscl_tf.methods import registered

# The terms of a method: initial weights, then the decoder stage, then fine-tuning.
CONTRASTS = ("gr", "gd_minus", "gd", "positional")
PRETEXTS = ("rotation", "inpainting", "context_restoration")
# The decoder stage's strategy and views; the paper's tables use intensity views.
LOCALS: dict[str, dict[str, Any]] = {
    strategy + suffix: {"local.strategy": strategy, "local.views": views}
    for suffix, views in (("", "intensity"), ("_crops", "crops"))
    for strategy in ("lr", "ld")
}
RANDOM, BENCHMARK = "random", "benchmark"
# Fine-tuning: methods by their terms, and the settings that each term sets where the
# flags leave the method off.
_TERMS = {kind.term.name: kind.term for kind in registered.METHODS.values()}
ADDED: dict[str, dict[str, Any]] = {
    kind.term.name: {f"finetune.{name}.{k}": v for k, v in kind.term.turned_on.items()}
    for name, kind in registered.METHODS.items()
}
# Beginnings of the paths of settings that only rounds after the first use.
_OF_ROUNDS = tuple(
    f"finetune.{name}."
    for name, kind in registered.METHODS.items()
    if kind.term.in_rounds
)
# Settings of each run that the experiment itself decides.
_OF_EXPERIMENT = ("stage", "prepared", "workdir", "init", "seed", "split", "runtime")
_LONGEST_NAME = 180  # Bytes: folder names may have 255, with draw, size and seed.
_WORDS = {"true": True, "false": False, "none": None}
_TITLES = {
    RANDOM: "Random init.",
    BENCHMARK: "All labelled volumes",
    "gr": "G^R",
    "gd_minus": "G^D-",
    "gd": "G^D",
    "positional": "Positional",
    "lr": "L^R",
    "ld": "L^D",
    "lr_crops": "L^R (crops)",
    "ld_crops": "L^D (crops)",
    "rotation": "Rotation",
    "inpainting": "Inpainting",
    "context_restoration": "Context restoration",
    **{name: term.title for name, term in _TERMS.items()},
}


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the comparison."""

    name: str  # As it was asked for; unique, and fit for a folder's name.
    title: str
    initial: str  # RANDOM, one of CONTRASTS or one of PRETEXTS.
    local: Optional[str]  # One of LOCALS.
    added: tuple[str, ...]  # Keys of ADDED.
    all_labelled: bool  # The benchmark: every labelled volume is for training.
    settings: tuple[tuple[str, Any], ...]  # (path as in `replaced`, value).

    @property
    def group(self) -> str:
        """Its heading among the rows, as in Table 2 of the paper."""
        if not self.added:
            if self.initial == RANDOM:
                return "Baseline"
            return "Pretext tasks" if self.initial in PRETEXTS else "Contrast"
        if self.initial != RANDOM or len(self.added) > 1:
            return "Combinations"
        return _TERMS[self.added[0]].group

    @property
    def local_views(self) -> Optional[str]:
        """The views of its decoder stage; None if it has no such stage."""
        if self.local is None:
            return None
        return {**LOCALS[self.local], **dict(self.settings)}["local.views"]

    @property
    def of_pretraining(self) -> dict[str, Any]:
        """What its pre-training terms set, by dotted path in StageConfig."""
        found = dict(LOCALS.get(self.local or "", {}))
        if self.initial in CONTRASTS:
            found["global_.strategy"] = self.initial
        elif self.initial in PRETEXTS:
            found["pretext.task"] = self.initial
        return found

    @property
    def in_rounds(self) -> bool:
        """Whether it goes on from a first round."""
        return any(_TERMS[name].in_rounds for name in self.added)

    def without_rounds(self) -> "Method":
        """The method whose cell is the first round of this one."""
        added = [name for name in self.added if not _TERMS[name].in_rounds]
        start = [self.initial] if self.initial != RANDOM or not added else []
        terms = [*start, *([self.local] if self.local else []), *added]
        kept = [each for each in self.settings if not each[0].startswith(_OF_ROUNDS)]
        settings = [f"{path}={text_of(value)}" for path, value in kept]
        return dataclasses.replace(
            self,
            name=_folder_name(shortened("+".join(terms), settings)),
            title=_title(terms, settings),
            added=tuple(added),
            settings=tuple(kept),
        )

    def settings_of(self, stage: str) -> dict[str, Any]:
        """Its settings that may matter to a stage; those for it alone come last."""
        kept = [it for it in self.settings if setting_paths.matters(it[0], stage)]
        is_own = {path: path != setting_paths.in_stage(path) for path, _ in kept}
        return dict(sorted(kept, key=lambda setting: is_own[setting[0]]))

    @property
    def key(self) -> tuple:
        """What makes it the same method as another, whatever its name."""
        return (
            self.initial,
            self.local,
            self.added,
            self.all_labelled,
            self.settings,
        )


def parse(text: str, title: Optional[str] = None) -> Method:
    """Parses a name such as "gd+lr+mixup" or "gd@global_.num_partitions=6".

    Terms are joined by "+": at most one initialisation (random if there is none), one
    of LOCALS if that is contrastive, and any of fine-tuning; "benchmark" must be the
    only term. Settings follow, each after "@".

    Args:
      text: the name.
      title: title for tables; None: made from the terms.

    Raises:
      UserError: an unknown term or one in the wrong place, or a setting that is not
        one of the stages' or has a wrong type.
    """
    return _whole(_parsed(text, title))


def _parsed(text: str, title: Optional[str] = None) -> Method:
    """As `parse`, but settings may not fit each other: others are to follow."""
    names, *settings = text.split("@")
    terms = names.split("+")
    _check_terms(text, terms)
    starts = [t for t in terms if t in (RANDOM, BENCHMARK, *CONTRASTS, *PRETEXTS)]
    local = [term for term in terms if term in LOCALS]
    if len(starts) > 1 or len(local) > 1:
        raise errors.UserError(
            f"Method {text!r} starts in more than one way: {', '.join(starts + local)}."
        )
    start = starts[0] if starts else RANDOM
    if local and start not in CONTRASTS:
        raise errors.UserError(
            f"Method {text!r}: {local[0]} needs an encoder of one of "
            f"{', '.join(CONTRASTS)} before it."
        )
    return Method(
        name=_folder_name(text),
        title=title or _title(terms, settings),
        initial=RANDOM if start == BENCHMARK else start,
        local=local[0] if local else None,
        added=tuple(term for term in ADDED if term in terms),
        all_labelled=start == BENCHMARK,
        settings=_in_order(text, [_setting(text, each) for each in settings]),
    )


def _whole(method: Method) -> Method:
    """The method, if the stages take all of its settings together.

    Raises:
      UserError: a path that they do not have, or values that do not fit.
    """
    for stage in setting_paths.STAGES:
        settings = {**method.of_pretraining, **method.settings_of(stage)}
        setting_paths.replaced(config.StageConfig(stage, "", ""), settings)
    return method


def _check_terms(text: str, terms: Sequence[str]) -> None:
    """Refuses terms that are not known, occur twice, or should stand alone."""
    known = {RANDOM, BENCHMARK, *CONTRASTS, *PRETEXTS, *LOCALS, *ADDED}
    unknown = [term for term in terms if term not in known]
    if unknown:
        raise errors.UserError(
            f"Method {text!r}: {unknown[0]!r} is not known; expected terms among "
            f"{', '.join(sorted(known))}, joined by +."
        )
    if len(set(terms)) < len(terms):
        raise errors.UserError(f"Method {text!r}: a term occurs twice.")
    if BENCHMARK in terms and len(terms) > 1:
        raise errors.UserError(
            f"Method {text!r}: {BENCHMARK} (random weights, all labelled volumes) "
            "takes no other terms."
        )


def from_json(content: Any) -> Method:
    """A method of a grid file: a name, or an object with "method" and more.

    Raises:
      UserError: as `parse`; or the object has other keys.
    """
    if isinstance(content, str):
        return parse(content)
    allowed = {"name", "title", "method", "settings"}
    if (
        not isinstance(content, dict)
        or set(content) - allowed
        or not isinstance(content.get("method"), str)
        or not isinstance(content.get("settings", {}), dict)
        or any(not isinstance(content.get(k, ""), str) for k in ("name", "title"))
    ):
        raise errors.UserError(
            "A method of a grid is a name or an object with the keys "
            f"{', '.join(sorted(allowed))}, all of them texts except settings, which "
            f"is an object; found {content!r:.200}."
        )
    made = _parsed(content["method"], content.get("title"))
    more = [
        (path, _checked(path, v)) for path, v in content.get("settings", {}).items()
    ]
    name = _folder_name(content.get("name") or content["method"])
    settings = _in_order(content["method"], [*made.settings, *more])
    return _whole(dataclasses.replace(made, name=name, settings=settings))


def _in_order(
    text: str, settings: Sequence[tuple[str, Any]]
) -> tuple[tuple[str, Any], ...]:
    paths = [path for path, _ in settings]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise errors.UserError(f"Method {text!r} sets {', '.join(twice)} twice.")
    return tuple(sorted(settings, key=lambda setting: setting[0]))


def _folder_name(text: str) -> str:
    name = re.sub(r"[^\w+@.=-]", "_", text)
    if len(name.encode()) > _LONGEST_NAME:
        raise errors.UserError(
            f"Method {text!r:.60} has a name of {len(name.encode())} characters, too "
            f'many for a folder: give it in a grid file, with a "name" of at most '
            f"{_LONGEST_NAME} (docs/experiments.md)."
        )
    return name


def shortened(terms: str, settings: Sequence[str]) -> str:
    """A folder name made of terms and settings, which are hashed if it is too long."""
    name = "@".join([terms, *settings])
    if len(name.encode()) > _LONGEST_NAME:
        name = f"{terms}@{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name


def _title(terms: Sequence[str], settings: Sequence[str]) -> str:
    title = " + ".join(_TITLES[term] for term in terms)
    return title + (f" ({', '.join(settings)})" if settings else "")


def _setting(text: str, setting: str) -> tuple[str, Any]:
    path, equals, value = setting.partition("=")
    if not equals:
        raise errors.UserError(
            f"Method {text!r}: {setting!r} after @ must be PATH=VALUE, such as "
            "global_.num_partitions=6."
        )
    for kind in (int, float):
        try:
            return path, _checked(path, kind(value))
        except ValueError:
            continue
    return path, _checked(path, _WORDS.get(value, value))


def text_of(value: Any) -> str:
    """A setting's value as it is written in a method's name."""
    words = [word for word, meant in _WORDS.items() if meant is value]
    return words[0] if words else str(value)


def _checked(path: str, value: Any) -> Any:
    """The value, if a StageConfig takes it at `path` and a method may set it."""
    group = path.partition(".")[0]
    if group in _OF_EXPERIMENT or isinstance(value, dict):
        raise errors.UserError(
            f"Setting {path!r}: a method can change single settings of network, "
            "views, global_, local, pretext, finetune or optimizer; the grid sets "
            "the volumes and seeds, flags set the folders and how to compute."
        )
    return tuple(value) if isinstance(value, list) else value
