"""`dispatcher …`: joins the command groups."""

import typer

from dispatcher.cli import server

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(server.app, name="server")


@app.callback()
def root() -> None:
    """Run training scripts on compute you own."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
