import pytest

from dscl_tf import config, errors


@pytest.mark.parametrize(
    ("kind", "field", "member"),
    [
        (config.GlobalConfig, "strategy", config.GlobalStrategy.GR),
        (config.LocalConfig, "strategy", config.LocalStrategy.LD),
        (config.LocalConfig, "views", config.LocalViews.INTENSITY),
        (config.NetworkConfig, "norm", config.NormKind.INSTANCE),
        (config.FinetuneConfig, "loss", config.LossKind.DICE_CE),
        (config.AugmentationConfig, "kind", config.AugmentationKind.STRONG),
        (config.PretextConfig, "task", config.PretextTask.INPAINTING),
    ],
)
def test_a_value_stands_for_its_member(kind, field, member):
    made = kind(**{field: member.value})
    assert made == kind(**{field: member}) and getattr(made, field) is member
    for wrong in ("foo", None, 3):
        with pytest.raises(errors.UserError, match=f"{field} must be one of .*{wrong}"):
            kind(**{field: wrong})


@pytest.mark.parametrize(
    ("kind", "field", "wrong"),
    [
        (config.AugmentationConfig, "scale", (0.0, 1.05)),
        (config.AugmentationConfig, "scale", (1.1, 0.9)),
        (config.AugmentationConfig, "contrast", (-0.1, 1.0)),
        (config.AugmentationConfig, "elastic_sigma", -1.0),
        (config.ViewConfig, "contrast", (1.3, 0.7)),
        (config.ViewConfig, "clip", (2.0, 1.0)),
        (config.ViewConfig, "crop_start", (0.5, 1.0)),
        (config.GlobalConfig, "batch_volumes", 0),
    ],
)
def test_values_out_of_range_are_refused(kind, field, wrong):
    with pytest.raises(errors.UserError, match=f"{field} must be .*found"):
        kind(**{field: wrong})


def test_seeds_are_those_of_tensorflow():
    config.StageConfig("encoder", "p", "w", seed=2**31 - 1)
    with pytest.raises(errors.UserError, match=r"seed must be .* below 2\^31"):
        config.StageConfig("encoder", "p", "w", seed=2**31)
