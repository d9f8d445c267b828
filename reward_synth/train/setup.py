"""How JAX is set up for training; called once, before JAX computes anything."""

from __future__ import annotations

import os
from pathlib import Path


def configure_jax(cache: Path | None) -> None:
    """Set XLA up for many small computations side by side.

    Networks this small are faster on one thread each, and give the same bits
    whatever the number of cores; parallelism comes from members and physics. What is set
    concerns the CPU only: a GPU that JAX finds is used as it is.

    Args:
      cache: folder of the persistent compilation cache, shared by all runs; None for none.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    import jax

    if cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
