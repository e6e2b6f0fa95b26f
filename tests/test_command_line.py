"""The command line: help that teaches, lists, errors in one sentence, exit codes, light imports."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import backlight
from backlight.command_line import console as command_line
from backlight.command_line.console import application, main
from backlight.command_line.listing import defaults, parameters
from backlight.errors import InputError
from backlight.plugins.entry_points import plugins

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


def test_an_option_that_takes_one_value_is_said_once(runner: CliRunner) -> None:
    for command in ("report net.py:net rows.csv --encoder", "store export results --output"):
        result = runner.invoke(application(), [*command.split(), "a", command.split()[-1], "b"])
        said = f"{command.split()[-1]} takes one value, and was said 2 times."
        assert str(result.exception) == said
    several = runner.invoke(application(), ["report", "-m", "a", "-m", "b", "--no-such"])
    assert "No such option: --no-such" in text_of(several)


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


STRANGER = """
import backlight, typer

SAY = {say!r}

@backlight.hookimpl
def backlight_commands(app: typer.Typer) -> None:
    app.command("stranger")(lambda: print(SAY))
    exec({code!r})

@backlight.hookimpl
def backlight_methods():
    from backlight_methods import Gradient
    return {{"saliency": Gradient, "strange": Gradient}}
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Installs a package with a plugin into a folder; gives the environment in which it is found."""

    def installed(name: str, code: str = "", say: str = "", module: str = "") -> dict[str, str]:
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[backlight]\n{name} = {name}_module\n")
        text = module or STRANGER.format(code=code, say=say)
        (tmp_path / f"{name}_module.py").write_text(text)
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    return installed


def test_broken_plugins_are_shown_with_the_reason(stranger: Callable) -> None:
    environment = stranger("unlucky", module="import no_such_module_anywhere")
    why = "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    said = f"Warning: The plugin unlucky (unlucky 1.0) could not be loaded: {why}.\n"
    result = started("plugins", env=environment)
    assert (result.returncode, result.stderr) == (0, said)
    (line,) = [line for line in result.stdout.splitlines() if line.split()[0] == "unlucky"]
    assert line.split(maxsplit=3)[:3] == ["unlucky", "unlucky_module", "unlucky"]
    assert why in line
    result = started("unlucky-command", env=environment)
    assert result.returncode == 2
    assert result.stderr.startswith(said)
    result = started("--disable", "unlucky", "plugins", env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert "switched off" in result.stdout


COMMAND_FAULTS = {
    "raise RuntimeError('no luck')": "RuntimeError: no luck",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "raise backlight.BacklightError('no licence')": "no licence",
    "app.callback()(lambda: None)": "it may add commands only, not a callback of the whole command line",
    "app.command('plugins')(lambda: None)": "it adds a command plugins, which is Backlight's own",
    "def odd(x: list[list[int]]): pass\napp.command('odd')(odd)": (
        "AssertionError: List types with complex sub-types are not currently supported"
    ),
}


@pytest.mark.parametrize("code", COMMAND_FAULTS)
def test_a_plugin_that_fails_to_add_commands_costs_itself(code: str, stranger: Callable) -> None:
    result = started("--version", env=stranger("bad", code))
    assert (result.returncode, result.stdout) == (0, f"backlight {backlight.__version__}\n")
    assert result.stderr == (
        "Warning: The plugin bad (bad 1.0) is left out, since its backlight_commands failed: "
        f"{COMMAND_FAULTS[code]}.\n"
    )
    help = started("--help", env=stranger("good", say="hello")).stdout
    assert "stranger" in help


def test_commands_of_all_kinds_are_added(stranger: Callable) -> None:
    environment = stranger(
        "good",
        "inner = typer.Typer(); inner.command('one')(lambda: print(1))\n"
        "inner.command('two')(lambda: print(2))\n"
        "app.add_typer(inner, name='named'); app.add_typer(inner)",
        say="hello",
    )
    for words, said in (
        (["stranger"], "hello"),
        (["named", "two"], "2"),
        (["one"], "1"),
        (["two"], "2"),
    ):
        result = started(*words, env=environment)
        assert (result.returncode, result.stdout, result.stderr) == (0, f"{said}\n", "")


def test_a_command_that_two_plugins_add_is_an_error_where_it_is_used(stranger: Callable) -> None:
    environment = stranger("one", say="from one")
    environment = stranger("two", say="from two")
    result = started("stranger", "--any", "thing", env=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "Error: The command stranger is offered by one (one 1.0) and two (two 1.0). Choose one with"
    )
    result = started("--version", env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    for choice in (
        ["--prefer", "stranger=two"],
        ["--prefer=Stranger=two"],
        ["--disable", "one"],
        ["--prefer", "other=one", "--disable=one"],
    ):
        result = started(*choice, "stranger", env=environment)
        assert (result.returncode, result.stdout, result.stderr) == (0, "from two\n", "")
    for variable, value in (("BACKLIGHT_PREFER", "stranger=one"), ("BACKLIGHT_DISABLE", "two")):
        result = started("stranger", env={**environment, variable: value})
        assert (result.returncode, result.stdout, result.stderr) == (0, "from one\n", "")


def test_clashes_are_shown_in_the_lists(stranger: Callable) -> None:
    environment = {**stranger("one"), "COLUMNS": "60"}
    clash = "The technique saliency is offered by methods (backlight 0.1.0) and one (one 1.0)."
    for command in ("plugins", "methods"):
        result = started(command, env=environment)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[-1].startswith(clash)
        result = started("--prefer", "saliency=one", command, env=environment)
        assert clash not in result.stdout
    listed = started("methods", env=environment).stdout
    first, second = listed.split("From the plugin one (one 1.0):")
    assert first.startswith("From the plugin methods (backlight 0.1.0):\n\nconductance  steps=50")
    assert "\nsaliency  channels='keep'\n" in first
    assert second.startswith("\n\nsaliency  \n    The gradient of the score.\nstrange  \n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--prefer", "saliency", "plugins"], "A preference is written NAME=PLUGIN"),
        (["--disable", "plugins"], "Missing command"),
        (["plugins", "--disable", "x"], "No such option"),
    ],
)
def test_choices_that_cannot_be_followed(words: list[str], why: str) -> None:
    result = started(*words)
    assert result.returncode == 2
    assert why in result.stderr


def test_a_choice_that_names_no_plugin_is_told() -> None:
    result = started("--disable", "nobody", "plugins")
    assert result.returncode == 0
    assert result.stderr.startswith("Warning: No plugin is called 'nobody'")


def test_hyper_parameters_that_cannot_be_told_are_said_to_be() -> None:
    class Odd:
        __signature__ = 3

    assert parameters(Odd).startswith("(hyper-parameters cannot be told: TypeError")
    assert len(parameters(lambda values=list(range(9_999)): None)) < 150


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


def test_stars_of_cells_are_in_the_help(runner: CliRunner) -> None:
    text = text_of(runner.invoke(application(), ["report", "--help"]))
    assert "--cell 'plastic:*'" in text
    assert "'LABEL:*'" in text


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
        "from backlight.command_line.console import application; application()",
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
        "from backlight.command_line.console import application; application()\n"
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
    results = json.loads((tmp_path / "backlight-demo/study.json").read_text())
    assert 0.88 < results["performance"]["accuracy"]["value"] < 0.93
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
