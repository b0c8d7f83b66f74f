"""The way in works on any python3 and makes the environment once."""

import ast
import hashlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from config import checks

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, its environment in a folder of its own."""
    spec = importlib.util.spec_from_file_location("factfold_manage", ROOT / "manage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "lock").write_text("django==6\nuv==1.2 \\\n    --hash=sha256:ab\nuvicorn==1\n")
    monkeypatch.setattr(module, "VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(module, "VENV_PYTHON", sys.executable)
    monkeypatch.setattr(module, "STAMP", str(tmp_path / "venv" / ".installed-lock"))
    monkeypatch.setattr(module, "LOCK", str(tmp_path / "lock"))
    return module


class TestManageScript:
    def test_is_written_in_what_python_3_8_reads(self) -> None:
        ast.parse((ROOT / "manage.py").read_text(), feature_version=(3, 8))

    def test_imports_only_the_standard_library_before_it_has_an_environment(self) -> None:
        tree = ast.parse((ROOT / "manage.py").read_text())

        imported = {
            name.split(".")[0]
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        }
        assert imported <= sys.stdlib_module_names

    def test_finds_this_python_usable_and_a_missing_one_not(self, bootstrap: ModuleType) -> None:
        assert bootstrap.usable(sys.executable)
        assert not bootstrap.usable("/no/such/python")
        assert not bootstrap.usable("/bin/true")

    def test_takes_only_uv_from_the_lock_to_install_the_rest_with(self, bootstrap: ModuleType) -> None:
        assert bootstrap.locked_uv() == "uv==1.2 \\\n    --hash=sha256:ab\n"

    def test_installs_once_for_a_lock_and_again_when_it_changed(self, bootstrap: ModuleType, tmp_path: Path) -> None:
        installs: list[str] = []

        def install(uv: str | None) -> None:
            installs.append(Path(bootstrap.LOCK).read_text())

        bootstrap.prepare_venv(install)
        bootstrap.prepare_venv(install)
        (tmp_path / "lock").write_text("django==7\n")
        bootstrap.prepare_venv(install)

        assert [lock.splitlines()[0] for lock in installs] == ["django==6", "django==7"]
        assert Path(bootstrap.STAMP).read_text() == hashlib.sha256(b"django==7\n").hexdigest()

    def test_does_not_stamp_what_could_not_be_installed(self, bootstrap: ModuleType) -> None:
        def failing(uv: str | None) -> None:
            sys.exit("no package index")

        with pytest.raises(SystemExit):
            bootstrap.prepare_venv(failing)

        assert not Path(bootstrap.STAMP).exists()

    def test_installs_once_when_two_start_at_once(self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        both_started = threading.Barrier(2)
        installs: list[int] = []

        def starting() -> None:
            both_started.wait()
            bootstrap.prepare_venv(lambda uv: installs.append(1))

        threads = [threading.Thread(target=starting) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert installs == [1]

    def test_leaves_a_linked_environment_to_whoever_looks_after_it(
        self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "linked").symlink_to(tmp_path / "venv")
        monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / "linked"))

        bootstrap.prepare_venv()

        assert not Path(bootstrap.STAMP).exists()


class TestLockFindings:
    @pytest.fixture
    def lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(checks, "ROOT", tmp_path)
        (tmp_path / "requirements.in").write_text('django>=6,<7\nuvloop; sys_platform != "win32"\n')
        return tmp_path / "requirements.lock"

    def test_finds_nothing_in_a_hashed_lock_of_everything_asked_for(self, lock: Path) -> None:
        lock.write_text("django==6.1 \\\n    --hash=sha256:aa\nuvloop==1 \\\n    --hash=sha256:bb\n")

        assert checks.lock_findings() == ""

    def test_finds_a_host_a_missing_hash_and_a_missing_package(self, lock: Path) -> None:
        lock.write_text("--index-url https://packages.example/simple\ndjango==6.1\n    # via -r requirements.in\n")

        findings = checks.lock_findings().splitlines()

        assert findings == [
            "uvloop of requirements.in is not in requirements.lock",
            "requirements.lock names a host: --index-url https://packages.example/simple",
            "requirements.lock has no hash for django==6.1",
        ]
