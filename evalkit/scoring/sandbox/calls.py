"""Which calls of the system a program may not make:
a filter that the kernel keeps (seccomp, filter mode).

Namespaces and limits do not count memory that no process has mapped (memfd, System V segments,
message queues) or that one process maps and another fills (shared mappings), nor what the buffers
of sockets and watches of files hold; sockets of some families (vsock) know no name space of the
network; and a new user namespace would hand a program rights over mounts. Nothing that a
solution of a problem needs is among these calls. Numbers: the kernel's tables ``syscall_64.tbl``
and ``asm-generic/unistd.h``;
layout of the filter: ``linux/filter.h``, ``linux/seccomp.h``.
"""

from __future__ import annotations

import errno
import platform
import struct

__all__ = ["calls_filter"]

_NEW = 0x7E020000
"""Flags of ``clone`` that begin a namespace of any kind but time."""
_X32 = 0x40000000
"""From here on x86-64 has the calls of a second table."""
_DENIED = {
    # memory that no process has mapped
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194)},
    **{"shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    # what reaches others: pairs of sockets stay, which event loops need
    **{"socket": (41, 198)},
    # namespaces and mounts
    **{"unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39)},
    **{"pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429)},
    **{"fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442)},
    **{"open_by_handle_at": (304, 265)},
    # other processes
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    # wide parts of the kernel
    **{"inotify_init": (253, 26), "inotify_init1": (294, 26), "fanotify_init": (300, 262)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282)},
    **{"io_uring_setup": (425, 425), "add_key": (248, 217), "request_key": (249, 218)},
    **{"keyctl": (250, 219)},
}
"""Call -> its number on x86-64 and on ARM64."""
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 9), "aarch64": (1, 0xC00000B7, 220, 222)}
"""Machine -> column above, what the kernel calls it, numbers of ``clone`` and ``mmap``."""
_SHARED = 0x40001
"""Flags of ``mmap`` for memory that is shared, or of huge pages."""
_CLONE3 = 435
"""Its flags stand in memory, where a filter cannot look;
told that it is not there, C libraries take ``clone``.
"""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def calls_filter(machine: str | None = None) -> bytes | None:
    """Return the filter as the kernel takes it, eight bytes an instruction;
    None for a machine whose calls are not known here.

    Parameters
    ----------
    machine
        As `platform.machine` says; this one when left out.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    column, audit, clone, mmap = known
    denied = sorted(numbers[column] for numbers in _DENIED.values())
    return b"".join(
        [
            _step(_LOAD, 4),  # the machine that the call is of
            _step(_EQUAL, audit, unless=1 + 1),
            _step(_LOAD, 0),  # its number
            _step(_AT_LEAST, _X32, unless=1),
            _step(_RETURN, _ERROR | errno.ENOSYS),
            *(
                part
                for number in denied
                for part in (
                    _step(_EQUAL, number, unless=1),
                    _step(_RETURN, _ERROR | errno.EPERM),
                )
            ),
            _step(_EQUAL, _CLONE3, unless=1),
            _step(_RETURN, _ERROR | errno.ENOSYS),
            _step(_EQUAL, mmap, unless=4),
            _step(_LOAD, 40),  # the lower half of its fourth argument
            _step(_ANY_BIT, _SHARED, unless=1),
            _step(_RETURN, _ERROR | errno.EPERM),
            _step(_RETURN, _ALLOW),
            _step(_EQUAL, clone, unless=3),
            _step(_LOAD, 16),  # the lower half of its first argument
            _step(_ANY_BIT, _NEW, unless=1),
            _step(_RETURN, _ERROR | errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
    )


def _step(code: int, value: int, *, unless: int = 0) -> bytes:
    """One instruction; a test that fails leaves out the next `unless` of them."""
    return struct.pack("=HBBI", code, 0, unless, value)
