"""
Becomes another program, bound to the life of the process that asked for it.

Run as a script with the standard library only: `exec_bound.py PARENT_PID SIGNAL IDENTITY PROGRAM ARGUMENT...`.
IDENTITY is `same`, `namespace` (a user namespace in which root is nobody: for programs that refuse to run as root,
without creating users or changing modes of folders) or `UID:GID` to change to.
"""

import ctypes
import os
import pathlib
import sys

PR_SET_PDEATHSIG = 1
NOBODY = 65534


def main(arguments: list[str]) -> None:
    parent, signal_number, identity, program = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    if identity == "namespace":
        os.unshare(os.CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} 0 1"), ("gid_map", f"{NOBODY} 0 1")):
            with pathlib.Path("/proc/self", name).open("w", encoding="ascii") as file:
                file.write(text)
    elif identity != "same":
        uid, gid = (int(part) for part in identity.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of identity: the kernel forgets the death signal on every change of credentials.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:
            sys.exit("the process that asked for this program is gone")
    os.execv(program, arguments[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
