"""The command line: help that teaches, lists, errors in one sentence, exit codes, light imports."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import backlight
from backlight import command_line
from backlight.command_line import add_commands, application, defaults, main
from backlight.errors import InputError
from backlight.plugins import Plugins, load, plugins

BACKLIGHT = [sys.executable, "-c", "from backlight.command_line import main; main()"]
FRAMEWORKS = ("torch", "tensorflow", "keras", "jax")


def started(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BACKLIGHT, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def text_of(result: Any) -> str:
    """Output without colours, in single spaces and without the frames of tables."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.output)
    return re.sub(r"[\s\u2500-\u257f]+", " ", plain)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("COLUMNS", "160")
    return CliRunner()


def test_help_teaches(runner: CliRunner) -> None:
    text = text_of(runner.invoke(application(), ["--help"]))
    for wanted in ("backlight demo", "backlight report my_model.py:net pictures/ -o report"):
        assert wanted in text
    for command in ("plugins", "methods", "report", "demo"):
        assert f" {command} " in text


@pytest.mark.parametrize("command", ["plugins", "methods", "report", "demo", "demo photos"])
def test_every_command_has_an_example(runner: CliRunner, command: str) -> None:
    result = runner.invoke(application(), [*command.split(), "--help"])
    assert result.exit_code == 0
    assert re.search(rf"Examples?: .*backlight {command}", text_of(result))


def test_no_arguments_show_the_help() -> None:
    result = started()
    assert "Usage" in result.stdout + result.stderr
    assert result.returncode in (0, 2)  # which one is typer's to say


def test_version(runner: CliRunner) -> None:
    result = runner.invoke(application(), ["--version"])
    assert (result.exit_code, result.output) == (0, f"backlight {backlight.__version__}\n")


def test_plugins_lists_all_of_them(runner: CliRunner) -> None:
    result = runner.invoke(application(), ["plugins"])
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.output.splitlines()[1:]}
    for name in ("torch", "tensorflow", "jax", "methods", "pictures", "report", "demo"):
        assert f"backlight {backlight.__version__}" in rows[name]
        assert "loaded" in rows[name]


def test_broken_plugins_are_shown_with_the_reason(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load([EntryPoint("unlucky", "no_such_module_anywhere", "backlight")])
    monkeypatch.setattr(command_line, "installed_plugins", lambda: found)
    result = runner.invoke(application(), ["plugins"])
    assert result.exit_code == 0
    assert re.search(r"unlucky.*ModuleNotFoundError.*no_such_module_anywhere", result.output)
    with pytest.raises(SystemExit) as ended:
        main(["unlucky-command"])
    assert ended.value.code == 2
    assert "Plugin unlucky could not be loaded" in capsys.readouterr().err


def module_with(name: str, **hooks: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(hooks)
    return module


def test_a_plugin_that_fails_to_add_commands_is_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @backlight.hookimpl
    def failing(app: typer.Typer) -> None:
        raise RuntimeError("no luck")

    @backlight.hookimpl
    def working(app: typer.Typer) -> None:
        app.command("hello")(lambda: None)

    found: Plugins = load([])
    found.manager.register(module_with("a", backlight_commands=failing), name="a")
    found.manager.register(module_with("b", backlight_commands=working), name="b")
    app = typer.Typer()
    add_commands(app, found)
    assert [command.name for command in app.registered_commands] == ["hello"]
    assert "Plugin a could not add its commands: RuntimeError: no luck" in capsys.readouterr().err


def test_methods_show_hyper_parameters_and_a_sentence(runner: CliRunner) -> None:
    result = runner.invoke(application(), ["methods"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("integrated_gradients "))
    assert "steps=50" in lines[place]
    assert lines[place + 1].startswith("    ")
    assert len(lines[place + 1].split()) > 3
    assert "inner=Gradient()" in result.output
    for name in backlight.methods():
        assert any(line.startswith(name) for line in lines)


def test_defaults_of_functions() -> None:
    def preset(steps: int, name: str = "x") -> None: ...

    assert defaults(preset) == [("steps", "required"), ("name", "'x'")]


def test_errors_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.callback()
    def group() -> None: ...

    @app.command()
    def wrong() -> None:
        raise InputError("first line\n   second [red]line[/red]")

    monkeypatch.setattr(command_line, "application", lambda: app)
    with pytest.raises(SystemExit) as ended:
        main(["wrong"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: first line second [red]line[/red]\n"


def test_control_c_before_any_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> typer.Typer:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "application", stopped)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Stopped from the keyboard.\n"


def test_lists_for_programs_have_whole_lines() -> None:
    lines = started("plugins", env={**os.environ, "COLUMNS": "30"}).stdout.splitlines()
    assert len(lines) == 1 + len(plugins().found)


def test_the_default_techniques_are_in_the_help(runner: CliRunner) -> None:
    text = text_of(runner.invoke(application(), ["report", "--help"]))
    assert "integrated_gradients, grad_cam, occlusion" in text


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(lambda: 1 / 0)
    monkeypatch.setattr(command_line, "application", lambda: app)
    with pytest.raises(ZeroDivisionError):
        main([])


def test_bad_input_from_a_shell(tmp_path: Path) -> None:
    result = started("report", str(tmp_path / "none.py:net"), str(tmp_path))
    assert result.returncode == 2
    assert result.stderr == f"Error: No such file: {tmp_path / 'none.py'}.\n"
    assert result.stdout == ""


def test_wrong_options_from_a_shell() -> None:
    result = started("report", "--limit", "none")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "Stopped from the keyboard.\n"),
        (signal.SIGTERM, 143, "Stopped by the system or another program (SIGTERM).\n"),
    ],
)
def test_interruptions_from_a_shell(
    number: signal.Signals, code: int, said: str, tmp_path: Path
) -> None:
    """The interruption comes while the model is made; the folder does not appear."""
    net = tmp_path / "net.py"
    net.write_text(
        "import time\n\ndef net():\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [*BACKLIGHT, "report", f"{net}:net", str(tmp_path), "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == said
    assert list(tmp_path.iterdir()) == [net]


@pytest.mark.parametrize(
    "code",
    [
        "import backlight",
        "import backlight; backlight.methods()",
        "from backlight.command_line import application; application()",
        "import backlight_report",
        "from backlight.command_line import main\ntry: main(['methods'])\nexcept SystemExit: pass",
        "from backlight.command_line import main\ntry: main(['demo', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_frameworks_stay_out(code: str) -> None:
    ask = f"\nimport sys, json\nprint(json.dumps([n for n in {FRAMEWORKS} if n in sys.modules]))"
    result = subprocess.run(
        [sys.executable, "-c", code + ask], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(result.stdout.splitlines()[-1]) == []


def test_listing_needs_no_pictures() -> None:
    code = (
        "from backlight.command_line import application; application()\n"
        "import sys; print([n for n in ('PIL', 'cmap', 'jinja2') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == "[]\n"


def test_demo_makes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--framework", "torch", "--limit", "1"])
    assert ended.value.code in (None, 0)
    out = capsys.readouterr().out
    assert "of 2,000 right" in out
    assert str(Path("backlight-demo/report.html")) in out
    results = json.loads((tmp_path / "backlight-demo/results.json").read_text())
    assert 0.88 < results["accuracy"]["share"] < 0.93
    assert all(one["error"] is None for one in results["cases"][0]["explanations"])


def test_demo_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backlight_demo import photos
    from backlight_demo.installed import NotInstalledError

    def missing() -> None:
        raise NotInstalledError("Package 'skimage' is not installed.", name="skimage")

    monkeypatch.setattr(photos, "photos", missing)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "-o", str(tmp_path / "out"), "photos"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: Package 'skimage' is not installed.\n"
    assert not (tmp_path / "out").exists()


def test_demo_without_any_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    from backlight_demo import command

    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(backlight.BacklightError, match=r"pip install 'backlight\[torch\]'"):
        command.first_installed()
    monkeypatch.setattr(command, "find_spec", lambda name: name == "jax" or None)
    assert command.first_installed() == "jax"


def test_a_demo_on_a_framework_that_is_not_installed_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "backlight_demo.fashion_jax", None)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--framework", "jax"])
    assert ended.value.code == 2
    assert "pip install 'backlight[jax]'" in " ".join(capsys.readouterr().err.split())
