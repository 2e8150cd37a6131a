"""The losses as slow float64 loops, written from the equations of docs/method.md."""

import itertools
import math

import numpy as np


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine similarity."""
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def contrast(anchor, positive, negatives, temperature: float) -> float:
    """l(a, b) of equation 1 for one pair."""
    top = math.exp(similarity(anchor, positive) / temperature)
    rest = sum(math.exp(similarity(anchor, n) / temperature) for n in negatives)
    return -math.log(top / (top + rest))


def _is_transformed_pair(view, a: int, b: int) -> bool:
    return {int(view[a]), int(view[b])} == {1, 2}


def _is_across(ids, a: int, b: int) -> bool:
    """The pairs that G^D and L^D add, by design.md's table."""
    if ids["partition"][a] != ids["partition"][b]:
        return False
    if ids["volume"][a] == ids["volume"][b]:
        return False
    both_original = ids["view"][a] == 0 and ids["view"][b] == 0
    return both_original or _is_transformed_pair(ids["view"], a, b)


def global_loss(embeddings, ids, strategy: str, temperature: float) -> float:
    """L_g: the mean over unordered positive pairs of l(a, b) + l(b, a)."""
    embeddings = np.asarray(embeddings, np.float64)
    indices = range(len(embeddings))

    def near(a, b):
        # A threshold of 0.1, as the losses' default.
        return abs(ids["position"][a] - ids["position"][b]) < 0.1

    def is_positive(a, b):
        if strategy == "positional":
            return near(a, b)
        same_image = ids["image"][a] == ids["image"][b]
        if strategy == "gr":
            return same_image and _is_transformed_pair(ids["view"], a, b)
        if same_image:
            return ids["view"][a] != ids["view"][b]
        return strategy == "gd" and _is_across(ids, a, b)

    def negatives(a):
        if strategy == "positional":
            return [embeddings[n] for n in indices if not near(a, n)]
        kind = "image" if strategy == "gr" else "partition"
        return [embeddings[n] for n in indices if ids[kind][n] != ids[kind][a]]

    pairs = [(a, b) for a, b in itertools.combinations(indices, 2) if is_positive(a, b)]
    total = sum(
        contrast(embeddings[a], embeddings[b], negatives(a), temperature)
        + contrast(embeddings[b], embeddings[a], negatives(b), temperature)
        for a, b in pairs
    )
    return total / len(pairs)


def local_loss(
    features, ids, strategy: str, size, corners, negatives, temperature
) -> float:
    """L_l: the mean over pairs of maps of 1/(2A) sum of l(a,b,r) + l(b,a,r)."""
    features = np.asarray(features, np.float64)
    corners = np.asarray(corners)
    # Regions of each map's own: [N, A, 2].
    corners_of = corners if corners.ndim == 3 else [corners] * len(features)

    def region(image, corner):
        row, column = corner
        return features[image, row : row + size, column : column + size].ravel()

    def repelling(image, number):
        """Corners of the negatives of a region in a map."""
        if negatives is not None:
            return negatives[number]
        own = corners_of[image][number]
        if corners.ndim == 2:
            return [other for other in corners if tuple(other) != tuple(own)]
        # Those that share more than half along both axes show the same place.
        return [
            other
            for other in corners_of[image]
            if not all(size - abs(gap) > size / 2 for gap in other - own)
        ]

    def one_way(a, b):
        return sum(
            contrast(
                region(a, corners_of[a][r]),
                region(b, corners_of[b][r]),
                [region(c, other) for c in (a, b) for other in repelling(c, r)],
                temperature,
            )
            for r in range(corners.shape[-2])
        )

    def is_positive(a, b):
        if ids["image"][a] == ids["image"][b]:
            return _is_transformed_pair(ids["view"], a, b)
        return strategy == "ld" and _is_across(ids, a, b)

    pairs = [
        (a, b)
        for a, b in itertools.combinations(range(len(features)), 2)
        if is_positive(a, b)
    ]
    num_regions = corners.shape[-2]
    total = sum((one_way(a, b) + one_way(b, a)) / (2 * num_regions) for a, b in pairs)
    return total / len(pairs)


def make_ids(num_volumes: int, num_partitions: int, views) -> dict:
    """The int32 ids of a batch: volumes x partitions x views, views outermost."""
    view, volume, partition = np.meshgrid(
        views, np.arange(num_volumes), np.arange(num_partitions), indexing="ij"
    )
    ids = {
        "image": volume * num_partitions + partition,
        "volume": volume,
        "partition": partition,
        "view": view,
    }
    return {name: values.ravel().astype(np.int32) for name, values in ids.items()}
