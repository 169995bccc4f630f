"""The part of an environment's file system that all runtimes share: the machine's own userland, read-only.

Only the distribution's programs and libraries, time zones and certificate authorities; nothing of /home, /root, /etc,
/var, /opt or /srv. Names and accounts are midge's own.
"""

import os
from pathlib import Path

from midge.sandbox.program import INSIDE, RUNTIME_DIRECTORY, TASK_ROOT

_USERLAND = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/share/misc",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/os-release",
    "/etc/mime.types",
    "/etc/protocols",
    "/etc/services",
)
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64")

FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nsbx_user1051:x:993:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n",
    "/etc/resolv.conf": "",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
DIRECTORIES = (
    "/dev",
    "/mnt",
    "/opt/lib",  # there before an environment is bound, so that the dynamic linker does not write it off
    "/tmp",  # noqa: S108
    "/var/lang",
    RUNTIME_DIRECTORY,
    f"{TASK_ROOT}/lib",
)
_SHELL_FILES = Path(__file__).parent / "shell"
WRAPPING = ("/bin/sh", f"{INSIDE}/shell/exec.sh")
"""What stands before a runtime's command when its function names a wrapper script."""
_DEVICE_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}


def userland_binds() -> tuple[tuple[Path, str], ...]:
    """What of the machine's userland exists, each to its own place inside."""
    paths = [path for path in _USERLAND if Path(path).exists()]
    paths += [f"/{name}" for name in _TOP_LEVEL if Path(f"/{name}").is_dir() and not Path(f"/{name}").is_symlink()]
    return tuple((Path(os.path.realpath(path)), path) for path in paths)


def userland_links() -> dict[str, str]:
    """/bin and its like where the machine has them as links into /usr, and the links of /dev."""
    merged = {f"/{name}": str(Path(f"/{name}").readlink()) for name in _TOP_LEVEL if Path(f"/{name}").is_symlink()}
    return {**merged, **_DEVICE_LINKS}


def shell_binds() -> tuple[tuple[Path, str], ...]:
    """The scripts that start runtimes, for those that need one."""
    return ((_SHELL_FILES, f"{INSIDE}/shell"),)
