"""The options about repeats, gates, budgets and comparisons; read in every pytest run, so nothing heavy here."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

GATES = ("--obra-min-pass-rate", "--obra-max-false-accepts", "--obra-baseline")
"""Options that ask a run to be judged as a whole."""


def add_statistics_options(group: Any) -> None:
    """Declare them in pytest's option group of Obra."""
    group.addoption(
        "--obra-repeat",
        type=_count,
        metavar="N",
        help="run each scenario N times, one test each, whatever its own 'repeat:' says; the closing table then "
        "shows pass rates with intervals, pass@k, pass^k, flaky cases and why they flip",
    )
    group.addoption(
        "--obra-min-pass-rate",
        type=_rate,
        metavar="RATE",
        help="a gate: the observed pass rate of every case must be at least RATE (0 to 1). The gate then decides "
        "over the run's exit code in place of single scenarios that fail, and --obra-max-false-accepts is 0 "
        "unless it is given",
    )
    group.addoption(
        "--obra-max-false-accepts",
        type=_whole,
        metavar="N",
        help="a gate: at most N runs may be accepted and not be true",
    )
    group.addoption(
        "--obra-early-stop",
        action="store_true",
        help="with --obra-min-pass-rate: skip the repeats of a case that cannot change the gate's "
        "verdict any more",
    )
    group.addoption(
        "--obra-budget-usd",
        type=_positive,
        metavar="DOLLARS",
        help="what the whole run may cost, over all workers; when it is used up, or a run does not tell its cost, "
        "no further scenario begins, and those left out are named",
    )
    group.addoption(
        "--obra-budget-tokens", type=_positive, metavar="N", help="the same for tokens that agents use"
    )
    group.addoption(
        "--obra-budget-seconds", type=_positive, metavar="S", help="the same for the wall clock of the whole run"
    )
    group.addoption(
        "--obra-baseline",
        metavar="RUN",
        help="compare with an earlier run, case by case, and fail on regressions; RUN is its folder, a "
        "file in it, its name in the report folder, or 'last' (the newest there that came to its end)",
    )
    group.addoption(
        "--obra-bare",
        action="store_true",
        help="run each scenario once more without Obra (one prompt, no checks, no feedback, no reviewer, the same "
        "limits in all) and tell how much Obra adds, by the hidden checks",
    )


def check_statistics_options(config: pytest.Config) -> None:
    """Refuse options that mean nothing together.

    Raises:
        pytest.UsageError: says which, and what to do.
    """
    asked = config.getoption
    for override in asked("override_ini") or ():
        _refuse_setting(override.partition("=")[0])
    if asked("--obra-early-stop") and asked("--obra-min-pass-rate") is None:
        raise pytest.UsageError(
            "--obra-early-stop needs a gate to be certain about: add --obra-min-pass-rate=RATE"
        )
    if asked("--obra-sabotage"):
        for option in (*GATES, "--obra-repeat", "--obra-bare"):
            if asked(option) not in (None, False):
                raise pytest.UsageError(
                    f"--obra-sabotage runs variants and no scenarios; leave out {option}, or run pytest twice"
                )


def _refuse_setting(key: str) -> None:
    """Refuse ``-o llm.type=ollama``, which pytest takes for a setting of its own and forgets."""
    section, dot, _ = key.partition(".")
    if not dot:
        return
    from obra.settings import Settings

    if section in Settings.model_fields:
        variable = f"OBRA__{key.upper().replace('.', '__')}"
        raise pytest.UsageError(
            f"-o {key}=...: under pytest -o is for pytest's own settings, and Obra would never see it; "
            f"set the variable {variable}, or write it into a file for --obra-config"
        )


def has_ledger(config: pytest.Config) -> bool:
    """Tell whether workers must know of each other's runs: for a budget, or to stop early."""
    names = ("--obra-budget-usd", "--obra-budget-tokens", "--obra-budget-seconds", "--obra-early-stop")
    return any(map(config.getoption, names))


def _count(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number from 1 up")
    return number


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number")
    return int(text)


def _rate(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a rate from 0 to 1, such as 0.9")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} should be a number above 0")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number") from error
