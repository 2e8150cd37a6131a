from dscl_tf.reporting import settings
from tests.reporting import making


def test_few_settings_of_runs_are_columns():
    heads, rows = settings.differences({"one": {"a": 1}, "two": {"a": 2, "seed": 3}})
    assert heads == ["Run", "a"]
    assert rows == [["one", "1"], ["two", "2"]]


def test_many_settings_of_few_runs_go_down():
    runs = {name: dict.fromkeys("abc", k) for k, name in enumerate(("one", "two"))}
    heads, rows = settings.differences(runs)
    assert heads == ["Setting", "one", "two"]
    assert rows == [["a", "0", "1"], ["b", "0", "1"], ["c", "0", "1"]]


def test_equal_settings_are_said():
    runs = {"one": {"a": 1}, "two": {"a": 1}}
    assert settings.differences(runs) == (["Run"], [])
    found = making.fragment(settings.section({}, {"T": runs}, {}, (), ()))
    assert "Their settings are the same." in found


def test_settings_in_full_are_escaped_and_not_printed():
    found = making.fragment(settings.section({}, {}, {"x": {"a": "</code>"}}, (), ()))
    assert '<details class="bulk"><summary>Settings of x</summary>' in found
    assert "&lt;/code&gt;" in found


def test_facts_are_texts():
    facts = {"a": [1, 2], "b": "", "c": None, "d": True, "e": "x"}
    section = settings.section(facts, {}, {}, (), ())
    assert section.data["facts"] == [("a", "1, 2"), ("d", "true"), ("e", "x")]


def test_times_are_said_where_they_are_known():
    found = making.fragment(settings.section({}, {}, {}, (600, 30), ()))
    assert "took 10 min in all, pre-training 30 s." in found
    assert "took" not in making.fragment(settings.section({}, {}, {}, (0, 0), ()))


def test_commands_are_quoted_and_shown_once():
    trained = {"runtime": {"command": "dscl-train --workdir=run"}}
    found = settings.made_by([trained, trained, {"runtime": {}}, {}], "a b")
    assert found == ["dscl-train --workdir=run", "dscl-report '--input=a b'"]
