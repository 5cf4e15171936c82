"""What is expected of ``k`` tries, estimated without bias from ``n`` tries of which ``c`` succeeded."""

from __future__ import annotations

from math import comb


def pass_at_k(tries: int, successes: int, k: int) -> float:
    """Return the chance that at least one of *k* tries succeeds.

    Formula: M. Chen et al., "Evaluating large language models trained on code", arXiv:2107.03374 (2021), equation
    1: one minus the share of all choices of ``k`` from the ``n`` tries that hold no success.

    Raises:
        ValueError: *k* is not from 1 to *tries*, or there are more successes than tries.
    """
    _require(tries, successes, k)
    return 1 - comb(tries - successes, k) / comb(tries, k)


def pass_hat_k(tries: int, successes: int, k: int) -> float:
    """Return the chance that all of *k* tries succeed (pass^k).

    Formula: S. Yao, N. Shinn, P. Razavi, K. Narasimhan, "tau-bench: a benchmark for tool-agent-user interaction in
    real-world domains", arXiv:2406.12045 (2024): the share of all choices of ``k`` tries that hold successes only.

    Raises:
        ValueError: as :func:`pass_at_k`.
    """
    _require(tries, successes, k)
    return comb(successes, k) / comb(tries, k)


def _require(tries: int, successes: int, k: int) -> None:
    if not (0 <= successes <= tries and 1 <= k <= tries):
        raise ValueError(f"k={k} of {tries} tries with {successes} successes; give 1 <= k <= tries")
