"""Named SQL, kept in a file beside the only module that runs it."""

import re
from functools import cache
from importlib import resources

_NAME = re.compile(rb"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_statements(file_name: str, package: str = __package__) -> dict[str, bytes]:
    """This will read the statements of a `.sql` or `.lua` file in a package, each under its `-- name: ` line."""
    parts = _NAME.split(resources.files(package).joinpath(file_name).read_bytes())
    return {name.decode(): text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
