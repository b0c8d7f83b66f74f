"""How long the bodies of requests may be."""

from commands.errors import CommandError

COMMAND_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 32 * 1024 * 1024


class BodyTooLarge(CommandError):
    """The body is longer than this address reads; send it in parts."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            code="body_too_large",
            message=f"The body is longer than {most} bytes.",
            fix="Send fewer commands in a request, or read files in with `manage.py ingest`.",
        )
