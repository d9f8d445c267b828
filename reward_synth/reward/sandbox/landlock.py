"""The Landlock layer: which files may be read; none may be written, and no network.

Landlock binds the calling thread and those it starts, so it must be applied
before JAX starts its threads.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_FILESYSTEM_RIGHTS_V1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # since ABI 2, 3 and 5
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1  # since ABI 4
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1  # since ABI 6


def abi() -> int:
    """Return the kernel's Landlock version, 0 if it has none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG))


def restrict(readable: Iterable[Path]) -> str:
    """Let this process read beneath ``readable`` only; returns a phrase about it.

    ``no_new_privs`` must be set. Raises ``OSError`` if the kernel has no Landlock or refuses.
    """
    version = abi()
    if version < 1:
        raise OSError("the kernel has no Landlock")
    rights = _FILESYSTEM_RIGHTS_V1
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        rights |= right if version >= since else 0
    network = _BIND_TCP | _CONNECT_TCP if version >= 4 else 0
    scopes = _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL if version >= 6 else 0
    attributes = struct.pack("QQQ", rights, network, scopes)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(_syscall(_CREATE_RULESET, attributes[:size], size, 0), "create_ruleset")
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        _checked(_syscall(_RESTRICT_SELF, ruleset, 0), "restrict_self")
    finally:
        os.close(ruleset)
    return f"ABI {version}, nothing writable"


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there, or not visible to this user, needs no rule
    try:
        rights = _READ_FILE | _READ_DIR | _EXECUTE if path.is_dir() else _READ_FILE
        # struct landlock_path_beneath_attr is packed
        rule = struct.pack("=Qi", rights, handle)
        _checked(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), "add_rule")
    finally:
        os.close(handle)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return libc.syscall(ctypes.c_long(number), *converted)


def _checked(result: int, name: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock_{name} failed")
    return result
