"""The allocator of Arrow's memory: one that gives back to the system what chunks no longer need.

Arrow's default allocator keeps what one thread allocates and another frees, so that a pass over ten row groups of
Parquet held nearly twice the memory of a pass over one. jemalloc, which Arrow brings along on Linux and macOS, does not
when it is told to wait for 200 ms only (not to wait at all doubles the time of reading), and to let all threads share
one arena: one thread decodes what another frees, and an arena of an idle thread gives nothing back. The environment's
`ARROW_DEFAULT_MEMORY_POOL` overrides the choice. Arrow reads its settings once, when it is loaded: import blocks before
pandas or TensorFlow, which load it, for the full effect.
"""

import os
import sys


def use_frugal_pool() -> None:
    """Have Arrow use jemalloc and give freed memory back soon, unless the environment names another allocator."""
    if sys.platform not in ("linux", "darwin") or "ARROW_DEFAULT_MEMORY_POOL" in os.environ:
        return
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "jemalloc"
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "narenas:1,dirty_decay_ms:200,muzzy_decay_ms:0")
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and "jemalloc" in arrow.supported_memory_backends():
        # too late for what Arrow's own code allocates, in time for what is allocated from Python
        arrow.jemalloc_set_decay_ms(200)
        arrow.set_memory_pool(arrow.jemalloc_memory_pool())
