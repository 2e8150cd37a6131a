"""The choices that there are for masks."""

# The voxel value of a class: its value in the dataset's labels, or the class's number.
DATASET, CLASSES = "dataset", "classes"
MASK_VALUES = (DATASET, CLASSES)

# The format of the input image, or .seg.nrrd, which 3D Slicer opens as a segmentation.
INPUT, SEG_NRRD = "input", "seg_nrrd"
MASK_FORMATS = (INPUT, SEG_NRRD)
