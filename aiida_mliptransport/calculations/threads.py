"""Limit the threads of the programs in a job unless the user set them."""

from __future__ import annotations

#: What NumPy, LAMMPS, DeePMD-kit and TensorFlow look at.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "DP_INTRA_OP_PARALLELISM_THREADS",
    "DP_INTER_OP_PARALLELISM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def thread_limits(threads: int = 1) -> str:
    """Return shell lines for ``CalcInfo.prepend_text`` that set the number of threads.

    A variable that ``metadata.options.environment_variables`` or the computer sets is kept.
    Small models run slower on several threads, and several jobs share one machine.
    """
    return "".join(f'export {name}="${{{name}:-{threads}}}"\n' for name in THREAD_VARIABLES)
