"""Test tool only: run a program of a job and spoil what it leaves, or do not run it at all.

Called as ``spoil.py FAULT PROGRAM ARGUMENTS…`` in the working directory of the job.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def fill_with_garbage(path):
    path.write_bytes(random.Random(path.name).randbytes(500))


def write_other_json(path):
    """Replace what is JSON by other JSON, and anything else by nothing."""
    path.write_text("[1, 2]\n" if path.suffix in (".json", ".jsonl") else "")


def put_nan(path):
    """Replace the numbers of a file, all but the steps, by NaN."""
    if path.suffix == ".npy":
        values = np.load(path)
        if values.dtype.kind == "f":
            np.save(path, np.full_like(values, np.nan))
    elif path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = {k: np.full_like(v, np.nan) if v.dtype.kind == "f" else v
                      for k, v in archive.items()}  # fmt: skip
        np.savez(path, **arrays)
    elif path.suffix == ".bin":
        # The last number of a dump is a coordinate of its last frame.
        path.write_bytes(path.read_bytes()[:-8] + np.array(np.nan, dtype="<f8").tobytes())
    elif path.name in ("lcurve.out", "thermo.txt", "model_devi.out"):
        lines = path.read_text().splitlines()
        lines = [
            line if line.startswith("#") else re.sub(r"(?<=\s)[-+.\de]+", "nan", line)
            for line in lines
        ]
        path.write_text("\n".join(lines) + "\n")


SPOILERS = {
    "truncated": truncate,
    "nan": put_nan,
    "garbage": fill_with_garbage,
    "other_json": write_other_json,
}


def state():
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}


def main(fault, command):
    if fault == "exit_1":
        print("something is wrong", flush=True)
        return 1
    if fault == "nothing":
        return 0
    if fault == "hang":
        time.sleep(1000)
    before = state()
    output = subprocess.run(command, stdout=subprocess.PIPE).stdout
    sys.stdout.buffer.write(output)
    sys.stdout.flush()
    for path, when in state().items():
        # The log is what this program prints.
        if before.get(path) != when and not path.name.endswith(".log"):
            SPOILERS[fault](path)
    if fault == "garbage":
        sys.stdout.buffer.write(b"\xff\xfe\x00 no text \x80\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
