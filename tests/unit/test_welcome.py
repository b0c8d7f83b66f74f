"""What is printed once everything answers."""

import re
from pathlib import Path

from config.welcome import where_to_look

FOLDER = Path("/a folder/.factfold")
AT = "http://127.0.0.1:8000"


class TestWhereToLook:
    def test_asks_for_no_key_where_anybody_may_read(self) -> None:
        said = where_to_look(AT, folder=FOLDER, needs_key=False)

        assert "create_key" not in said
        assert "Bearer" not in said

    def test_begins_with_a_key_where_one_is_needed_and_shows_it_in_each_command(self) -> None:
        said = where_to_look(AT, folder=FOLDER, needs_key=True)

        commands = re.findall(r"^    (\S.*)$", said, re.MULTILINE)
        assert commands[0] == "KEY=$(python3 manage.py create_key me --scope read --data '/a folder/.factfold')"
        assert len(commands) == 4
        assert all('-H "authorization: Bearer $KEY"' in command for command in commands[1:])
