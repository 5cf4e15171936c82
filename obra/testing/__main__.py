"""``python -m obra.testing``: the contract table of our adapters, with the real programs that are found here."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from obra.plugins import ContractCase
from obra.testing.contract_table import FAILED, cases_of, markdown, program_of, put_into, run_cell, staged_here


def main(arguments: list[str]) -> int:
    """Run the cases, one after another, and print the table; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m obra.testing", description=__doc__)
    parser.add_argument("--agent", action="append", help="a row of the table, such as codex; may be repeated")
    parser.add_argument("--case", action="append", choices=list(ContractCase), help="a column; may be repeated")
    parser.add_argument("--output", type=Path, help="file to write the Markdown to, too")
    parser.add_argument("--into", type=Path, help="page whose section between the two marks is replaced by it")
    given = parser.parse_args(arguments)
    programs, cells = {}, []
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        for row, (adapter, stage) in enumerate(staged_here().items()):
            if given.agent and adapter not in given.agent:
                continue
            if isinstance(stage, str):
                programs[adapter] = f"not here: {stage}"
                continue
            programs[adapter] = program_of(stage, Path(folder, f"{row}"))
            for number, case in enumerate(cases_of(stage)):
                if given.case and case not in given.case:
                    continue
                place = Path(folder, f"{row}-{number}", "workspace")
                cells.append(run_cell(adapter, stage, case, workspace=place))
                cell = cells[-1]
                why = f": {cell.detail}" if cell.detail else ""
                print(f"{adapter}, {case}: {cell.result} {cell.seconds:.1f} s{why}", file=sys.stderr)
    made = f"{datetime.now(UTC):%Y-%m-%d}, Obra {version('obra')}, Python {platform.python_version()}"
    text = f"Made on {made}, {platform.system()} {platform.machine()}.\n\n{markdown(cells, programs)}"
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    if given.into:
        put_into(given.into, text)
    return int(any(cell.result == FAILED for cell in cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
