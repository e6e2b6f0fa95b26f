"""The command `backlight conformance`."""

from typing import Annotated

import typer

BROKEN = 1


def conformance_command(
    backends: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BACKEND]...",
            help="torch, tensorflow, jax, mlx or numpy; or file.py:Name or package.module:Name of a "
            "backlight.testing.Builder, which makes the golden nets in another framework. Where nothing "
            "is said: each of the five that is installed.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME[:KEY=VALUE,...]",
            help="Check this technique instead, on the backends' golden nets; say it again for more.",
        ),
    ] = None,
    complete: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SHARE",
            help="The techniques promise that values sum to the change of the score, up to this share of "
            "the sum of their sizes: 1e-6 for a closed form, 0.01 for a path of many steps.",
        ),
    ] = None,
    conserves: Annotated[
        float | None,
        typer.Option(min=0, metavar="SHARE", help="The same on nets without biases only."),
    ] = None,
    laws: Annotated[bool, typer.Option("--laws", help="List the laws and stop.")] = False,
) -> None:
    """Check whether a framework's backend, or a technique, keeps the laws.

    They are tried on eight small nets, the same in each framework. What is
    right is computed in NumPy, in float64, and compared to 3e-14 of the
    largest number on nets in float64, to 1.5e-5 in float32, which MLX has.

    Without -m a backend is checked: that outputs, gradients and scores are
    right, operations are recognised, rules act where they should, rows of a
    batch keep apart, and a net is as it was afterwards, and seen as it is.

    With -m a technique is, on each backend: that a result depends neither on
    batch-mates nor on how many rows go into a pass, has the net's dtype, tells
    the right score and gap, leaves the net alone and sees what is edited in it.

    Of numpy, whose models have no gradients, outputs and scores are checked;
    laws about gradients do not apply, and techniques that take some are refused.

    A row for each law says which nets it holds on, which it is broken on, and
    which it does not apply to, or the technique refuses. Below is what is wrong, a line for each:

        folding[folded]: What a rule makes of weight and bias is 0.02 at
        [0, 0, 0, 0], where 0.05 is right

    is the law `folding` on the net `folded`: --laws says in a sentence what it
    asks. As tests: backlight.testing.backend_checks and method_checks.

    The exit code is 0 where every law holds, 1 where one is broken or a
    technique refuses all nets, 2 where something was mistyped or is missing.

    Examples:

        backlight conformance

        backlight conformance mlx -m saliency -m smooth:samples=3

        backlight conformance my_backend/nets.py:MyBuilder

        backlight conformance jax -m deep_lift --complete 1e-6

        backlight conformance torch -m lrp:composite=epsilon --conserves 1e-3
    """
    # Here and not above: the other commands need none of it.
    from rich.console import Console
    from rich.text import Text

    from backlight.testing import backend_checks, method_checks
    from backlight_conformance.choice import builders
    from backlight_conformance.table import outcomes, show, show_laws
    from backlight_loading import techniques

    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    if laws:
        show_laws(console)
        return
    chosen = techniques(method) if method else []  # a mistyped name is said before all else
    sound = True
    for builder in builders(backends or []):
        subjects = [
            (
                f"{one.name} on {builder.framework}",
                method_checks(one.method, builder, complete=complete, conserves=conserves),
            )
            for one in chosen
        ] or [(builder.framework, backend_checks(builder))]
        for title, checks in subjects:
            console.print(Text(title, "bold"))
            found = outcomes(checks)
            sound &= show(found, console)
            console.print()
    if not sound:
        raise typer.Exit(BROKEN)
