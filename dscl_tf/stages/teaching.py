"""What a teacher's labels are used for in fine-tuning: for which volumes, as what."""

from typing import Optional

from dscl_tf import config, errors
from dscl_tf.pipeline import batches, sampling
from dscl_tf.pipeline.batches import PseudoLabelled
from dscl_tf.pipeline.streams import Stream
from dscl_tf.stages.session import Session
from dscl_tf.training import pseudo_labels


def make_labels(session: Session) -> None:
    """Has the teacher label the unlabelled volumes, where the settings name one.

    In every process for itself, in the folder that it writes: batches are made by
    all.

    Raises:
      UserError: the teacher cannot label, or nothing would use its labels.
    """
    settings = session.config.finetune
    if settings.pseudo_labels.teacher is None:
        return
    if not (settings.pseudo_labels.as_targets or settings.class_contrast.weight):
        raise errors.UserError(
            f"{settings.pseudo_labels.teacher} would give pseudo-labels that nothing "
            "uses: take them as targets (--pseudo_targets) or give a "
            "--class_contrast_weight."
        )
    names = unlabelled(session)
    pseudo_labels.make(_labels_of(session), names, settings.pseudo_labels)


def unlabelled(session: Session) -> tuple[str, ...]:
    """The volumes that the teacher labels: `Session.unlabelled`.

    Raises:
      UserError: there are none.
    """
    names = session.unlabelled
    if not names:
        raise errors.UserError(
            "No unlabelled volume is left for pseudo-labels: all pre-training volumes "
            "are for training or validation (--num_pretrain_volumes)."
        )
    return names


def labelled_batches(
    session: Session,
    settings: config.FinetuneConfig,
    with_pseudo: bool,
    salt: int = 0,
) -> Stream:
    """Batches of labelled slices, half of them labelled by the teacher if wanted.

    Raises:
      UserError: a batch too small for two halves, or no unlabelled volume.
    """
    cohort, names = session.cohort, session.split.train
    pseudo: Optional[PseudoLabelled] = None
    if with_pseudo:
        true, given = frozenset(names), _labels_of(session)

        def label_of(name: str):
            return cohort.label(name) if name in true else given.of(name)

        pseudo = PseudoLabelled(num_labelled=len(names), label_of=label_of)
        names = (*names, *unlabelled(session))
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, names, num_partitions=1)
    return batches.finetune_batches(cohort, table, settings, pseudo, salt)


def _labels_of(session: Session) -> pseudo_labels.PseudoLabels:
    return pseudo_labels.PseudoLabels(session.run.path, session.cohort)
