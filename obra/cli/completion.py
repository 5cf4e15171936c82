"""``obra completion``: what makes a shell complete obra's words."""

from __future__ import annotations

import click

from obra.cli.commands import Command
from obra.cli.output import say

HELP = """Print what makes a shell complete obra's words.

For good, from the next shell on:

\b
bash:
  obra completion bash > ~/.obra-completion.bash
  echo '. ~/.obra-completion.bash' >> ~/.bashrc
zsh:
  obra completion zsh > ~/.obra-completion.zsh
  echo '. ~/.obra-completion.zsh' >> ~/.zshrc
fish:
  mkdir -p ~/.config/fish/completions
  obra completion fish > ~/.config/fish/completions/obra.fish
"""


@click.command(cls=Command, help=HELP, examples=["obra completion bash > obra-completion.sh"])
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script of one shell."""
    from obra.cli.program import obra
    from obra.cli.shells import COMPLETE, SHELLS

    say(SHELLS[shell](obra, {}, "obra", COMPLETE).source())
