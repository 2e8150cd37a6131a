from absl import flags
from absl.testing import flagsaver
from dscl_flags import masks


def test_masks_have_the_values_of_the_dataset_or_classes():
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(mask_values="dataset"):
        assert masks.mask_values() == "dataset"
    with flagsaver.flagsaver(mask_values="classes"):
        assert masks.mask_values() == "classes"
