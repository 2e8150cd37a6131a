from dscl_tf.reporting import settings


def test_only_what_differs_is_listed():
    first = {"a": {"b": 1, "c": [1, 2]}, "workdir": "x", "name": "n"}
    second = {"a": {"b": 2, "c": [1, 2]}, "workdir": "y", "name": "n", "new": True}
    found = settings.differences({"one": first, "two": second})
    assert '<th scope="row">one</th><td>1</td><td>–</td>' in found
    assert '<th scope="row">two</th><td>2</td><td>true</td>' in found
    assert found.count('scope="col"') == 3


def test_many_settings_of_few_runs_go_down():
    runs = {name: dict.fromkeys("abc", k) for k, name in enumerate(("one", "two"))}
    found = settings.differences(runs)
    assert '<th scope="row">b</th><td>0</td><td>1</td>' in found
    assert found.count('scope="col"') == 3 and found.count('scope="row"') == 3


def test_settings_that_a_stage_does_not_use_do_not_count():
    encoder = {"stage": "encoder", "local": {"strategy": "lr"}}
    decoder = {"stage": "decoder", "local": {"strategy": "ld"}}
    found = settings.differences({"one": encoder, "two": decoder})
    assert '<th scope="row">one</th><td>–</td><td>encoder</td>' in found
    assert '<th scope="row">two</th><td>ld</td><td>decoder</td>' in found


def test_a_start_is_named_by_its_last_folders():
    found = settings.differences({"one": {"init": "/a/b/gd/encoder"}, "two": {}})
    assert "<td>gd/encoder</td>" in found


def test_equal_settings_are_said():
    found = settings.differences({"one": {"a": 1, "seed": 1}, "two": {"a": 1}})
    assert "Their settings are the same." in found


def test_settings_in_full_are_escaped_and_not_printed():
    found = settings.in_full("x", {"a": "</code>"})
    assert found.startswith('<details class="bulk">')
    assert "&lt;/code&gt;" in found


def test_commands_are_quoted_and_shown_once():
    trained = {"runtime": {"command": "dscl-train --workdir=run"}}
    found = settings.made_by([trained, trained, {"runtime": {}}, {}], "a b")
    expected = "dscl-train --workdir=run\ndscl-report &#x27;--input=a b&#x27;</code>"
    assert f"<code>{expected}" in found
