"""Datasets of every layout as they are downloaded, traps included, at toy size.

Each function writes one dataset below `root` and returns the folder that a user would
name as --source. Volumes are some voxels wide, so that a whole dataset takes a second.
"""

import gzip
import itertools
import json
import pathlib
import struct

import numpy as np
import SimpleITK as sitk

# Three axis orders and directions that MM-WHS has among its cases, and one more.
AXIS_ORDERS = ("LPS", "RAS", "PIR", "ASL")
MMWHS_VALUES = (0, 205, 420, 500, 550, 600, 820, 850)
_SROWS = 280  # Byte of the sform's rows in a NIfTI header.
_CODES = 252  # Of the codes of qform and sform, two bytes each.


def subject(seed, num_structures=3, shape=(6, 24, 20)):
    """An image of nested blocks on noise and its labels.

    Args:
      seed: of noise and position.
      num_structures: labels 1 to this are there, in every slice but the first.
      shape: slices, rows, columns; the last two at least 3 * num_structures + 6.

    Returns:
      int16 and uint8 arrays [Q, rows, columns].
    """
    rng = np.random.default_rng(seed)
    top, left = rng.integers(1, 4, 2)
    label = np.zeros(shape, np.uint8)
    for k in range(num_structures):
        # Three pixels a structure: more than any resampling here takes away.
        label[1:, top + 3 * k : top + 3 * k + 3, left : left + 9 + k] = k + 1
    image = 80 + 60.0 * label + rng.normal(0, 8, shape)
    return image.astype(np.int16), label


def volume(values, spacing_mm=(1.5, 1.5, 8.0), order="LPS", origin=(-20, 10, 5)):
    """A SimpleITK image of an array [Q, rows, columns], its axes in another order."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_mm)
    image.SetOrigin(origin)
    return sitk.DICOMOrient(image, order)


def write(image, path):
    """Writes an image, with the folders above it, and the `._` file that macOS adds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    return path


def change_header(path, edit):
    """Lets `edit` change the bytes of a .nii or .nii.gz file in place."""
    packed = path.name.endswith(".gz")
    content = path.read_bytes()
    content = bytearray(gzip.decompress(content) if packed else content)
    edit(content)
    path.write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))


def set_sform(path, rows, codes=(1, 1)):
    """Sets the sform (12 numbers) and the codes of qform and sform of a NIfTI file."""

    def edit(content):
        struct.pack_into("<2h", content, _CODES, *codes)
        struct.pack_into("<12f", content, _SROWS, *rows)

    change_header(path, edit)


def unscale_sform(path):
    """The header that nearly every ACDC file has: an sform whose scale is 1."""
    set_sform(path, [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0])


def shear(path):
    """A header whose only orientation has axes that are not at right angles."""
    set_sform(path, [1.5, 0.5, 0, 0, 0, 1.5, 0.3, 0, 0, 0.4, 8, 0], codes=(0, 1))


def acdc(root, training=(1, 2, 90), testing=(101,), num_frames=12):
    """ACDC: root/ACDC/database/{training,testing}; the testing patients unlabelled.

    Frame 1 is ED and the last ES, but patient090 has ED 11 and ES 4.
    """
    base = pathlib.Path(root) / "ACDC" / "database"
    for part, numbers in ("training", training), ("testing", testing):
        for number in numbers:
            _acdc_patient(base / part, number, num_frames, part == "training")
        if numbers:
            (base / part / "MANDATORY_CITATION.md").write_text("Bernard et al., 2018\n")
            (base / part / "._patient001").mkdir(exist_ok=True)
    return base.parent


def _acdc_patient(part, number, num_frames, labelled):
    name = f"patient{number:03d}"
    folder = part / name
    ed, es = (11, 4) if number == 90 else (1, num_frames)
    image, label = subject(number)
    # Each frame of the cine differs from the others by a constant.
    cine = [volume(image + k) for k in range(num_frames)]
    written = [write(sitk.JoinSeries(cine), folder / f"{name}_4d.nii.gz")]
    for frame in (ed, es):
        stem = f"{name}_frame{frame:02d}"
        written.append(write(cine[frame - 1], folder / f"{stem}.nii.gz"))
        if labelled:
            written.append(write(volume(label), folder / f"{stem}_gt.nii.gz"))
    for path in written:
        unscale_sform(path)
    (folder / "Info.cfg").write_text(
        f"ED: {ed}\nES: {es}\nGroup: DCM\nHeight: 184.0\nNbFrame: {num_frames}\n"
        "Weight: 95.0\n"
    )


def decathlon(root, training=(0, 1, 2), testing=(3,)):
    """Task05_Prostate: 4-D images of T2 and ADC; the ADC is 1000 less the T2."""
    base = pathlib.Path(root) / "Task05_Prostate"
    for number in (*training, *testing):
        kind = "Tr" if number in training else "Ts"
        name = f"prostate_{number:02d}.nii.gz"
        image, label = subject(number, num_structures=2)
        geometry = {"spacing_mm": (0.625, 0.625, 3.6), "order": "RAS"}
        channels = [volume(values, **geometry) for values in (image, 1000 - image)]
        write(sitk.JoinSeries(channels), base / f"images{kind}" / name)
        if kind == "Tr":
            write(volume(label, **geometry), base / "labelsTr" / name)
    content = {
        "name": "PROSTATE",
        "tensorImageSize": "4D",
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "PZ", "2": "TZ"},
        "numTraining": len(training),
        "numTest": len(testing),
        "training": [
            {
                "image": f"./imagesTr/prostate_{number:02d}.nii.gz",
                "label": f"./labelsTr/prostate_{number:02d}.nii.gz",
            }
            for number in training
        ],
        "test": [f"./imagesTs/prostate_{number:02d}.nii.gz" for number in testing],
    }
    write_json(base / "dataset.json", content)
    return base


def mmwhs(root, modality="mr", training=(1001, 1002, 1003), testing=(2001,)):
    """MM-WHS: every case in another axis order; the second has the stray value 421."""
    base = pathlib.Path(root) / "MM-WHS"
    for position, number in enumerate((*training, *testing)):
        order = AXIS_ORDERS[position % len(AXIS_ORDERS)]
        geometry = {"spacing_mm": (1.5, 1.5, 1.8), "order": order}
        image, label = subject(number, num_structures=7, shape=(8, 30, 28))
        if modality == "ct":
            image = 3 * image - 400  # Hounsfield units of fat to contrast agent.
        raw = np.array(MMWHS_VALUES, np.uint16)[label]
        if position == 1:
            first = np.argwhere(raw == 420)[:5]
            raw[tuple(first.T)] = 421
        kind = "train" if number in training else "test"
        stem = base / f"{modality}_{kind}" / f"{modality}_{kind}_{number}"
        write(volume(image, **geometry), stem.with_name(f"{stem.name}_image.nii.gz"))
        if kind == "train":
            write(volume(raw, **geometry), stem.with_name(f"{stem.name}_label.nii.gz"))
    return base


def nnunet(root, training=(1, 2, 3), testing=(4,), suffix=".nii.gz"):
    """Dataset005_Prostate: two channels, each a file; the ADC is 1000 less the T2."""
    base = pathlib.Path(root) / "nnUNet_raw" / "Dataset005_Prostate"
    for number in (*training, *testing):
        kind = "Tr" if number in training else "Ts"
        name = f"prostate_{number:03d}"
        image, label = subject(number, num_structures=2)
        for channel, values in enumerate((image, 1000 - image)):
            path = base / f"images{kind}" / f"{name}_{channel:04d}{suffix}"
            write(volume(values), path)
        if kind == "Tr":
            write(volume(label), base / "labelsTr" / f"{name}{suffix}")
    content = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "PZ": 1, "TZ": 2},
        "numTraining": len(training),
        "file_ending": suffix,
    }
    write_json(base / "dataset.json", content)
    return base


def folder(root, num_volumes=4, num_labelled=3):
    """images/ in all formats, and labels/ of the first; returns images/."""
    base = pathlib.Path(root) / "own"
    for number in range(num_volumes):
        image, label = subject(number)
        suffix = (".nii.gz", ".nrrd", ".mha", ".nii")[number % 4]
        write(volume(image), base / "images" / f"case{number}{suffix}")
        if number < num_labelled:
            write(volume(label), base / "labels" / f"case{number}.nii.gz")
    (base / "images" / "notes.txt").write_text("scanned in 2019\n")
    return base / "images"


def channels(root, ends=("_t2", "-ADC"), num_volumes=4):
    """mr/images/ with a file for each channel of a case, and mr/labels/.

    The names end in `ends`; every other channel is 1000 less the first.
    """
    base = pathlib.Path(root) / "mr"
    for number in range(num_volumes):
        image, label = subject(number, num_structures=2)
        for end, values in zip(ends, itertools.cycle((image, 1000 - image))):
            path = base / "images" / f"case{number}{end}.nii.gz"
            write(volume(values), path)
        write(volume(label), base / "labels" / f"case{number}.nii.gz")
    return base / "images"


def few_slices(root, num_volumes=5, num_labelled=4):
    """few/images/, and few/labels/ with structures in three slices of eight."""
    base = pathlib.Path(root) / "few"
    for number in range(num_volumes):
        image, label = subject(number, shape=(8, 24, 20))
        write(volume(image), base / "images" / f"case{number}.nii.gz")
        if number < num_labelled:
            label[[0, 1, 3, 5, 7]] = 0
            write(volume(label), base / "labels" / f"case{number}.nii.gz")
    return base / "images"


def nnunet_ignore(root):
    """Dataset006_Few: as `nnunet`, most slices of each label ignored."""
    base = nnunet(root).rename(pathlib.Path(root) / "nnUNet_raw" / "Dataset006_Few")
    for number in (1, 2, 3):
        _, label = subject(number, num_structures=2)
        label[[0, 2, 4]] = 3
        label[:, :, 16:] = 3  # Parts of the others, too.
        write(volume(label), base / "labelsTr" / f"prostate_{number:03d}.nii.gz")
    labels = {"background": 0, "PZ": 1, "TZ": 2, "ignore": 3}
    edit_json(base / "dataset.json", labels=labels)
    return base


def dicom(root, num_volumes=4, num_labelled=3):
    """dicom/images/ of a folder for each patient, and dicom/labels/ of the first."""
    from dscl_tf.cohort import dicom_series
    from tests import dicom_making

    base = pathlib.Path(root) / "dicom"
    for number in range(num_volumes):
        image, label = subject(number)
        patient = {"PatientID": f"A{number}77", "PatientName": f"Roe^{number}"}
        folder = base / "images" / f"scan{number}"
        paths = dicom_making.write_series(folder, image.astype(int), **patient)
        dicom_making.write_report(folder / "report.dcm", **patient)
        if number < num_labelled:
            truth = sitk.GetImageFromArray(label)
            truth.CopyInformation(dicom_series.read(paths[0]))
            name = dicom_series.of(paths[0]).name
            write(truth, base / "labels" / f"{name}.nii.gz")
    return base / "images"


def write_json(path, content):
    """Writes a dataset.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def edit_json(path, **changes):
    """Changes values of a dataset.json; None removes one."""
    content = json.loads(path.read_text())
    content.update(changes)
    write_json(path, {k: v for k, v in content.items() if v is not None})
