"""How much collecting scenario files costs, beside parsing the same files with the C YAML loader alone.

Run it as ``python tests/bench/collection.py [--rounds 3] [--json FILE] [SIZE...]``. In each round pytest collects
a folder with one file and one with SIZE files, and another process parses those with ``yaml.CSafeLoader``. Times
are CPU seconds (user and system) of the whole process, which other work on the machine disturbs least. The ratio
is the median over the rounds of

    (seconds to collect SIZE files - seconds to collect 1 file) / seconds to parse SIZE files
"""
# a script that prints its table

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (100, 1_000, 10_000)
FILE = Path(__file__).parents[2] / "scenarios" / "hello_world.obra.yaml"
PARSE = """
import sys, time, pathlib, yaml
files = sorted(pathlib.Path(sys.argv[1]).glob("*.obra.yaml"))
began = time.process_time()
for file in files:
    yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
print(time.process_time() - began)
"""


def filled(folder: Path, count: int) -> Path:
    """Make a folder with *count* scenario files, each called differently."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    text = FILE.read_text(encoding="utf-8")
    for number in range(count):
        own = text.replace("name: hello_world", f"name: hello_{number}")
        (folder / f"hello_{number}.obra.yaml").write_text(own, encoding="utf-8")
    return folder


def seconds_to_collect(folder: Path) -> float:
    """Return the CPU time of ``pytest --collect-only`` in a process of its own."""
    return cpu_seconds(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", "."], folder
    )


def seconds_to_parse(folder: Path) -> float:
    """Return the CPU time to read and parse the files, in a process of its own whose start does not count."""
    done = subprocess.run([sys.executable, "-c", PARSE, str(folder)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Return the CPU time that *command* takes in *folder*."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def measured(size: int, rounds: int, one: Path, many: Path) -> dict[str, float]:
    """Measure one size; seconds and ratios are medians over the rounds."""
    alone, collected, parsed = [], [], []
    for _ in range(rounds):
        alone.append(seconds_to_collect(one))
        parsed.append(seconds_to_parse(many))
        collected.append(seconds_to_collect(many))
    ratios = [(all_ - start) / parse for all_, start, parse in zip(collected, alone, parsed, strict=True)]
    return {
        "files": size,
        "start": statistics.median(alone),
        "parse": statistics.median(parsed),
        "collect": statistics.median(collected),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
    }


def main() -> None:
    """Measure every size, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="numbers of files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    given = parser.parse_args()
    rows = []
    print(f"{'files':>7} {'1 file s':>9} {'parse s':>9} {'collect s':>10} {'ratio':>6}  from - to")
    with tempfile.TemporaryDirectory(prefix="obra-bench-") as folder:
        one = filled(Path(folder) / "one", 1)
        for size in given.sizes:
            row = measured(size, given.rounds, one, filled(Path(folder) / f"of-{size}", size))
            rows.append(row)
            print(
                f"{size:>7} {row['start']:>9.2f} {row['parse']:>9.3f} {row['collect']:>10.2f} {row['ratio']:>6.2f}"
                f"  {row['ratio_low']:.2f} - {row['ratio_high']:.2f}",
                flush=True,
            )
    if given.json:
        about = {"python": platform.python_version(), "rounds": given.rounds, "rows": rows}
        given.json.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
