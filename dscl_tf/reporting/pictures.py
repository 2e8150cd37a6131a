"""The best, the median and the worst test volume of an evaluation, as pictures."""

import base64
import dataclasses
import io
import pathlib
import tempfile

from PIL import Image  # matplotlib brings it.

from dscl_tf import errors, files, palette
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import evaluate, overlays
from dscl_tf.reporting import markup, tables
from dscl_tf.reporting.markup import Html

_COLORED = 8  # Structures with colours of their own in a picture; of 256 in all.


@dataclasses.dataclass(frozen=True)
class Case:
    """A test volume of an evaluation."""

    name: str
    dice: float  # Mean over the structures that apply.


def triptych(evaluation: pathlib.Path, cohort: PreparedCohort) -> Html:
    """Pictures of the volumes with the highest, the middle and the lowest Dice.

    Where masks or original files are missing, a sentence stands in their place.

    Args:
      evaluation: folder with summary.json and masks/.
      cohort: that the evaluation was on.

    Raises:
      UserError: summary.json is damaged.
    """
    cases = ranked_cases(evaluation)
    if not cases:
        return markup.absent(f"{evaluation} has no volume with a figure.")
    chosen = [("Best", cases[-1]), ("Median", cases[len(cases) // 2])]
    chosen.append(("Worst", cases[0]))
    try:
        drawn = [_figure(word, case, evaluation, cohort) for word, case in chosen]
    except errors.UserError as error:
        return markup.absent(f"No pictures: {error}")
    return markup.tag("div", *drawn, class_="cases")


def ranked_cases(evaluation: pathlib.Path) -> list[Case]:
    """The volumes of an evaluation, the lowest Dice first.

    Raises:
      UserError: summary.json is missing or damaged.
    """
    path = evaluation / evaluate.SUMMARY
    content = files.read_json_object(path, "evaluation summary")
    found = []
    try:
        for case in content["metric_per_case"]:
            dice = [each["Dice"] for each in case["metrics"].values()]
            dice = [float(value) for value in dice if value is not None]
            if dice:
                found.append(Case(str(case["name"]), sum(dice) / len(dice)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.UserError(
            f"{path}: metric_per_case is not what dscl-evaluate writes "
            f"({type(error).__name__}: {error}): evaluate again."
        ) from None
    return sorted(found, key=lambda case: (case.dice, case.name))


def key(label_names: tuple[str, ...]) -> Html:
    """Which colour is which structure."""
    items = [
        markup.tag(
            "li",
            markup.tag("i", style=f"background:{palette.structure_color(label)}"),
            name,
        )
        for label, name in enumerate(label_names)
        if label
    ]
    return markup.tag("ul", *items, class_="legend key")


def _figure(
    word: str, case: Case, evaluation: pathlib.Path, cohort: PreparedCohort
) -> Html:
    if pathlib.PurePath(case.name).name != case.name:
        raise errors.UserError(f"{evaluation}: {case.name!r} is no volume's name.")
    mask = evaluation / "masks" / f"{case.name}.nii.gz"
    view = evaluate.evaluated_view(cohort, cohort.volume(case.name), mask)
    words = f"{case.name}, Dice {tables.number(case.dice)}"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "case.png"
        overlays.draw_levels(view, path)
        picture = image(path, f"{word} test volume {words}: truth and prediction")
    caption = markup.tag(
        "figcaption", f"{word} ", markup.tag("span", words, class_="note")
    )
    return markup.tag("figure", caption, picture)


def _palette() -> Image.Image:
    """Greys, and the structures' colours on dark and on lighter grey.

    A palette that is found for each picture would spend itself on greys, of which a
    scan has the most pixels, and lose the colours of the contours.
    """
    colors = [(grey, grey, grey) for grey in range(0, 256, 2)]
    for label in range(1, _COLORED + 1):
        name = palette.structure_color(label)
        color = [int(name[at : at + 2], 16) for at in (1, 3, 5)]
        for ground in (20, 100):
            for share in (k / 8 for k in range(1, 9)):
                mixed = [round(ground + share * (c - ground)) for c in color]
                colors.append(tuple(mixed))
    found = Image.new("P", (1, 1))
    found.putpalette([part for color in colors for part in color])
    return found


def image(path: pathlib.Path, words: str) -> Html:
    """A PNG as an element that holds its pixels.

    Args:
      path: of the PNG.
      words: for who cannot see it.
    """
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        size = picture.size
        small = picture.convert("RGB").quantize(
            palette=_palette(), dither=Image.Dither.NONE
        )
    small.save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return markup.tag(
        "img",
        src=f"data:image/png;base64,{data}",
        alt=words,
        width=size[0],
        height=size[1],
    )
