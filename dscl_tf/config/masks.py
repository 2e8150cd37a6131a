"""What may be chosen of masks."""

# What voxels of masks say for a class: its value in the dataset's labels, or itself.
DATASET, CLASSES = "dataset", "classes"
MASK_VALUES = (DATASET, CLASSES)

# The images' own formats, or what 3D Slicer opens as a segmentation.
INPUT, SEG_NRRD = "input", "seg_nrrd"
MASK_FORMATS = (INPUT, SEG_NRRD)
