from dscl_tf import config, stages
from dscl_tf.reporting import embeddings
from tests.reporting import making


def text_of(runs, cohort, why_not=""):
    return making.fragment(embeddings.section(runs, cohort, why_not))


def stage_of(make_stage, folder, **changes):
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=3)
    stage = make_stage("encoder", folder, num_steps=1, **{"split": split, **changes})
    stages.run([stage])
    return folder


def test_too_few_unseen_volumes_are_said(make_stage, tiny_cohort, tmp_path):
    # The stage has one test volume; the others were trained on.
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=1)
    run = stage_of(make_stage, tmp_path / "encoder", split=split)
    assert "fewer than two subjects" in text_of([("e", run)], tiny_cohort)


def test_another_cohort_is_said(make_stage, evaluated_cohort, tmp_path):
    run = stage_of(make_stage, tmp_path / "encoder")
    found = text_of([("e", run)], evaluated_cohort)
    assert "is not the one it was trained on" in found


def test_what_is_not_there_is_said(tmp_path, tiny_cohort):
    assert "no encoder" in text_of([], tiny_cohort).lower()
    found = text_of([("e", tmp_path / "gone")], tiny_cohort)
    assert f"{tmp_path / 'gone'} no longer exists." in found
    assert '<p class="absent">why &lt;</p>' in text_of([("e", tmp_path)], None, "why <")


def test_charts_before_and_after_by_partition_and_volume(
    make_stage, tiny_cohort, tmp_path
):
    run = stage_of(make_stage, tmp_path / "encoder")
    found = text_of([("gd/encoder", run)], tiny_cohort)
    for title in ("Before", "After"):
        for by in ("partition", "volume"):
            assert f"<figcaption>{title}, by {by}</figcaption>" in found
    assert "of 3 volumes that the stage was not trained on" in found
    assert "<h3>gd/encoder</h3>" in found
    assert '"name": "partition 1"' in found


def test_of_many_encoders_the_first_are_open(make_stage, tiny_cohort, tmp_path):
    runs = [(f"e{k}", tmp_path / f"gone{k}") for k in range(5)]
    found = text_of(runs, tiny_cohort)
    assert "<h3>e2</h3>" in found
    assert "<summary>e3</summary>" in found
