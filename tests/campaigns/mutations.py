"""Seeded damage to the files of a dataset or a run, one piece at a time."""

import gzip
import json
import os
import struct

_VALUES = (
    None, True, -1, 0,
    2**40, 10**30, 1.5, float("nan"), float("inf"), "", "x", "../x",
    "/etc/passwd", "a\x00b", "\ud800", "a" * 5000, [], [[]], {}, {"a": 1}, ["a"],
    [1, 2],
)  # fmt: skip
_TEXTS = (
    b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"1" * 5000, b"[" * 100_000,
    b'{"format": ' + b"9" * 5000 + b"}", b"ED: x\nES: 1\n", b"ED: 99\nES: -1\n",
    b"\n\n",
)  # fmt: skip
_NAMES = (" a b", "\u00e4\u6f22", "new\nline", "-leading", "n" * 200, "semi;colon", "'")
_DIMENSIONS = (-1, 0, 1, 7, 32767)


def mutate(path, rng):
    """Damages `path` in place (or renames it); says how."""
    if path.suffix == ".json" and rng.random() < 0.75:
        return _json(path, rng)
    kinds = [_truncate, _bytes, _rename]
    if path.name.endswith((".nii", ".nii.gz")):
        kinds += [_nifti_dimension, _nifti_header] * 2
    elif path.suffix in (".json", ".cfg"):
        kinds += [_text] * 3
    elif path.suffix in (".nrrd", ".mha"):
        kinds += [_header_number] * 3
    return kinds[rng.integers(len(kinds))](path, rng)


def _truncate(path, rng):
    size = int(rng.integers(0, max(path.stat().st_size, 1)))
    os.truncate(path, size)
    return f"cut to {size} bytes"


def _bytes(path, rng):
    content = bytearray(path.read_bytes()) or bytearray(1)
    places = rng.integers(0, min(len(content), 400), 8)
    for place in places:
        content[place] = int(rng.integers(256))
    path.write_bytes(bytes(content))
    return f"bytes {sorted(places.tolist())}"


def _rename(path, rng):
    name = _NAMES[rng.integers(len(_NAMES))]
    path.rename(path.with_name(name + "".join(path.suffixes)))
    return f"renamed {name!r}"


def _text(path, rng):
    text = _TEXTS[rng.integers(len(_TEXTS))]
    path.write_bytes(text)
    return f"text {text[:20]!r}"


def _header_number(path, rng):
    content = path.read_bytes()
    for word in (b"sizes: ", b"DimSize = "):
        value = (b"-1 ", b"0 ", b"999999999 ", b"x ")[rng.integers(4)]
        content = content.replace(word, word + value, 1)
    path.write_bytes(content)
    return f"size {value!r}"


def _edit_nifti(path, place, packed):
    content = path.read_bytes()
    try:
        raw = bytearray(gzip.decompress(content))
    except gzip.BadGzipFile:
        raw = bytearray(content)
    raw[place : place + len(packed)] = packed
    zipped = path.name.endswith(".gz")
    path.write_bytes(gzip.compress(bytes(raw), 1) if zipped else bytes(raw))


def _nifti_dimension(path, rng):
    axis, extent = int(rng.integers(8)), _DIMENSIONS[rng.integers(len(_DIMENSIONS))]
    _edit_nifti(path, 40 + 2 * axis, struct.pack("<h", extent))
    return f"dim[{axis}] = {extent}"


def _nifti_header(path, rng):
    place = int(rng.integers(0, 344))
    value = (float("nan"), float("inf"), -1.0, 0.0, 1e30)[rng.integers(5)]
    _edit_nifti(path, place, struct.pack("<f", value))
    return f"header byte {place} = {value}"


def _json(path, rng):
    content = json.loads(path.read_text())
    holder, key = content, None
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[rng.integers(len(keys))]
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.3:
            break
        holder = inner
    if rng.random() < 0.2:
        del holder[key]
        path.write_text(json.dumps(content))
        return f"without {key!r}"
    holder[key] = _VALUES[rng.integers(len(_VALUES))]
    path.write_text(json.dumps(content))
    return f"{key!r} = {str(holder[key])[:30]!r}"
