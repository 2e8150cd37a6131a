"""The dataset, and how its volumes are prepared."""

from typing import Optional

from absl import flags
from dscl_flags import command_line, pairs

from dscl_tf import config, errors
from dscl_tf.cohort import cases, layouts
from dscl_tf.cohort.preparation import PreparationConfig

_DEFAULT = config.PreprocessingConfig()

_SOURCE = flags.DEFINE_string("source", None, "Folder of the dataset as downloaded.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the prepared cohort.")
_FORMAT = flags.DEFINE_enum(
    "format",
    "auto",
    ["auto", *layouts.FORMATS],
    "Layout of the dataset; auto recognises it.",
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "Folder of label volumes with the names of the images, or of the cases of DICOM "
    "series (formats folder, dicom).",
)
_LABEL_NAMES = flags.DEFINE_list(
    "label_names",
    None,
    "Names of the structures in the order of their values in the "
    "labels (1, 2, ...; or 85, 170, ...); a background before them is left out.",
)
_ACDC_FRAMES = flags.DEFINE_enum(
    "acdc_frames",
    "ED",
    list(layouts.ACDC_FRAMES),
    "Frames to take of an ACDC patient; all: both, and every other frame of the 4-D "
    "file as unlabelled data.",
)
_CHANNEL = flags.DEFINE_integer(
    "channel",
    None,
    "Which image of a subject to take where a dataset has several (Decathlon, nnU-Net),"
    " counted from 0; by default the first.",
    lower_bound=0,
    allow_override=True,
)
_CHANNELS = flags.DEFINE_list(
    "channels",
    None,
    "Images of a subject that the network gets together, such as T2,ADC or 0,1: numbers"
    " from 0 or names in dataset.json (Decathlon, nnU-Net); ends of the files' names, "
    "CASE_0000 or CASE_adc (folder). They must lie on one grid.",
)
_LABELLED_SLICES = flags.DEFINE_enum(
    "labelled_slices",
    cases.ALL_SLICES,
    list(cases.LABELLED_SLICES),
    "Which slices of a label are labelled. with_structures: those that have a voxel of "
    "a structure; all others are unknown, and take no part in training or evaluation.",
)
_IGNORE_LABEL = flags.DEFINE_integer(
    "ignore_label",
    None,
    "Voxel value in the labels that means that nobody labelled the voxel, which then "
    "takes no part in training or evaluation. nnU-Net's ignore label needs no flag.",
)
_SUBJECT_PATTERN = flags.DEFINE_string(
    "subject_pattern",
    None,
    "Regular expression whose first group, searched in a case's name, is the patient, "
    "such as '^(patient[0-9]+)_': all scans of a patient go to the same side of a "
    "split (formats folder, nnunet, decathlon; by default each case is a patient).",
)
_CHECK_ONLY = flags.DEFINE_bool(
    "check_only", False, "Read everything, list what is wrong, and write nothing."
)
_STRICT = flags.DEFINE_bool("strict", False, "Treat warnings of the check as errors.")
_SKIP_BAD = flags.DEFINE_bool(
    "skip_bad", False, "Prepare the good volumes and leave out those with errors."
)
_REPORT = flags.DEFINE_string(
    "report",
    None,
    "JSON file for what --check_only finds; preparing writes check.json.",
)
# Others have --num_partitions and --overwrite too; a process runs one binary.
_NUM_PARTITIONS = flags.DEFINE_integer(
    "num_partitions",
    4,
    "S: the check warns of volumes with fewer slices, which cannot be pre-trained on.",
    1,
    allow_override=True,
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", 0, "Processes; 0: one for each core.", 0
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite",
    False,
    "Replace the cohort in --output if it was prepared with other settings or files.",
    allow_override=True,
)
_SIZE = flags.DEFINE_list(
    "size_px",
    [str(extent) for extent in _DEFAULT.size_px],
    "Rows and columns of a prepared slice, pixels; one number for both.",
)
_SPACING = flags.DEFINE_float(
    "spacing_mm", _DEFAULT.spacing_mm, "In-plane pixel size, mm.", lower_bound=1e-3
)
_PERCENTILES = flags.DEFINE_list(
    "percentiles",
    [f"{value:g}" for value in _DEFAULT.percentiles],
    "Percentiles of a volume's intensity that become 0 and 1.",
)
_WINDOW = flags.DEFINE_list(
    "window",
    None,
    "Two intensities (Hounsfield units of CT) that become 0 and 1, clipped, instead of "
    "--percentiles.",
)
_BIAS = flags.DEFINE_bool(
    "bias_correction", _DEFAULT.bias_correction, "Correct the bias field by N4 first."
)
_BIAS_SHRINK = flags.DEFINE_integer(
    "bias_shrink",
    _DEFAULT.bias_shrink,
    "In-plane factor by which averaging shrinks the image that N4 fits its field to; "
    "the time falls with its square. Images of more than 512 pixels are shrunk to "
    "the size that one of 512 would have.",
    1,
)
_BIAS_LEVELS = flags.DEFINE_integer(
    "bias_levels",
    _DEFAULT.bias_levels,
    "Levels of N4, each finer by a factor of two.",
    1,
)
_BIAS_ITERATIONS = flags.DEFINE_integer(
    "bias_iterations",
    _DEFAULT.bias_iterations,
    "Iterations of N4 at each level, at most.",
    1,
)
_BIAS_CONVERGENCE = flags.DEFINE_float(
    "bias_convergence",
    _DEFAULT.bias_convergence,
    "A level ends when N4's field changes by less than this between iterations.",
    lower_bound=0.0,
)


def preparation_config() -> PreparationConfig:
    """What to prepare, and how.

    Raises:
      UserError: a flag is missing or has a bad value.
    """
    if not _SOURCE.value:
        raise errors.UserError("--source=DIR is needed: the folder of the dataset.")
    if not _OUTPUT.value and not _CHECK_ONLY.value:
        raise errors.UserError("--output=DIR is needed (or --check_only).")
    if _REPORT.value and not _CHECK_ONLY.value:
        raise errors.UserError(
            f"--report={_REPORT.value} goes with --check_only: preparing writes what "
            "the check finds into check.json in --output."
        )
    _refuse_unused()
    return PreparationConfig(
        source=_SOURCE.value,
        output=_OUTPUT.value,
        format=_FORMAT.value,
        labels=_LABELS.value,
        label_names=_label_names(),
        acdc_frames=_ACDC_FRAMES.value,
        channel=_CHANNEL.value or 0,
        channels=_channels(),
        labelled_slices=_LABELLED_SLICES.value,
        ignore_label=_IGNORE_LABEL.value,
        subject_pattern=_SUBJECT_PATTERN.value,
        num_partitions=_NUM_PARTITIONS.value,
        num_workers=_NUM_WORKERS.value,
        overwrite=_OVERWRITE.value,
        strict=_STRICT.value,
        skip_bad=_SKIP_BAD.value,
        settings=config.PreprocessingConfig(
            size_px=pairs.pair(_SIZE, int),
            spacing_mm=_SPACING.value,
            percentiles=pairs.pair(_PERCENTILES, float),
            window=pairs.pair(_WINDOW, float) if _WINDOW.value else None,
            bias_correction=_BIAS.value,
            bias_shrink=_BIAS_SHRINK.value,
            bias_levels=_BIAS_LEVELS.value,
            bias_iterations=_BIAS_ITERATIONS.value,
            bias_convergence=_BIAS_CONVERGENCE.value,
        ),
    )


def _refuse_unused() -> None:
    """Refuses typed flags that others leave without effect.

    They would be recorded, and make cohorts of equal slices count as different.
    """
    if _WINDOW.value and command_line.is_given(_PERCENTILES.name):
        raise errors.UserError(
            f"--{_PERCENTILES.name} has no effect with --{_WINDOW.name}, which says "
            "itself what becomes 0 and 1: leave one of them out."
        )
    of_bias = (_BIAS_SHRINK, _BIAS_LEVELS, _BIAS_ITERATIONS, _BIAS_CONVERGENCE)
    for flag in () if _BIAS.value else of_bias:
        if command_line.is_given(flag.name):
            raise errors.UserError(
                f"--{flag.name} has no effect without --{_BIAS.name}: leave it out, or "
                "correct the bias field."
            )


def _channels() -> Optional[tuple[str, ...]]:
    if _CHANNELS.value is None:
        return None
    names = tuple(name.strip() for name in _CHANNELS.value)
    if _CHANNEL.value is not None:
        raise errors.UserError(
            f"--channel={_CHANNEL.value} and --channels={','.join(names)}: give only "
            "one of these flags; --channels also takes a single channel."
        )
    if not names or not all(names):
        raise errors.UserError(
            "--channels must be numbers or names separated by commas, such as "
            f"T2,ADC; found {','.join(names)!r}."
        )
    return names


def check_only() -> bool:
    """Whether to check and write nothing."""
    return _CHECK_ONLY.value


def report_file() -> Optional[str]:
    """Where to write what a check finds."""
    return _REPORT.value


def _label_names() -> Optional[tuple[str, ...]]:
    names = tuple(_LABEL_NAMES.value or ())
    if names and names[0].strip().lower() == "background":
        names = names[1:]  # dataset.json lists background first, too.
    if any(name.strip().lower() == "background" for name in names):
        raise errors.UserError(
            "--label_names: background must be named first or not at all, found "
            f"{','.join(names)!r}."
        )
    if not all(names) or len(set(names)) < len(names):
        raise errors.UserError(
            "--label_names must be different names separated by commas, found "
            f"{','.join(names)!r}."
        )
    return names or None
