#!/usr/bin/env python3
"""Compares a trained model's masks with the truth."""

import logging
import pathlib

from dscl_flags import binary, evaluation, inference, masks

USAGE = """
dscl-evaluate --model=RUN|SAVEDMODEL --prepared=DIR --output=DIR [--subset=test]

Dice, HD95 and ASSD (mm) of each structure at the original resolution, and with
--nsd_tolerance_mm the normalised surface Dice at that tolerance. Writes
summary.json (nnU-Net's keys), cases.csv, masks/, overlays/, contact_sheet.png and,
with --beside=OTHER, beside.png: both models' masks of some volumes.
When truth and prediction are both empty a structure does not apply: it is left out
of the means and counted. When one of them is empty Dice and surface Dice are 0 and
the distances are infinite: it is counted as missed (truth only) or spurious
(prediction only). Means have 95 % bootstrap intervals over subjects. Volumes are in ml,
with their bias.
"""


def main() -> None:
    """Evaluates what the flags name."""
    model, output = inference.model(), inference.output()
    prepared, subset = evaluation.prepared(), evaluation.subset()
    split, nsd_tolerance_mm = evaluation.split(), evaluation.nsd_tolerance_mm()
    other = evaluation.beside()
    # Imported after the flags are checked, since TensorFlow takes seconds to import.
    from dscl_tf.inference import beside, evaluate, log_tables, predictor

    settings = evaluate.EvaluationConfig(
        prepared,
        output,
        subset,
        split,
        inference.overwrite(),
        evaluation.pictures(),
        nsd_tolerance_mm,
        masks.mask_values(),
    )
    opened = predictor.open_predictor(model, last=inference.last())
    content = evaluate.evaluate(opened, settings)
    tables = log_tables.tables(content)
    logging.info("Means of %d cases:\n%s", content["num_cases"], tables)
    if other:
        beside.draw(pathlib.Path(output), other, prepared)
        logging.info("Side by side: %s/%s", output, beside.FILE)
    if settings.pictures:
        logging.info("Pictures: %s/contact_sheet.png and %s/overlays", output, output)


def cli() -> None:
    """Entry point of `dscl-evaluate`."""
    binary.run(main, [inference, evaluation, masks], USAGE)


if __name__ == "__main__":
    cli()
