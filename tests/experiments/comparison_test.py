import pytest

from dscl_tf import config, errors
from dscl_tf.experiments import comparison, grids, setting_paths
from dscl_tf.training import stage_regions


def test_terms_of_a_name():
    found = comparison.parse(
        "gd+lr+mixup@global_.num_partitions=6@local.temperature=0.2"
    )
    assert (found.initial, found.local, found.added) == ("gd", "lr", ("mixup",))
    assert dict(found.settings) == {
        "global_.num_partitions": 6,
        "local.temperature": 0.2,
    }
    assert found.title.startswith("G^D + L^R + Mixup (")
    assert comparison.parse("mixup").initial == comparison.RANDOM
    assert comparison.parse("benchmark").all_labelled


def test_optimizer_settings_of_one_stage():
    found = comparison.parse(
        "gd+lr@decoder.optimizer.num_steps=5@optimizer.num_steps=3"
        "@finetune.optimizer.learning_rate=0.1"
    )
    stages = {
        kind: setting_paths.replaced(
            config.StageConfig(kind, "", ""), found.settings_of(kind)
        ).optimizer
        for kind in ("encoder", "decoder", "finetune")
    }
    assert {kind: each.num_steps for kind, each in stages.items()} == {
        "encoder": 3,
        "decoder": 5,
        "finetune": 3,
    }
    assert stages["finetune"].learning_rate == 0.1
    assert stages["encoder"].learning_rate == stages["decoder"].learning_rate == 1e-3


@pytest.mark.parametrize(
    "text, said",
    [
        ("gd+xx", "'xx' is not known"),
        ("gd+gd", "'gd.gd': a term occurs twice"),
        ("benchmark+mixup", "benchmark .* takes no other terms"),
        ("gd+rotation", "more than one way: gd, rotation"),
        ("lr", "lr needs an encoder"),
        ("rotation+ld", "ld needs an encoder"),
        ("gd@num_partitions=6", "no such setting"),
        ("gd@global_.num_partitions", "must be PATH=VALUE"),
        ("gd@global_.num_partitions=six", "expected int"),
        ("gd@global_.num_partitions=1", "at least 2"),
        ("gd@finetune.optimizer.steps=6", "no such setting"),
        ("gd@encoder.global_.num_partitions=6", "no such setting"),
        ("gd@decoder.optimizer.num_steps=0", "at least 1"),
        ("gd@seed=3", "'seed': a method can change single settings"),
        ("gd@runtime.log_every=0", "'runtime.log_every': a method can change single"),
        ("gd@finetune.augmentation.rotation_step_deg=0", "must be above 0"),
        ("gd@network.batch_norm_momentum=1.0", "must be 0 or more, below 1"),
        ("gd@split.num_test=3", "the grid sets the volumes"),
    ],
)
def test_names_that_mean_nothing(text, said):
    with pytest.raises(errors.UserError, match=said):
        comparison.parse(text)


@pytest.mark.parametrize(
    "text, group",
    [
        ("random", "Baseline"),
        ("benchmark", "Baseline"),
        ("gd+lr", "Contrast"),
        ("inpainting", "Pretext tasks"),
        ("mixup", "Augmentation"),
        ("adversarial", "Semi-supervised"),
        ("learned_augmentation+mixup", "Combinations"),
        ("gd+self_training", "Combinations"),
    ],
)
def test_group(text, group):
    assert comparison.parse(text).group == group


def test_first_round_of_a_method_in_rounds():
    found = comparison.parse("gd+lr+self_training+mixup")
    assert found.in_rounds and not comparison.parse("gd+lr").in_rounds
    assert found.without_rounds().key == comparison.parse("gd+lr+mixup").key
    # Settings of the later rounds do not make another first one; all others do.
    found = comparison.parse(
        "gd+class_contrast@finetune.class_contrast.weight=1e-06"
        "@finetune.pseudo_labels.confidence=0.5@finetune.batch_size=7"
    )
    first = comparison.parse("gd@finetune.batch_size=7")
    assert found.without_rounds() == first


def test_settings_are_checked_together_and_with_the_terms():
    # G^R, unlike the default G^D, may have one volume; a warm-up fits its own steps.
    comparison.parse("gr@global_.batch_volumes=1")
    comparison.parse(
        "gd@encoder.optimizer.num_steps=40000@encoder.optimizer.warmup_steps=12000"
    )
    grid = {"method": "gr", "settings": {"global_.batch_volumes": 1}}
    assert comparison.from_json(grid).key == (
        comparison.parse("gr@global_.batch_volumes=1").key
    )
    for setting in ("global_.batch_volumes=1", "encoder.optimizer.warmup_steps=12000"):
        with pytest.raises(errors.UserError, match="must be"):
            comparison.parse(f"gd@{setting}")


def test_a_setting_in_the_name_and_beside_it_is_refused():
    content = {"method": "gd@network.filters=4", "settings": {"network.filters": 3}}
    with pytest.raises(errors.UserError, match=r"sets network\.filters twice"):
        comparison.from_json(content)
    both = {"method": "gd@views.brightness=0.2", "settings": {"finetune.batch_size": 4}}
    turned = {
        "method": "gd@finetune.batch_size=4",
        "settings": {"views.brightness": 0.2},
    }
    assert comparison.from_json(both).key == comparison.from_json(turned).key


def test_rows_of_the_tables():
    # Table 1 without its repeated row, and Table 2 with G^R and the benchmark.
    assert len(grids.TABLE_1) == 7 and len(grids.TABLE_2) == 14
    for name in (*grids.TABLE_1, *grids.TABLE_2):
        comparison.parse(name)


def test_sweeps_fit_on_slices_of_64_pixels():
    settings = config.GridConfig("sweeps", None, None, None, None, None)
    swept = {row.name: dict(row.settings) for row in grids.make_grid(settings).methods}
    assert {"s2", "s6", "l1", "l5", "k1", "a4", "a16", "nearest5"} < set(swept)
    for name, paths in swept.items():
        stage = setting_paths.replaced(config.StageConfig("decoder", "", ""), paths)
        local = stage.local
        side = 2 * 2**local.num_blocks  # Six levels: 2 pixels at the bottom.
        regions = stage_regions.make_regions(stage, (side, side))
        assert len(regions.corners) >= 4, name
        # The whole batch stays as large as with the defaults.
        for contrast in (local, stage.global_):
            assert contrast.batch_volumes * contrast.num_partitions == 12, name


def test_grid_of_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"methods": ["random", {"name": "gd6", "title": "six", "method": "gd", '
        '"settings": {"global_.num_partitions": 6}}], "sizes": [1, 4], "draws": 3}'
    )
    grid = grids.make_grid(config.GridConfig(name=str(path), seeds=(5,)))
    assert grid.name == "mine" and grid.draws == (0, 1, 2) and grid.seeds == (5,)
    assert grid.sizes == (1, 4)
    assert [method.name for method in grid.methods] == ["random", "gd6"]
    assert grid.methods[1].title == "six"


@pytest.mark.parametrize(
    "content, said",
    [
        ("{}", "json: draws is missing, methods is missing, sizes is missing; a grid"),
        ('{"methods": "gd", "sizes": [1], "draws": 1}', "methods is not a list; a"),
        ('{"methods": [], "sizes": [1], "draws": 1}', "one method or more"),
        ('{"methods": ["gd", "gd"], "sizes": [1], "draws": 1}', "each once"),
        ('{"methods": ["gd"], "sizes": [0], "draws": 1}', "at least 1, found 0"),
        ('{"methods": ["gd"], "sizes": [1], "draws": true}', "found True"),
        ('{"methods": [3], "sizes": [1], "draws": 1}', "is a name or an object"),
        (
            '{"methods": [{"method": "gd", "title": 5}], "sizes": [1], "draws": 1}',
            "all of them texts except settings",
        ),
        (
            '{"methods": ["gd@global_.temperature=inf"], "sizes": [1], "draws": 1}',
            "temperature: found inf, expected a finite number",
        ),
        (
            '{"methods": ["gd@finetune.batch_size=4@finetune.batch_size=none"], '
            '"sizes": [1], "draws": 1}',
            "finetune.batch_size",
        ),
        (
            '{"methods": ["gd@finetune.batch_size=4@finetune.batch_size=3"], '
            '"sizes": [1], "draws": 1}',
            "sets finetune.batch_size twice",
        ),
        (
            '{"methods": [{"method": "gd", "name": "%s"}], "sizes": [1], "draws": 1}'
            % ("x" * 181),
            'give it in a grid file, with a "name" of at most 180',
        ),
        (
            '{"methods": ["gd"], "sizes": [1], "draws": 1, "x": 2}',
            "x is not known; a grid has",
        ),
        (
            '{"methods": [{"method": "gd", "settings": {"views": {}}}], "sizes": [1], '
            '"draws": 1}',
            "'views': a method can change single settings",
        ),
    ],
)
def test_grid_files_that_are_not_one(tmp_path, content, said):
    path = tmp_path / "grid.json"
    path.write_text(content)
    with pytest.raises(errors.UserError, match=said):
        grids.make_grid(config.GridConfig(name=str(path)))


def test_unknown_grid():
    with pytest.raises(
        errors.UserError, match="expected table1, table2, beyond, sweeps"
    ):
        grids.make_grid(config.GridConfig(name="table3"))


def test_a_first_round_of_many_settings_has_a_short_name():
    """A method of a grid file has a name of its own, but its first round has not."""
    settings = {
        "finetune.cosine": True,
        "finetune.largest_component": True,
        "finetune.average_decay": 0.99,
        "finetune.optimizer.num_steps": 1200,
        "finetune.optimizer.learning_rate": 0.0005,
        "global_.position_threshold": 0.25,
        "network.batch_norm_momentum": 0.95,
    }
    grid = {"method": "gd+consistency", "settings": settings}
    one, two = (
        comparison.from_json({**grid, "name": name}).without_rounds()
        for name in ("one", "two")
    )
    assert one.name == two.name and len(one.name) < 40 and one.name.startswith("gd@")
    other = {**grid, "settings": {**settings, "finetune.average_decay": 0.9}}
    assert comparison.from_json(other).without_rounds().name != one.name


def test_the_first_round_is_called_as_the_method_alone():
    alone = comparison.parse("gd@finetune.cosine=true")
    found = comparison.parse(
        "gd+consistency@finetune.cosine=true@finetune.consistency.ramp_steps=5"
    )
    assert found.without_rounds().name == "gd@finetune.cosine=true"
    assert alone.key == found.without_rounds().key
