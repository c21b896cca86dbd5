"""Help is instant, and asking imports nothing that it does not need."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "numpy", "pydantic", "yaml", "soundfile")
NOT_TO_ASK = ("matplotlib", "av", "datasets", "tensorflow", "IPython", "ossicle.training", "ossicle.synthesis")


def modules_after(code: str) -> set[str]:
    script = f"import contextlib, io, sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n"))


def test_help_imports_no_heavy_library():
    quiet = "with contextlib.redirect_stdout(io.StringIO()):\n    assert main(['--help']) == 0"
    found = modules_after(f"from ossicle.cli import main\n{quiet}")
    assert "ossicle.cli" in found
    assert not found & set(HEAVY)


def test_importing_the_package_imports_nothing_else():
    assert not modules_after("import ossicle") & {*HEAVY, "typer", "rich"}


def test_a_bad_recording_is_named_before_the_model_library_is_imported():
    code = "from ossicle.cli import main\nassert main(['ask', 'missing.wav', 'What?']) == 2"
    assert "transformers" not in modules_after(code)


def test_what_asking_imports_is_what_it_needs():
    code = "import ossicle.commands.ask, ossicle.models.load, ossicle.models.listening"
    found = modules_after(code)
    assert "transformers" in found
    assert not found & set(NOT_TO_ASK)
