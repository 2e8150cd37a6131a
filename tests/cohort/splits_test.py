import json
import logging
import pathlib

import numpy as np
import pytest

from dscl_tf import config, errors
from dscl_tf.cohort import prepared, splits


def make_cohort(subjects, unlabelled=(), frames=("",)):
    """A cohort that has an index only."""
    volumes = [
        prepared.PreparedVolume(
            name=f"{subject}{frame}",
            subject=subject,
            frame=frame,
            num_slices=4,
            image_file="image",
            label_file=None if f"{subject}{frame}" in unlabelled else "label",
            size=(4, 4, 4),
            spacing_mm=(1.0, 1.0, 8.0),
            origin=(0.0,) * 3,
            direction=tuple(np.eye(3).ravel()),
        )
        for subject in subjects
        for frame in frames
    ]
    index = prepared.Index(
        1, "id", "sources", config.PreprocessingConfig(), ("a", "b"), tuple(volumes)
    )
    return prepared.PreparedCohort(pathlib.Path("cohort"), index)


def patients(count):
    return [f"patient{k:03d}" for k in range(1, count + 1)]


def draw(cohort, **sizes):
    return splits.resolve(cohort, config.SplitConfig(**sizes))


def test_drawn_sizes_and_disjointness():
    cohort = make_cohort(patients(20))
    split = draw(cohort, num_train=2, num_validation=3, num_test=5, num_pretrain=10)
    sizes = [len(getattr(split, name)) for name in splits.SUBSETS]
    assert sizes == [10, 2, 3, 5]
    assert set(split.train) | set(split.validation) <= set(split.pretrain)
    assert not set(split.train) & set(split.validation)
    assert not set(split.test) & set(split.pretrain)


def test_every_seed_tests_and_pretrains_on_the_same():
    cohort = make_cohort(patients(20))
    drawn = [draw(cohort, num_train=2, num_test=5, seed=seed) for seed in range(6)]
    assert len({split.test for split in drawn}) == 1
    assert len({split.pretrain for split in drawn}) == 1
    assert len(drawn[0].pretrain) == 15
    assert len({split.train for split in drawn}) > 3
    assert drawn[2] == draw(cohort, num_train=2, num_test=5, seed=2)


def test_more_training_volumes_keep_the_first():
    cohort = make_cohort(patients(20))
    one = draw(cohort, num_train=1, num_validation=0, num_test=5, seed=3)
    four = draw(cohort, num_train=4, num_validation=0, num_test=5, seed=3)
    assert four.train[:1] == one.train


def test_frames_of_a_subject_stay_together():
    cohort = make_cohort(patients(10), frames=("_ED", "_ES"))
    split = draw(cohort, num_train=2, num_validation=1, num_test=3)
    assert [len(getattr(split, name)) for name in splits.SUBSETS] == [14, 4, 2, 6]
    for name in splits.SUBSETS:
        frames = [volume[-3:] for volume in getattr(split, name)]
        assert frames == ["_ED", "_ES"] * (len(frames) // 2)


def test_no_frame_of_a_subject_for_validation_is_unlabelled():
    names = patients(4)
    late = [f"{name}_ES" for name in names]
    cohort = make_cohort(names, unlabelled=late, frames=("_ED", "_ES"))
    split = draw(cohort, num_train=1, num_validation=1, num_test=1)
    (trained,), (validated,) = split.train, split.validation
    left = [name for name in split.pretrain if name[:-3] != validated[:-3]]
    assert len(left) == 4 and trained in left
    expected = tuple(name for name in left if name != trained)
    assert splits.unlabelled(cohort, split) == expected


def test_only_the_labelled_are_drawn_for_training_and_testing():
    names = patients(12)
    cohort = make_cohort(names, unlabelled=names[:6])
    for seed in range(4):
        split = draw(cohort, num_train=2, num_validation=2, num_test=2, seed=seed)
        chosen = split.train + split.validation + split.test
        assert set(chosen) == set(names[6:])
        assert len(split.pretrain) == 10


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_test": 9}, "--num_test_volumes: 9 subjects wanted, but only 8"),
        ({"num_test": 2, "num_pretrain": 7}, "--num_pretrain_volumes: 7 .* only 6"),
        (
            {"num_test": 2, "num_train": 5, "num_validation": 2},
            "--num_train_volumes and --num_validation_volumes: 7 .* only 6 .* "
            "set fewer",
        ),
        (
            {"num_test": 2, "num_pretrain": 3, "num_train": 2, "num_validation": 2},
            "4 subjects wanted, but only 3 .* pre-train on more with --num_pretrain",
        ),
    ],
)
def test_too_few_subjects_are_refused(sizes, message):
    with pytest.raises(errors.UserError, match=message):
        draw(make_cohort(patients(8)), **sizes)


@pytest.fixture
def from_file(tmp_path):
    """A function that resolves a split file with this content."""

    def resolve(content, cohort=None, name=None):
        path = tmp_path / "split.json"
        path.write_text(json.dumps(content))
        cohort = cohort or make_cohort(patients(12))
        return splits.resolve(cohort, config.SplitConfig(file=str(path), name=name))

    return resolve


_FILE = {
    "pretrain": ["patient001", "patient002"],
    "train": ["patient002"],
    "validation": [],
    "test": ["patient004", "patient003"],
}


def test_lists_of_a_file_in_their_order(from_file):
    split = from_file({**_FILE, "comment": "ours"})
    assert split.pretrain == ("patient001", "patient002")
    assert split.train == ("patient002",)
    assert split.validation == ()
    assert split.test == ("patient004", "patient003")


def test_numbers_stand_for_subjects(from_file):
    assert from_file({"train": ["007"], "test": ["12", "patient003"]}) == splits.Split(
        (), ("patient007",), (), ("patient012", "patient003")
    )


def test_a_number_of_two_subjects_is_refused(from_file):
    cohort = make_cohort(["a_01", "b_01"])
    with pytest.raises(errors.UserError, match=r"names '01', which is not in"):
        from_file({"train": ["01"]}, cohort)


def test_unknown_subjects_are_named_with_the_closest(from_file):
    message = (
        r"split\.json: train names 'patiant002', .* did you mean patient002\? It has"
    )
    with pytest.raises(errors.UserError, match=message):
        from_file({**_FILE, "train": ["patiant002"]})
    message = r"test names 'x', which is not in the prepared cohort\. It has 12"
    with pytest.raises(errors.UserError, match=message):
        from_file({**_FILE, "test": ["x"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": ["patient003"]}, "patient003 in both test and train"),
        ({"train": ["3"]}, "patient003 in both test and train"),
        ({"validation": ["patient004"]}, "patient004 in both test and validation"),
        ({"pretrain": ["patient004"]}, "patient004 in both test and pretrain"),
        ({"validation": ["patient002"]}, "patient002 in both train and validation"),
        ({"train": ["patient002"] * 2}, "train names patient002 twice"),
        ({"train": "patient002"}, "train must be a list of subject names"),
        ({"train": [2]}, "train must be a list of subject names"),
        ({"val": ["patient005"]}, "a list called val, expected the names pretrain"),
    ],
)
def test_wrong_lists_are_named(from_file, change, message):
    with pytest.raises(errors.UserError, match=message):
        from_file({**_FILE, **change})


@pytest.mark.parametrize("kind", ["train", "validation"])
def test_unlabelled_subjects_cannot_train(from_file, kind):
    cohort = make_cohort(patients(12), unlabelled=("patient005",))
    message = f"patient005 in {kind}, but the prepared cohort has no labels"
    with pytest.raises(errors.UserError, match=message):
        from_file({**_FILE, kind: ["patient005"]}, cohort)
    assert from_file({"pretrain": ["5"]}, cohort).pretrain == ("patient005",)


def test_of_a_subject_only_the_labelled_frames_train(from_file):
    cohort = make_cohort(["p1"], unlabelled=("p1_ES",), frames=("_ED", "_ES"))
    split = from_file({"pretrain": ["p1"], "train": ["p1"]}, cohort)
    assert split.train == ("p1_ED",)
    assert split.pretrain == ("p1_ED", "p1_ES")


def test_named_draws(from_file):
    draws = {"a": {"train": ["5"]}, "b": {"train": ["6"], "validation": ["7"]}}
    content = {"pretrain": ["1"], "test": ["2"], "finetune": draws}
    split = from_file(content, name="b")
    assert (split.train, split.validation) == (("patient006",), ("patient007",))
    assert from_file(content, name="a").validation == ()
    for name in (None, "c"):
        with pytest.raises(errors.UserError, match=r"--split_name.*one of a, b"):
            from_file(content, name=name)
    with pytest.raises(errors.UserError, match=r"--split_name=a has no effect"):
        from_file(_FILE, name="a")


def test_the_benchmark_of_a_file(from_file):
    draws = {"a": {"train": ["5"]}}
    whole = {"train": ["5", "6"], "validation": ["7"]}
    content = {"pretrain": ["1"], "finetune": draws, "benchmark": whole}
    split = from_file(content, name="benchmark")
    assert (split.train, split.validation) == (
        ("patient005", "patient006"),
        ("patient007",),
    )
    del content["benchmark"]
    with pytest.raises(errors.UserError, match="found 'benchmark', expected one of a"):
        from_file(content, name="benchmark")


def test_missing_files_are_named():
    cohort = make_cohort(patients(3))
    with pytest.raises(errors.UserError, match=r"No split file at typo\.json"):
        splits.resolve(cohort, config.SplitConfig(file="typo.json"))
    for name in ("brain", "../paper_splits/acdc", ""):
        with pytest.raises(errors.UserError, match=r"acdc, mmwhs, prostate"):
            splits.resolve(cohort, config.SplitConfig(file=f"paper:{name}"))


PROSTATE = [f"prostate_{k:02d}" for k in range(48)]
_PAPER = {
    "acdc": (patients(100), 52, 20),
    "prostate": (PROSTATE, 17, 15),
    "mmwhs": ([f"mr_train_{1000 + k}" for k in range(1, 21)], 10, 10),
}


@pytest.mark.parametrize("dataset", _PAPER)
def test_paper_lists(dataset):
    subjects, num_pretrain, num_test = _PAPER[dataset]
    path = pathlib.Path(splits.__file__).parent / "paper_splits" / f"{dataset}.json"
    draws = json.loads(path.read_text())["finetune"]
    cohort = make_cohort(subjects)
    for name in draws:
        settings = config.SplitConfig(file=f"paper:{dataset}", name=name)
        split = splits.resolve(cohort, settings)
        assert len(split.pretrain) == num_pretrain and len(split.test) == num_test
        wanted = int(name.split("_")[0][2:])  # tr8_c1: eight volumes, first draw.
        assert len(split.train) == wanted


@pytest.mark.parametrize(
    ("dataset", "num_train", "num_validation"), [("acdc", 77, 2), ("prostate", 15, 2)]
)
def test_benchmarks_of_the_paper(dataset, num_train, num_validation, caplog):
    cohort = make_cohort(_PAPER[dataset][0])
    settings = config.SplitConfig(file=f"paper:{dataset}", name=splits.BENCHMARK)
    with caplog.at_level(logging.INFO, logger="dscl_tf"):
        split = splits.resolve(cohort, settings)
    assert len(split.train) == num_train and len(split.validation) == num_validation
    # 011 is in both of the authors' lists for ACDC.
    assert ("011 for validation only" in caplog.text) == (dataset == "acdc")


def test_a_users_file_with_a_subject_in_both_lists_is_refused(from_file):
    content = {"pretrain": ["1"], "train": ["5", "6"], "validation": ["6"]}
    with pytest.raises(errors.UserError, match="patient006 in both train and valid"):
        from_file(content)
