"""The seccomp layer: an allow-list of system calls, compiled to a BPF program by hand.

An allow-list, because new system calls appear with every kernel. What is not
listed fails with EPERM instead of killing the process, so that a library that
merely probes for something goes on without it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

# name: (x86_64, aarch64); None where the architecture has no such call
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # memory; mprotect with PROT_EXEC is how XLA runs what it compiles
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216),
    "madvise": (28, 233), "brk": (12, 214), "mincore": (27, 232), "membarrier": (324, 283),
    # threads, which the clone rule below admits
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "gettid": (186, 178),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    "set_tid_address": (218, 96), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    # signals of its own
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    # files that are open, or that Landlock lets it read
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "close": (3, 57), "lseek": (8, 62), "fstat": (5, 80), "newfstatat": (262, 79),
    "stat": (4, None), "lstat": (6, None), "statx": (332, 291), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17),
    "dup": (32, 23), "poll": (7, None), "ppoll": (271, 73), "pipe2": (293, 59),
    "eventfd2": (290, 19), "epoll_create1": (291, 20), "epoll_ctl": (233, 21),
    "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    # clocks, randomness, who am I
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "getrandom": (318, 278),
    "getpid": (39, 172), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179),
    "getrusage": (98, 165), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_OPEN, _OPENAT = (2, None), (257, 56)
_CLONE, _CLONE3 = (56, 220), (435, 435)
_TGKILL, _PRCTL, _PRLIMIT, _FCNTL = (234, 131), (157, 167), (302, 261), (72, 25)

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38

_LOAD_WORD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_THREAD = 0x00010000
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


def install() -> str:
    """Install the filter on this process for good; returns a phrase about it.

    ``no_new_privs`` must be set. Raises ``OSError`` if the kernel refuses.
    """
    program = build(platform.machine(), os.getpid())
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    pointer = ctypes.create_string_buffer(fprog, len(fprog))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP) failed")
    return f"{len(_ALLOWED)} system calls allowed"


def build(machine: str, pid: int) -> list[Instruction]:
    """Return the BPF program for an architecture and the process it is for.

    Raises:
      OSError: the architecture is not known.
    """
    if machine not in _AUDIT_ARCH:
        raise OSError(f"no system call table for {machine}")
    column = list(_AUDIT_ARCH).index(machine)
    program: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        program += _when(numbers[column], [(_RETURN, 0, 0, _ALLOW)])
    # glibc falls back from clone3, whose flags cannot be inspected, to clone
    program += _when(_CLONE3[column], [(_RETURN, 0, 0, _ERRNO | _ENOSYS)])
    program += _when(_CLONE[column], _if_bits(0, _CLONE_THREAD, _ALLOW, _ERRNO | _EPERM))
    # opening for writing is refused here already; what may be read is Landlock's to say
    program += _when(_OPEN[column], _if_bits(1, _WRITE_FLAGS, _ERRNO | _EPERM, _ALLOW))
    program += _when(_OPENAT[column], _if_bits(2, _WRITE_FLAGS, _ERRNO | _EPERM, _ALLOW))
    # abort() signals its own process
    program += _when(_TGKILL[column], _if_equal(0, (pid,)))
    program += _when(_PRCTL[column], _if_equal(0, (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA)))
    # not F_SETOWN and F_SETSIG, which send any signal to any process of the same user
    program += _when(_FCNTL[column], _if_equal(1, _FCNTL_COMMANDS))
    # reading its own limits is fine, setting any is not: the new limits must be a null pointer
    program += _when(_PRLIMIT[column], _if_equal(2, (0,)))
    return [*program, (_RETURN, 0, 0, _ERRNO | _EPERM)]


def _when(number: int | None, then: list[Instruction]) -> list[Instruction]:
    """Run ``then``, which must return, if the loaded system call number is ``number``."""
    return [] if number is None else [(_JUMP_EQUAL, 0, len(then), number), *then]


def _if_bits(argument: int, bits: int, then: int, otherwise: int) -> list[Instruction]:
    return [
        (_LOAD_WORD, 0, 0, _ARGUMENTS + 8 * argument),
        (_JUMP_SET, 0, 1, bits),
        (_RETURN, 0, 0, then),
        (_RETURN, 0, 0, otherwise),
    ]


def _if_equal(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow if both halves of a 64-bit argument match one of ``values``, each below 2**32."""
    program: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _ARGUMENTS + 8 * argument + 4),
        (_JUMP_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_LOAD_WORD, 0, 0, _ARGUMENTS + 8 * argument),
    ]
    for value in values:
        program += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*program, (_RETURN, 0, 0, _ERRNO | _EPERM)]
