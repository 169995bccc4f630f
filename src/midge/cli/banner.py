"""What ``midge serve`` says before it serves: where, what is kept where, and how far function code is kept apart."""

from midge.config import Config


def banner(config: Config, *, isolated: bool) -> str:
    """The block, without a line end; ``isolated`` is whether function code will run in namespaces."""
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    endpoint = f"http://{host}:{config.server.port}"
    lines = [
        f"midge    {endpoint}  (account {config.aws.account}, {config.aws.region})",
        f"data     {config.data_dir}",
        f"sandbox  {'namespaces: functions are isolated' if isolated else 'plain processes'}",
        f"try      aws --endpoint-url {endpoint} lambda list-functions",
    ]
    if not isolated:
        lines.append("WARNING  functions are NOT isolated: their code can read and do whatever this user can")
        if config.sandbox.kind == "auto":
            lines.append("         midge doctor says what this machine lacks")
    if config.server.allow_remote:
        lines.append("WARNING  other machines can reach this address, and whoever reaches it runs code here")
    return "\n".join(lines)
