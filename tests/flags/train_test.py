"""The flags of train reach their settings."""

import importlib
import pathlib
import re

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver
from dscl_flags import binary, command_line, pseudo_labels, run, training

from dscl_tf import config, errors
from dscl_tf.methods import registered
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig

FLAGS = absl_flags.FLAGS
NEEDED = ("--prepared=p", "--workdir=w")
NO_CONTRAST = ("--global_strategy=none", "--local_strategy=none")
PRESETS = sorted((pathlib.Path(binary.__file__).parent / "presets").glob("*.flags"))


@pytest.fixture
def parse():
    """Parses a command line, as if presets set it, and forgets it after the test."""
    saved = flagsaver.save_flag_values()
    yield lambda *arguments: FLAGS(["binary", *NEEDED, *arguments])
    flagsaver.restore_flag_values(saved)
    FLAGS.unparse_flags()


@pytest.fixture
def type_(parse, monkeypatch):
    """Types a command line: flags that have no effect are refused."""

    def typed(*arguments):
        monkeypatch.setattr("sys.argv", ["binary", *NEEDED, *arguments])
        parse(*arguments)

    return typed


def field(stage, path):
    for name in path.split("."):
        stage = getattr(stage, name)
    return stage


# Flag, value, stage, field of the stage's config, expected.
REACH = [
    ("prepared", "elsewhere", "encoder", "prepared", "elsewhere"),
    ("workdir", "runs", "encoder", "workdir", "runs/encoder"),
    ("seed", "5", "encoder", "seed", 5),
    ("precision", "mixed_float16", "encoder", "runtime.precision", "mixed_float16"),
    ("jit", "on", "encoder", "runtime.jit", "on"),
    ("distribution", "mirrored", "encoder", "runtime.distribution", "mirrored"),
    ("sync_batch_norm", "true", "encoder", "network.sync_batch_norm", True),
    ("checkpoint_every", "7", "encoder", "runtime.checkpoint_every", 7),
    ("log_every", "7", "encoder", "runtime.log_every", 7),
    ("panel_every", "7", "encoder", "runtime.panel_every", 7),
    ("num_probe_volumes", "3", "encoder", "num_probe", 3),
    ("split", "s.json", "encoder", "split.file", "s.json"),
    ("num_train_volumes", "8", "finetune", "split.num_train", 8),
    ("num_validation_volumes", "0", "finetune", "split.num_validation", 0),
    ("num_test_volumes", "9", "finetune", "split.num_test", 9),
    ("num_pretrain_volumes", "11", "encoder", "split.num_pretrain", 11),
    ("split_seed", "4", "encoder", "split.seed", 4),
    ("global_strategy", "gr", "encoder", "global_.strategy", config.GlobalStrategy.GR),
    ("local_strategy", "ld", "decoder", "local.strategy", config.LocalStrategy.LD),
    ("temperature", "0.5", "encoder", "global_.temperature", 0.5),
    ("temperature", "0.5", "decoder", "local.temperature", 0.5),
    ("num_partitions", "6", "encoder", "global_.num_partitions", 6),
    ("num_partitions", "6", "decoder", "local.num_partitions", 6),
    ("batch_volumes", "5", "encoder", "global_.batch_volumes", 5),
    ("batch_volumes", "5", "decoder", "local.batch_volumes", 5),
    ("num_blocks", "2", "decoder", "local.num_blocks", 2),
    ("region_size", "1", "decoder", "local.region_size", 1),
    ("region_grid", "4", "decoder", "local.grid", 4),
    ("num_negatives", "0", "decoder", "local.num_negatives", 0),
    ("local_views", "intensity", "decoder", "local.views", config.LocalViews.INTENSITY),
    ("local_crop_side", "0.75", "decoder", "local.crop_side", (0.75, 1.0)),
    ("num_regions", "20", "decoder", "local.num_regions", 20),
    ("crop_fraction", "0.75", "encoder", "views.crop_fraction", 0.75),
    ("view_brightness", "0.5", "encoder", "views.brightness", 0.5),
    ("view_contrast", "0.5", "encoder", "views.contrast", (0.5, 1.5)),
    ("position_threshold", "0.2", "encoder", "global_.position_threshold", 0.2),
    ("encoder_steps", "12", "encoder", "optimizer.num_steps", 12),
    ("decoder_steps", "13", "decoder", "optimizer.num_steps", 13),
    ("finetune_steps", "14", "finetune", "optimizer.num_steps", 14),
    ("learning_rate", "0.5", "encoder", "optimizer.learning_rate", 0.5),
    ("warmup_steps", "6", "encoder", "optimizer.warmup_steps", 6),
    ("cosine", "true", "encoder", "optimizer.cosine", True),
    ("finetune_batch_size", "6", "finetune", "finetune.batch_size", 6),
    ("validate_every", "6", "finetune", "finetune.validate_every", 6),
    ("loss", "dice_ce", "finetune", "finetune.loss", config.LossKind.DICE_CE),
    ("largest_component", "true", "finetune", "finetune.largest_component", True),
    ("norm", "instance", "encoder", "network.norm", config.NormKind.INSTANCE),
    ("average_decay", "0.9", "finetune", "finetune.average_decay", 0.9),
    ("finetune_cosine", "true", "finetune", "finetune.cosine", True),
    (
        "augmentation",
        "strong",
        "finetune",
        "finetune.augmentation.kind",
        config.AugmentationKind.STRONG,
    ),
    *(
        (f"consistency_{flag}", text, "finetune", f"finetune.consistency.{name}", value)
        for flag, name, text, value in (
            ("weight", "weight", "0.3", 0.3),
            ("steps_factor", "steps_factor", "2.5", 2.5),
            ("ramp_steps", "ramp_steps", "7", 7),
            ("confidence", "confidence", "0.8", 0.8),
            ("teacher_decay", "teacher_decay", "0.9", 0.9),
            ("cutmix", "cutmix_probability", "0.4", 0.4),
            ("feature_dropout", "feature_dropout", "0.2", 0.2),
            ("one_piece", "one_piece", "true", True),
        )
    ),
    *(
        (f"copy_paste_{flag}", text, "finetune", f"finetune.copy_paste.{name}", value)
        for flag, name, text, value in (
            ("weight", "weight", "0.3", 0.3),
            ("pseudo_weight", "pseudo_weight", "0.2", 0.2),
            ("box", "box_fraction", "0.5", 0.5),
            ("teacher_decay", "teacher_decay", "0.9", 0.9),
            ("steps_factor", "steps_factor", "2.5", 2.5),
        )
    ),
    ("flips", "false", "finetune", "finetune.augmentation.flip", False),
    ("rotation_deg", "6", "finetune", "finetune.augmentation.rotation_deg", 6),
    ("scale_change", "0.5", "finetune", "finetune.augmentation.scale", (0.5, 1.5)),
    (
        "rotation_step_deg",
        "90",
        "finetune",
        "finetune.augmentation.rotation_step_deg",
        90,
    ),
    ("elastic_sigma", "0.1", "finetune", "finetune.augmentation.elastic_sigma", 0.1),
    ("mixup_alpha", "0.2", "finetune", "finetune.mixup.alpha", 0.2),
    ("joint_global_weight", "2", "finetune", "finetune.joint.global_weight", 2),
    ("joint_local_weight", "3", "finetune", "finetune.joint.local_weight", 3),
    ("class_contrast_weight", "2", "finetune", "finetune.class_contrast.weight", 2),
    (
        "class_contrast_temperature",
        "0.5",
        "finetune",
        "finetune.class_contrast.temperature",
        0.5,
    ),
    (
        "pixels_per_class",
        "9",
        "finetune",
        "finetune.class_contrast.pixels_per_class",
        9,
    ),
    ("adversarial_weight", "0.5", "finetune", "finetune.adversarial.weight", 0.5),
    (
        "learned_augmentation",
        "true",
        "finetune",
        "finetune.learned_augmentation.enabled",
        True,
    ),
    (
        "latent_units",
        "7",
        "finetune",
        "finetune.learned_augmentation.latent_units",
        7,
    ),
    (
        "augmentation_adversarial_weight",
        "0.5",
        "finetune",
        "finetune.learned_augmentation.adversarial_weight",
        0.5,
    ),
    (
        "augmentation_magnitude_weight",
        "0.5",
        "finetune",
        "finetune.learned_augmentation.magnitude_weight",
        0.5,
    ),
    ("filters", "4,8,12", "encoder", "network.filters", (4, 8, 12)),
    ("local_head_units", "128", "decoder", "network.local_head_units", 128),
    ("batch_norm_momentum", "0.5", "encoder", "network.batch_norm_momentum", 0.5),
]


@pytest.mark.parametrize("flag, value, stage, path, expected", REACH)
def test_flag_reaches_its_field(parse, flag, value, stage, path, expected):
    parse(f"--{flag}={value}")
    stages = {found.stage: found for found in run.stage_configs()}
    assert field(stages[stage], path) == expected


# With --pretext=rotation.
REACH_OF_PRETEXT = [
    ("pretext", "inpainting", "pretext.task", config.PretextTask.INPAINTING),
    ("pretext_batch_size", "8", "pretext.batch_size", 8),
    ("num_boxes", "7", "pretext.num_boxes", 7),
    ("box_fraction", "0.1,0.2", "pretext.box_fraction", (0.1, 0.2)),
    ("num_swaps", "7", "pretext.num_swaps", 7),
    ("patch_fraction", "0.2", "pretext.patch_fraction", 0.2),
    ("pretext_steps", "15", "optimizer.num_steps", 15),
]


@pytest.mark.parametrize("flag, value, path, expected", REACH_OF_PRETEXT)
def test_flag_reaches_the_pretext_stage(parse, flag, value, path, expected):
    parse("--pretext=rotation", f"--{flag}={value}")
    assert field(run.stage_configs()[0], path) == expected


def test_pretext_with_a_named_contrastive_strategy_is_refused(type_):
    type_("--pretext=rotation", "--global_strategy=gd", "--local_strategy=none")
    with pytest.raises(errors.UserError, match="leave out --global_strategy=gd, or"):
        run.stage_configs()


def test_a_draw_of_a_file_is_named(parse):
    parse("--split=s.json", "--split_name=tr1")
    split = run.stage_configs()[0].split
    assert (split.file, split.name) == ("s.json", "tr1")
    # As after a preset that names them.
    parse("--split=s.json", "--split_name=tr1", "--split=", "--num_train_volumes=8")
    split = run.stage_configs()[0].split
    assert (split.file, split.name, split.num_train) == (None, None, 8)


@pytest.mark.parametrize("side, start", [(0.25, (0.0815, 0.5625)), (1.0, (0.0, 0.0))])
def test_crops_of_any_side_lie_about_the_middle(parse, side, start):
    default = config.ViewConfig()
    parse()
    assert run.stage_configs()[0].views == default
    parse(f"--crop_fraction={side}")
    views = run.stage_configs()[0].views
    assert views.crop_start == pytest.approx(start, abs=1e-4)
    # Of the room that a crop leaves, as much is before it as by default.
    for found, expected in zip(views.crop_start, default.crop_start):
        share = expected / (1 - default.crop_fraction)
        assert found == pytest.approx(share * (1 - side))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--split_name=tr1"], "--split_name=tr1 names a draw of a file: give --split"),
        *(
            (
                ["--split=s.json", f"--{flag}=1"],
                f"--{flag} has no effect with --split",
            )
            for flag in (
                "num_train_volumes",
                "num_validation_volumes",
                "num_test_volumes",
                "num_pretrain_volumes",
                "split_seed",
            )
        ),
    ],
)
def test_flags_that_would_say_nothing_are_refused(type_, arguments, said):
    type_(*arguments)
    with pytest.raises(errors.UserError, match=said):
        run.stage_configs()


@pytest.mark.parametrize(
    "views, flag",
    [
        ("crops", "--num_negatives=5"),
        ("crops", "--region_grid=4"),
        ("intensity", "--num_regions=9"),
        ("intensity", "--local_crop_side=0.8"),
    ],
)
def test_flags_of_the_other_local_views_are_refused(type_, views, flag):
    def typed(*arguments):
        type_(*arguments)
        return run.stage_configs()

    with pytest.raises(
        errors.UserError, match=rf"{flag.split('=')[0]} belongs to --local_"
    ):
        typed(f"--local_views={views}", flag)
    other = "intensity" if views == "crops" else "crops"
    typed(f"--local_views={other}", flag)


@pytest.mark.parametrize(
    "flags, said",
    [
        (
            ["--consistency_confidence=0.8"],
            "turn the method on with --consistency_weight",
        ),
        (["--pixels_per_class=9"], "turn the method on with --class_contrast_weight"),
        (["--latent_units=9"], "turn the method on with --learned_augmentation"),
        (["--copy_paste_box=0.5"], "turn the method on with --copy_paste_weight"),
        (
            ["--pseudo_keep_fraction=0.5"],
            "turn the method on with --self_training_rounds",
        ),
        (["--self_training_first=r"], "turn the method on with --self_training_rounds"),
        (["--norm=instance", "--batch_norm_momentum=0.9"], "with --norm=instance"),
        (["--position_threshold=0.3"], "with --global_strategy=gd"),
        (["--local_strategy=none", "--num_regions=20"], "with --local_strategy=none"),
        (["--local_strategy=none", "--region_size=1"], "with --local_strategy=none"),
        (["--pretext=rotation", "--num_swaps=3"], "with --pretext=rotation"),
        (["--pretext=rotation", "--region_size=1"], "with --pretext=rotation"),
        (["--pretext=rotation", "--temperature=0.5"], "with --pretext=rotation"),
        (["--pretext_batch_size=8"], "with --pretext=none"),
        (["--pretext_steps=8"], "have no pretext stage"),
        (["--local_strategy=none", "--decoder_steps=8"], "have no decoder stage"),
        ([*NO_CONTRAST, "--batch_volumes=4"], "with --global_strategy=none"),
        ([*NO_CONTRAST, "--crop_fraction=0.5"], "with --global_strategy=none"),
        (["--pretext=rotation", "--pretext_batch_size=8", "--pretext_steps=8"], None),
        (["--local_strategy=none", "--crop_fraction=0.5", "--encoder_steps=8"], None),
        (["--box_fraction=0.1,0.2"], "with --pretext=none"),
        (["--global_strategy=positional", "--position_threshold=0.3"], None),
        (["--pretext=inpainting", "--box_fraction=0.1,0.2"], None),
        (["--local_strategy=none", "--joint_local_weight=1", "--num_regions=9"], None),
        (["--consistency_weight=0", "--noconsistency_one_piece"], None),
        (["--consistency_weight=0.5", "--consistency_confidence=0.8"], None),
        (["--consistency_weight=0.5", "--self_training_first=r"], None),
        (["--self_training_rounds=1", "--pseudo_confidence=0.8"], None),
        (["--norm=batch", "--batch_norm_momentum=0.9"], None),
    ],
)
def test_flags_of_what_is_off_are_refused(type_, flags, said):
    type_(*flags)
    if said is None:
        assert run.stage_configs()
    else:
        with pytest.raises(errors.UserError, match=f"has no effect.*{said}"):
            run.stage_configs()


def test_flags_in_a_flagfile_of_ones_own_count_as_typed(type_, tmp_path):
    (tmp_path / "mine.flags").write_text("--class_contrast_temperature=0.2\n")
    type_(f"--flagfile={tmp_path / 'mine.flags'}")
    with pytest.raises(errors.UserError, match="turn the method on with --class_contr"):
        run.stage_configs()


def test_what_a_preset_draws_makes_way_for_a_file_of_ones_own(parse_all):
    parse_all("--preset=mmwhs_ct", "--split=mine.json")
    assert run.stage_configs()[0].split.file == "mine.json"


def test_a_preset_has_only_flags_of_some_binary():
    importlib.import_module("dscl_flags.prepare")
    of_experiment = "--grid="  # Its module does not go with that of dscl-evaluate.
    for path in (*PRESETS, *PRESETS[0].parents[1].glob("recipes/*.flags")):
        for line in path.read_text().splitlines():
            known = line.startswith(("#", of_experiment)) or binary._flag_of(line)
            assert known, f"{path.name}: {line}"
    assert binary._flag_of("--ablation=3") is None
    assert binary._flag_of("--nobias_correction") == "bias_correction"


def test_every_flag_is_tested():
    names = {
        flag.name
        for module in training.GROUPS
        for flag in FLAGS.get_flags_for_module(module.__name__)
    }
    elsewhere = {flag for flag in names if flag.startswith(("self_training", "pseudo"))}
    # Tested below, and by their binaries.
    other = {"split_name", "stage", "init", "dry_run", "max_hours"}
    assert names - other - elsewhere == {
        flag for flag, *_ in [*REACH, *REACH_OF_PRETEXT]
    }


def test_defaults_are_those_of_the_configs(parse, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/some/where/dscl-train", "--workdir=a b"])
    parse()
    encoder = run.stage_configs()[0]
    command = config.RuntimeConfig(command="dscl-train '--workdir=a b'")
    expected = config.StageConfig("encoder", "p", "w/encoder", runtime=command)
    assert encoder.finetune.augmentation.scale == pytest.approx((0.95, 1.05))
    assert encoder.views.contrast == pytest.approx((0.7, 1.3))
    for name in ("network", "global_", "local", "optimizer", "runtime", "split"):
        assert getattr(encoder, name) == getattr(expected, name)
    for name in registered.NAMES:
        assert getattr(encoder.finetune, name) == getattr(expected.finetune, name)


@pytest.mark.parametrize(
    "arguments, rounds, expected",
    [
        (["--pseudo_confidence=0.7"], 0, (0.7, False)),
        (["--self_training_rounds=2"], 2, (0.9, True)),
        (["--self_training_rounds=1", "--pseudo_confidence=0.7"], 1, (0.7, True)),
        (["--self_training_rounds=1", "--nopseudo_targets"], 1, (0.9, False)),
    ],
)
def test_pseudo_labels_are_asked_for_by_rounds(parse, arguments, rounds, expected):
    parse(*arguments, "--self_training_first=run")
    found = run.stage_configs()[-1].finetune.pseudo_labels
    assert found == PseudoLabelConfig(None, *expected)
    assert pseudo_labels.num_rounds() == rounds
    assert pseudo_labels.first_round() == "run"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], [("encoder", None), ("decoder", "encoder"), ("finetune", "decoder")]),
        (["--local_strategy=none"], [("encoder", None), ("finetune", "encoder")]),
        (
            ["--local_strategy=none", "--global_strategy=none"],
            [("finetune", None)],
        ),
        (["--pretext=rotation"], [("pretext", None), ("finetune", "pretext")]),
        (["--pretext=rotation", "--stage=pretext"], [("pretext", None)]),
        (["--pretext=rotation", "--stage=finetune"], [("finetune", "pretext")]),
        (["--stage=encoder"], [("encoder", None)]),
        (["--stage=decoder"], [("decoder", "encoder")]),
        (["--stage=finetune"], [("finetune", "decoder")]),
    ],
)
def test_stages_and_what_they_take_over(parse, arguments, expected):
    parse(*arguments)
    found = [
        (stage.stage, stage.init and pathlib.Path(stage.init).name)
        for stage in run.stage_configs()
    ]
    assert found == expected


@pytest.mark.parametrize("earlier", ["encoder", "decoder", "pretext"])
def test_init_may_be_a_run_or_a_workdir(parse, tmp_path, earlier):
    (tmp_path / earlier).mkdir()
    (tmp_path / earlier / "config.json").write_text("{}")
    for init in (tmp_path, tmp_path / earlier):
        parse("--stage=finetune", f"--init={init}")
        assert run.stage_configs()[0].init == str(tmp_path / earlier)


@pytest.mark.parametrize(
    "arguments, expected", [([], "decoder"), (["--pretext=inpainting"], "pretext")]
)
def test_init_in_a_workdir_of_both_kinds(parse, tmp_path, arguments, expected):
    for earlier in ("encoder", "decoder", "pretext"):
        (tmp_path / earlier).mkdir()
        (tmp_path / earlier / "config.json").write_text("{}")
    parse("--stage=finetune", f"--init={tmp_path}", *arguments)
    assert run.stage_configs()[0].init == str(tmp_path / expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--prepared="], "--prepared=DIR and --workdir=DIR are needed"),
        (["--init=x"], "--init goes with one stage"),
        (
            ["--stage=finetune", "--init=x", "--self_training_first=y"],
            "both name the run that fine-tuning starts from",
        ),
        (["--stage=encoder", "--init=x"], "starts from random weights"),
        (["--stage=finetune", "--init=x"], "--init=x: no run there"),
        (["--stage=encoder", "--global_strategy=none"], "--global_strategy=none"),
        (["--stage=pretext"], "--stage=pretext has nothing to do with --pretext=none"),
        (["--stage=encoder", "--pretext=rotation"], "do with --pretext=rotation"),
        (["--stage=decoder", "--pretext=rotation"], "do with --pretext=rotation"),
        (["--stage=pretext", "--pretext=rotation", "--init=x"], "from random weights"),
        (["--stage=decoder", "--local_strategy=none"], "--local_strategy=none"),
        (["--global_strategy=none"], "needs a pre-trained encoder"),
        (["--stage=finetune", "--global_strategy=none"], "needs a pre-trained encoder"),
        (["--stage=decoder", "--global_strategy=none"], "needs a pre-trained encoder"),
        (["--filters=4,x"], "--filters must be whole numbers"),
        (["--filters=4"], "filters must be two levels or more"),
        (["--batch_volumes=1"], "batch_volumes must be at least 2"),
        (["--region_grid=1"], "grid must be 0 or at least 2"),
        (["--warmup_steps=20000"], "warmup_steps must be in"),
    ],
)
def test_contradictions(parse, arguments, message):
    parse(*arguments)
    with pytest.raises(errors.UserError, match=message):
        run.stage_configs()


@pytest.mark.parametrize(
    "argument",
    ["--temperature=0", "--stage=both", "--seed=-1", "--seed=2147483648", "--lr=1"],
)
def test_out_of_bounds(parse, argument):
    with pytest.raises(absl_flags.Error):
        parse(argument)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_parse(parse_all, path):
    parse_all(f"--preset={path.stem}")
    found = [stage.stage for stage in run.stage_configs()]
    assert found == ["encoder", "decoder", "finetune"]
    # Rows of pretext tasks are compared with those of contrast at equal steps.
    steps = {run.stage_config(k).optimizer.num_steps for k in ("encoder", "pretext")}
    assert len(steps) == 1


def test_a_small_cohort_is_trained_as_what_was_measured():
    """The preset for cohorts of one's own has no setting that ACDC's has not."""
    small, acdc = (
        {
            line
            for line in (PRESETS[0].parent / f"{name}.flags").read_text().splitlines()
            if line.startswith("--")
        }
        for name in ("small", "acdc_small")
    )
    assert small < acdc
    others = {line.split("=")[0] for line in acdc - small}
    assert others == {
        "--spacing_mm",
        "--bias_correction",
        "--num_partitions",
        "--split",
        "--split_name",
        "--position_threshold",
    }


@pytest.fixture
def parse_all(parse, monkeypatch):
    """Types and parses a command line with presets and recipes, as the binary does."""
    del parse  # It forgets the values after the test.

    def typed(*arguments):
        monkeypatch.setattr("sys.argv", ["binary", *NEEDED, *arguments])
        binary.parse(["binary", *NEEDED, *arguments], training.GROUPS, "")

    return typed


def finetune_config():
    return run.stage_configs()[-1].finetune


def test_the_best_recipe_sets_the_training(parse_all):
    parse_all("--recipe=best")
    found = finetune_config()
    assert found.methods_on == {"consistency": found.consistency}
    assert found.consistency.steps_factor == 3 and found.consistency.one_piece
    assert found.augmentation.kind is config.AugmentationKind.STRONGEST
    assert found.loss is config.LossKind.DICE_CE
    assert found.cosine and found.largest_component


def test_the_papers_recipe_is_the_default_but_for_the_views(parse_all):
    parse_all("--recipe=paper")
    of_paper = run.stage_configs()
    assert of_paper[1].local.views is config.LocalViews.INTENSITY
    assert of_paper[-1].finetune == config.FinetuneConfig(
        augmentation=of_paper[-1].finetune.augmentation
    )


def test_flags_and_presets_override_a_recipe_wherever_they_stand(parse_all):
    parse_all("--loss=dice", "--preset=quick", "--recipe=best")
    found = finetune_config()
    assert found.loss is config.LossKind.DICE
    assert found.consistency.is_on and found.batch_size == 12


def test_strengths_that_strong_augmentation_has_not_are_refused(type_):
    type_("--augmentation=strong", "--rotation_deg=5")
    with pytest.raises(
        errors.UserError, match="--rotation_deg belongs to --augmentation"
    ):
        run.stage_configs()


def test_a_default_recipe_is_taken_unless_one_is_given(parse):
    del parse  # It forgets the values after the test.
    for given, expected in (((), True), (("--recipe=paper",), False)):
        binary.parse(["binary", *NEEDED, *given], training.GROUPS, "", recipe="best")
        assert finetune_config().consistency.is_on is expected
        absl_flags.FLAGS.unparse_flags()


def test_presets_and_recipes_may_be_two_words(parse_all):
    parse_all("--preset", "quick", "--recipe", "paper")
    found = finetune_config()
    assert found.batch_size == 12 and not found.consistency.is_on


def test_presets_and_recipes_may_have_one_dash_as_all_flags(parse):
    words = ["binary", *NEEDED, "-preset=quick", "-recipe", "paper"]
    binary.parse(words, training.GROUPS, "", recipe="best")
    found = finetune_config()
    assert found.batch_size == 12 and not found.consistency.is_on
    assert command_line.is_given("--recipe", words) and command_line.is_given(
        "--preset", words
    )
    assert not command_line.is_given("--loss", words)


@pytest.mark.parametrize("flag", ["pseudo_confidence", "consistency_confidence"])
def test_a_confidence_that_nothing_reaches_is_refused_by_its_flag(
    parse_all, capsys, flag
):
    with pytest.raises(SystemExit):
        parse_all(f"--{flag}=1")
    assert f"--{flag}=1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["preset", "recipe"])
def test_presets_and_recipes_need_a_name(parse_all, capsys, name):
    with pytest.raises(SystemExit):
        parse_all(f"--{name}")
    assert f"--{name}=: expected one of" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["preset=quick", "recipe=best"])
def test_presets_and_recipes_in_flagfiles_are_refused(
    parse_all, capsys, tmp_path, name
):
    (tmp_path / "mine.flags").write_text(f"--{name}\n")
    with pytest.raises(SystemExit) as ended:
        parse_all(f"--flagfile={tmp_path / 'mine.flags'}")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"Write --{name.partition('=')[0]}=NAME on the command line" in said


def test_help_names_the_default_recipe():
    text = binary.help_text("What it does.", training.GROUPS, "best")
    assert "other flags override it. Default: best." in text
    words = " ".join(text.split())
    assert "strengths of their own. Default: paper. With --recipe=best: strongest." in (
        words
    )
    assert "validation volumes. Default: false. With --recipe=best: true." in words
    assert "Default: 1. With --recipe=best: 3." in words
    assert "With --recipe" not in binary.help_text("What it does.", training.GROUPS)


def test_other_recipes_are_refused(parse_all, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_all("--recipe=worst")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "--recipe=worst: expected one of best, paper." in said


def test_binaries_that_do_not_train_have_no_recipes(capsys):
    with pytest.raises(SystemExit):
        binary.parse(["binary", "--recipe=best"], [run], "")
    assert "Unknown command line flag 'recipe'" in capsys.readouterr().err


def test_help_shows_groups_and_defaults():
    text = binary.help_text("What it does.", training.GROUPS)
    assert text.startswith("What it does.")
    for module in training.GROUPS:
        assert f"\n{module.__doc__.strip().splitlines()[0]}\n" in text
    assert "--global_strategy=none|gr|gd_minus|gd" in text
    assert "--[no]flips" in text
    assert "Softmax temperature tau. Default: 0.1." in text


@pytest.mark.parametrize(
    "name, shown",
    [("crop_fraction", "0.520833"), ("view_contrast", "0.3"), ("scale_change", "0.05")],
)
def test_help_rounds_defaults_and_keeps_their_values(name, shown):
    text = binary.help_text("What it does.", training.GROUPS)
    (line,) = re.findall(rf"--{name}=VALUE\n(?: {{6}}.*\n)+", text)
    assert " ".join(line.split()).endswith(f"Default: {shown}.")
    value = absl_flags.FLAGS[name].default
    assert value != float(shown) and value == pytest.approx(float(shown), abs=1e-6)
