"""SQL that lives in `.sql` files beside the module that runs it."""

import re
from collections.abc import Mapping
from importlib import resources

_NAME = re.compile(rb"^-- name: ([a-z_0-9]+)[ \t]*$", re.MULTILINE)


def load_statements(package: str, file: str) -> Mapping[str, bytes]:
    """
    This will read `file` from `package` and return its statements by the name each stands under.

    A statement begins at a line `-- name: some_name` and ends before the next such line.

    Raises:
        ValueError: a name is used twice.
    """
    parts = _NAME.split(resources.files(package).joinpath(file).read_bytes())
    statements: dict[str, bytes] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        if name.decode() in statements:
            raise ValueError(f"{package}/{file}: two statements are named {name.decode()}")
        statements[name.decode()] = text.strip()
    return statements
