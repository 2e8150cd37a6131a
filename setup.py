"""Packaging: `pip install .` puts the library and the dscl-* binaries on PATH."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+?)"', (ROOT / "dscl_tf/__init__.py").read_text()
).group(1)
BINARIES = (
    "phantom",
    "prepare",
    "train",
    "evaluate",
    "predict",
    "export",
    "experiment",
    "report",
)

# Two stacks (docs/libraries.md). Of the later one Keras 2 is a package of its own.
TENSORFLOW = [
    "tensorflow==2.15.1; python_version<'3.12'",
    "tensorflow-addons==0.23.0; python_version<'3.12'",
    "tensorflow==2.21.*; python_version>='3.12'",
    "tf-keras==2.21.*; python_version>='3.12'",
    "tensorboard>=2.21; python_version>='3.12'",  # 2.15 brings its own,
    "setuptools<82; python_version<'3.12'",  # which imports pkg_resources.
]
# The CUDA libraries of NVIDIA GPUs (docs/gpu.md).
CUDA = [
    "tensorflow[and-cuda]==2.15.1; python_version<'3.12'",
    "tensorflow[and-cuda]==2.21.*; python_version>='3.12'",
]
REPORT = ["jinja2>=3", "plotly>=5"]
# The last highdicom for Python 3.9 knows pydicom 2 alone.
DICOM = ["highdicom>=0.22", "pydicom>=2.4", "pydicom<3; python_version<'3.10'"]

setuptools.setup(
    name="dscl_tf",
    version=VERSION,
    description="Contrastive pre-training for segmenting volumetric medical images "
    "from very few labelled volumes",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.9,<3.14",
    # The top-level folders `flags` and `bin` install under names of our own, since
    # `flags` and `bin` in site-packages would collide with other projects.
    package_dir={"dscl_flags": "flags", "dscl_bin": "bin"},
    packages=[
        *setuptools.find_packages(include=["dscl_tf", "dscl_tf.*"]),
        "dscl_flags",
        "dscl_bin",
    ],
    package_data={
        "dscl_flags": ["presets/*.flags", "recipes/*.flags"],
        "dscl_tf": [
            "cohort/paper_splits/*.json",
            "experiments/paper_tables.json",
            "reporting/templates/*",
        ],
    },
    install_requires=[
        *TENSORFLOW,
        "numpy>=1.25,<2; python_version<'3.12'",
        "numpy>=1.26; python_version>='3.12'",
        "SimpleITK>=2.3",
        "nibabel>=5",
        "absl-py>=2.0",
        "matplotlib>=3.7",
        "pillow>=9",
    ],
    extras_require={
        "cuda": CUDA,
        "ray": ["ray>=2.7,<2.11"],
        "dicom": DICOM,
        "report": REPORT,
        "test": [
            "pytest>=7",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff",
            "nilearn",
            "scipy",
            *DICOM,
            *REPORT,
        ],
    },
    entry_points={
        "console_scripts": [f"dscl-{name}=dscl_bin.{name}:cli" for name in BINARIES],
    },
)
