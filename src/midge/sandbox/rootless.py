"""Being root without being root: midge in a user namespace of its own, so that it may make sandboxes.

Outside, everything stays the user's: files that midge writes, processes that it starts, what it may not do.
"""

import os

from midge.sandbox.inside import kernel


def enter() -> bool:
    """Enter the namespace if this process is not root; True if it did. Call it before any thread is started.

    Raises OSError where the machine does not let its users have user namespaces.
    """
    if os.geteuid() == 0:
        return False
    kernel.enter_user_namespace()
    return True
