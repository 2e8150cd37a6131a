"""dscl-train as its user meets it."""

import pytest

from tests.bin import running


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--workdir=w"], "--prepared=DIR and --workdir=DIR are needed"),
        (["--prepared=no/such", "--workdir=w"], "No prepared cohort at no/such"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, flags, message):
    result = running.run("train", *flags, cwd=tmp_path)
    assert running.is_one_sentence(result)
    assert message in result.stderr
    assert not (tmp_path / "w").exists()
