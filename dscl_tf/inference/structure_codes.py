"""Codes of structures for DICOM, by their names: SNOMED CT, or a code of our own."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

OWN = "99DSCL"  # Schemes that begin with 99 are private.
_LONGEST = 64  # Characters of a meaning.


class Code(NamedTuple):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


class StructureCode(NamedTuple):
    """What a segment is."""

    category: Code
    kind: Code


_ANATOMICAL = Code("123037004", "SCT", "Anatomical Structure")
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
# Names, in lower case and without punctuation, of each concept.
_ANATOMY = {
    ("87878005", "Left ventricle"): "lv, left ventricle, left ventricular cavity",
    ("53085002", "Right ventricle"): "rv, right ventricle, right ventricular cavity",
    ("82471001", "Left atrium"): "la, left atrium",
    ("73829009", "Right atrium"): "ra, right atrium",
    ("74281007", "Myocardium"): "myo, myocardium",
    ("49848007", "Left ventricle myocardium"): "left ventricle myocardium, "
    "left ventricular myocardium, lv myocardium, lvm",
    ("80891009", "Heart"): "heart",
    ("15825003", "Aorta"): "aorta",
    ("54247002", "Ascending aorta"): "ascending aorta",
    ("81040000", "Pulmonary artery"): "pulmonary artery",
    ("41216001", "Prostate"): "prostate",
    ("279706003", "Peripheral zone of the prostate"): "pz, peripheral zone, "
    "prostate peripheral zone, peripheral zone of the prostate",
    ("399384005", "Transition zone of the prostate"): "tz, transition zone, "
    "prostate transition zone, transition zone of the prostate",
    ("5366008", "Hippocampus"): "hippocampus",
    ("12738006", "Brain"): "brain",
    ("10200004", "Liver"): "liver",
    ("78961009", "Spleen"): "spleen",
    ("15776009", "Pancreas"): "pancreas",
    ("64033007", "Kidney"): "kidney, kidneys",
    ("39607008", "Lung"): "lung, lungs",
    ("69695003", "Stomach"): "stomach",
    ("28231008", "Gallbladder"): "gallbladder, gall bladder",
    ("32849002", "Esophagus"): "esophagus, oesophagus",
    ("71854001", "Colon"): "colon",
    ("89837001", "Bladder"): "bladder, urinary bladder",
    ("34402009", "Rectum"): "rectum",
    ("32764006", "Portal vein"): "portal vein",
}
# Growths of any organ: recognised by the last word of the name.
_GROWTHS = ("tumor", "tumour", "neoplasm", "cancer")
_ABNORMALITY = {
    ("108369006", "Neoplasm"): ", ".join(_GROWTHS),
    ("79654002", "Edema"): "edema, oedema",
    ("6574001", "Necrosis"): "necrosis",
}


def _table() -> dict[str, StructureCode]:
    return {
        name: StructureCode(category, Code(value, "SCT", meaning))
        for category, table in ((_ANATOMICAL, _ANATOMY), (_ABNORMAL, _ABNORMALITY))
        for (value, meaning), names in table.items()
        for name in names.split(", ")
    }


_BY_NAME = _table()


def code_of(name: str) -> StructureCode:
    """The code of a structure.

    Args:
      name: of the structure; case and punctuation do not matter.

    Returns:
      A SNOMED CT code for known names; else one of a private scheme, derived from the
      name, which is also its meaning.
    """
    words = re.sub(r"[\W_]+", " ", name.lower()).strip()
    *before, last = words.split(" ")
    is_growth = last in _GROWTHS and not _is_negated(before)
    known = _BY_NAME.get(last if is_growth else words)
    if known:
        return known
    value = hashlib.sha256(words.encode()).hexdigest()[:16].upper()
    return StructureCode(_ANATOMICAL, Code(value, OWN, label_of(name)))


def _is_negated(before: Sequence[str]) -> bool:
    """Whether the words before the last one negate it."""
    # "Non-enhancing tumor" is not: "non" counts right before the last word only.
    return not {"no", "without"}.isdisjoint(before) or before[-1:] == ["non"]


def label_of(name: str) -> str:
    """A name as DICOM allows it: one line of at most 64 characters, no backslashes."""
    return " ".join(name.replace("\\", "/").split())[:_LONGEST]
