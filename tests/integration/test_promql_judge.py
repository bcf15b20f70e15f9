"""A real Prometheus is the judge: the same readings, the same questions, the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.promql_grammar import COUNTERS, STEADY, Grammar
from tests.integration.promql_judge import DEVICES, RENAME, SPAN_S, START_S, Judge, open_judge
from tests.servers import ServerMissingError
from wattscope.compute.promql.tree import Edition

N_QUESTIONS = 300


@pytest.fixture(scope="module", params=[Edition.V2, Edition.V3])
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Judge, Edition]]:
    try:
        with open_judge(tmp_path_factory.mktemp("judge"), request.param) as judge:
            yield judge, request.param
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("seed", range(4))
def test_questions_have_the_answers_of_prometheus(judged: tuple[Judge, Edition], seed: int) -> None:
    judge, edition = judged
    # Prometheus 2.42 judges both: where the editions differ (a value at the very beginning of a
    # window, a counter that begins near zero) only that of version 2.
    is_own = edition is Edition.V2
    odd_s = 0.0 if is_own else 0.317
    counters = COUNTERS if is_own else (STEADY,)
    grammar = Grammar(seed, DEVICES, RENAME.name, counters)
    faults: list[str] = []
    n_told = 0
    for number in range(N_QUESTIONS // 4):
        question = grammar.question()
        at_s = START_S + odd_s + 5 * grammar.chance.randrange(-60, SPAN_S // 5 + 120)
        words = {"query": question}
        if number % 2:
            step_s = grammar.chance.choice([5, 15, 60, 300, 1000])
            words |= {"start": f"{at_s}", "end": f"{at_s + step_s * 40}", "step": f"{step_s}"}
        else:
            words |= {"time": f"{at_s}"}
        found, n_points = judge.compare("query_range" if number % 2 else "query", words)
        faults += [f"{words}: {one}" for one in found[:2]]
        n_told += n_points > 0
    assert not faults, "\n".join(faults)
    assert n_told > N_QUESTIONS // 4 * 0.6, "too few questions have an answer at all"
