"""``obra calibrate``: how often the verdict is right, on a corpus of which that is known."""

from __future__ import annotations

import json
import os
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, settings_options
from obra.cli.output import counted, say, table

HELP = """Measure on known work how often the verdict is right.

Each attempt goes through the whole loop, played by the mock agent: without an LLM, with a hostile reviewer that
says yes to everything, with one that says no to everything, and with the LLM that is configured, if there is one.
Writes calibration.md and calibration.json. The numbers do not depend on the machine or on --jobs.

--held-back names a second corpus: the scripts and written attempts in it are judged too and reported apart, and
nothing is fitted to them.

--chances writes what turns points of confidence into chances; the product's own is
obra/judging/measured_chances.py.
"""
EXAMPLES = (
    "obra calibrate --quick",
    "obra calibrate --out docs --held-back scenarios/held-back",
    "obra calibrate --llm ollama -o llm.model=qwen2.5-coder:7b --out reports/qwen",
)


@click.command(cls=Command, waits="judging", help=HELP, examples=EXAMPLES)
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("scenarios/corpus"),
    show_default=True,
    help="Folder of tasks, with a folder 'attempts'.",
)
@click.option(
    "--held-back",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of further tasks, to which nothing is fitted.",
)
@click.option("--llm", metavar="NAME", help="Also let this LLM review, such as ollama.")
@click.option("--agent", "_agent", type=click.Choice(["mock"]), default="mock", help="Who plays the attempts.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/calibration"),
    show_default=True,
    help="Folder to write to.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; as many as there are processors by default.")
@click.option("--quick", is_flag=True, help="About one attempt in eight.")
@click.option("--chances", type=click.Path(dir_okay=False, path_type=Path), help="Write the fitted chances there.")
@settings_options
def calibrate(
    *,
    corpus: Path,
    held_back: Path | None,
    llm: str | None,
    _agent: str,
    out: Path,
    jobs: int | None,
    quick: bool,
    chances: Path | None,
    chosen: Chosen,
) -> int:
    """Measure, print and write."""
    from obra.calibration.chances import module_text
    from obra.calibration.corpus import by_hand, cases, told_by
    from obra.calibration.measurement import measure, reviewers_for
    from obra.calibration.page import page
    from obra.calibration.summary import of_held_back, summarise

    named = (f"llm.type={llm}",) if llm else ()
    config = Chosen(file=chosen.file, overrides=(*chosen.overrides, *named)).load()
    judge = partial(measure, config=config, reviewers=reviewers_for(config), jobs=jobs or os.cpu_count() or 1)
    summary = {"told": told_by(corpus), **summarise(judge(cases(corpus, quick=quick), progress=_Progress()))}
    _print(summary)
    if held_back:
        apart = judge(by_hand(cases(held_back, quick=quick)), progress=_Progress())
        summary["held_back"] = {"told": told_by(held_back), **of_held_back(apart, summary["chances"])}
        say(f"\nheld back: {held_back}")
        _print_verdicts(summary["held_back"])
    command = _command(corpus, held_back, llm, quick=quick, chosen=chosen, out=out, chances=chances)
    _write(out / "calibration.json", json.dumps({"command": command, **summary}, indent=1) + "\n")
    _write(out / "calibration.md", page(summary, command))
    if chances:
        _write(chances, module_text(summary["chances"]))
    return 0


class _Progress:
    """Says on standard error, at each tenth, how far it is."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, done: int, total: int, name: str) -> None:
        tenth = done * 10 // total
        if tenth > self._told:
            self._told = tenth
            say(f"{done} of {counted(total, 'attempt')} judged, the last is {name}", error=True)


def _command(
    corpus: Path,
    held_back: Path | None,
    llm: str | None,
    *,
    quick: bool,
    chosen: Chosen,
    out: Path,
    chances: Path | None,
) -> str:
    words = ["obra calibrate", f"--out {shlex.quote(str(out))}"]
    if corpus != Path("scenarios/corpus"):
        words.append(f"--corpus {shlex.quote(str(corpus))}")
    words += [f"--held-back {shlex.quote(str(held_back))}"] if held_back else []
    words += [f"--llm {shlex.quote(llm)}"] if llm else []
    words += ["--quick"] if quick else []
    words += [f"--chances {shlex.quote(str(chances))}"] if chances else []
    return chosen.again(" ".join(words))


def _print_verdicts(summary: dict[str, Any]) -> None:
    from obra.calibration.page import number, share

    corpus = summary["corpus"]
    say(f"{counted(corpus['attempts'], 'attempt')} at {counted(corpus['tasks'], 'task')}")
    table(
        ["reviewer", "tasks", "completed", "false accepts", "false rejects", "AUC of quality"],
        [
            [
                one["model"],
                words,
                f"{one[key]['completed']} of {one[key]['good'] + one[key]['bad']}",
                share(one[key]["false_accepts"]),
                share(one[key]["false_rejects"]),
                number(one[key]["quality_auc"]),
            ]
            for key, words in (("with_checks", "with checks"), ("without_checks", "without checks"))
            for one in summary["reviewers"]
        ],
    )


def _print(summary: dict[str, Any]) -> None:
    from obra.calibration.page import number

    _print_verdicts(summary)
    say()
    table(
        ["reviewer", "verdicts held back", "right", "Brier", "calibration error", "lost"],
        [
            [
                one["model"],
                one["confidence"]["verdicts"],
                one["confidence"]["right"],
                number(one["confidence"]["fitted"]["brier"]),
                number(one["confidence"]["fitted"]["calibration_error"]),
                len(one["lost"]),
            ]
            for one in summary["reviewers"]
        ],
    )
    words = summary["baseline"]
    say(f"\nwords alone: AUC {number(words['auc'])}, where quality has {number(words['quality_auc'])}")


def _write(path: Path, text: str) -> None:
    from obra.reports.atomic_file import unwritable, write_whole

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    write_whole(path, (text,))
    say(f"wrote {path}")
