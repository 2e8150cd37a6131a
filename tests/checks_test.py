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
