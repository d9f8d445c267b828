"""Where generated Python runs: a short-lived child process that can do arithmetic and answer.

A warm parent (``server``) forks a child for each program. Before the child looks
at the program it gives up new privileges, the root user, all of the environment
but a few harmless variables, memory and processor time beyond a limit, every
file but Python's own libraries (Landlock), and every system call but some seventy
(seccomp). It answers over a pipe, and is killed after a wall-clock limit.

Not protected from:

- faults of the kernel, of the processor (side channels), of CPython's and XLA's
  machine code as far as a compromised child can reach the kernel through the
  system calls that are left;
- a compromised child that answers with a *different reward* than its text says:
  the answer is verified to be pure arithmetic of the right signature
  (``reward.verify``), not to be the program's;
- a look at names, sizes and dates of files: Landlock guards their contents only;
- the use of a processor core and up to 4 GiB of memory until the wall clock ends it;
- layers that a machine lacks. On other systems than Linux there are none of
  Landlock and seccomp; without root there is no other user to become. The layers
  are listed at start-up, and ``sandbox=strict`` refuses to go on without them all;
- a reward that is merely bad.
"""

from reward_synth.reward.sandbox.client import Sandbox
from reward_synth.reward.sandbox.layers import Layer

__all__ = ["Layer", "Sandbox"]
