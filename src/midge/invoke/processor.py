"""What an environment has of the processor: nothing while it stands idle, and its share in long invocations.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from midge.model.limits import Limits
from midge.sandbox.port import SandboxedEnvironment


class ProcessorTime:
    """Remembers what the sandbox has been told. ``handle`` is the sandbox's side once there is one."""

    __slots__ = ("_limits", "frozen", "handle", "held")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.handle: SandboxedEnvironment | None = None
        self.frozen = False
        """Only ever while its environment is ready."""
        self.held = False
        """To what its memory buys."""

    def rest(self, seconds: float) -> bool:
        """It has been idle for ``seconds``; False once it is frozen."""
        if seconds < self._limits.freeze_after_seconds:
            return True
        self.frozen = True
        if self.handle is not None:
            self.handle.freeze()
        return False

    def thaw(self) -> None:
        self.frozen = False
        if self.handle is not None:
            self.handle.thaw()

    def work(self, seconds: float) -> None:
        """It has worked for ``seconds``."""
        if not self.held and seconds >= self._limits.cpu_burst_seconds:
            self.held = True
            if self.handle is not None:
                self.handle.hold_cpu()

    def release(self) -> None:
        self.held = False
        if self.handle is not None:
            self.handle.release_cpu()
