"""``obra completion``: what makes a shell complete obra's words; click's own."""

from __future__ import annotations

import click

from obra.cli.commands import Command
from obra.cli.output import say

HELP = """Print what makes a shell complete obra's words.

\b
For good:
  bash  obra completion bash > ~/.local/share/bash-completion/completions/obra
  zsh   obra completion zsh > some/folder/of/$fpath/_obra
  fish  obra completion fish > ~/.config/fish/completions/obra.fish
"""


@click.command(cls=Command, help=HELP, examples=["obra completion bash > obra-completion.sh"])
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script of one shell."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from obra.cli.program import obra

    found = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    say(found(obra, {}, "obra", "_OBRA_COMPLETE").source())
