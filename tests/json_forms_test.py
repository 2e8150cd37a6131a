import pytest

from dscl_tf import errors, json_forms
from dscl_tf.json_forms import Each, Either, Word

FORM = {
    "name": str,
    "size": Either((int, Word("all"))),
    "dice?": json_forms.MAYBE,
    "cells": [{"draw": int}],
    "means": Each({"Dice": json_forms.NUMBER}),
}
GOOD = {
    "name": "a",
    "size": 1,
    "cells": [{"draw": 0}, {"draw": 1, "more": "x"}],
    "means": {"low": {"Dice": 1}, "high": {"Dice": 0.5}},
}


def check(**changes):
    json_forms.check("f.json", {**GOOD, **changes}, FORM, "write it again")


@pytest.mark.parametrize(
    "changes", [{}, {"dice": None}, {"dice": 2}, {"size": "all"}, {"cells": []}]
)
def test_what_has_the_form_is_taken(changes):
    check(**changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": 3}, "name: found int, expected str"),
        ({"name": None}, "name: found null, expected str"),
        ({"size": "some"}, "size: found 'some', expected int or 'all'"),
        ({"size": True}, "size: found bool, expected int or 'all'"),
        (
            {"dice": "x" * 99},
            f"dice: found {'x' * 40!r}, expected int or float or null",
        ),
        ({"dice": float("nan")}, "dice: found nan, expected int or float or null"),
        ({"dice": 10**200}, f"dice: found 1{39 * '0'}, expected int or float or null"),
        ({"cells": {}}, "cells: found dict, expected list"),
        ({"cells": [3]}, "cells[0]: found int, expected object"),
        ({"cells": [{"draw": 1}, {}]}, "cells[1].draw: found nothing, expected int"),
        (
            {"means": {"low": {}}},
            "means.low.Dice: found nothing, expected int or float",
        ),
        ({"means": []}, "means: found list, expected object"),
    ],
)
def test_a_fault_is_named_with_its_cure(changes, message):
    with pytest.raises(errors.UserError) as caught:
        check(**changes)
    assert str(caught.value) == f"f.json: {message}: write it again."


def refusal(content, form):
    with pytest.raises(errors.UserError) as caught:
        json_forms.check("f", content, form, "x")
    return str(caught.value)


def test_a_document_of_another_kind_and_a_missing_object_are_named():
    assert refusal([], {}) == "f: found list, expected object: x."
    assert refusal({}, {"a": {}}) == "f: a: found nothing, expected object: x."


def test_of_an_object_among_others_the_fault_within_is_named():
    form = {"a": Either((type(None), {"n": int}))}
    assert refusal({"a": {}}, form) == "f: a.n: found nothing, expected int: x."
    assert refusal({"a": 1}, form) == "f: a: found int, expected null or object: x."


def test_long_texts_are_cut():
    assert refusal("x" * 99, int) == f"f: found {'x' * 40!r}, expected int: x."
