"""The tables of the benchmark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.hubs.load import Outcome
from benchmarks.hubs.measures import Sizes
from benchmarks.hubs.report import Report, Run, shown

CLEAN = Outcome(
    published=100,
    refused=0,
    refusal="",
    delivered=1000,
    lost=0,
    repeated=0,
    closed=0,
    latencies=[0.001] * 98 + [0.005, 0.1],
    cpu=0.5,
    connect_cpu=0.0002,
    memory=2048.0,
)
SLOWER = replace(CLEAN, cpu=1.5, memory=8192.0)


def report(**hubs: Run) -> Report:
    return Report(Sizes(subscribers=1000), {name: [run] for name, run in hubs.items()})


def test_ratios_are_to_the_chosen_hub_and_say_which_way_is_better() -> None:
    found = report(ours={"steady": CLEAN}, other={"steady": SLOWER}).ratios("other")
    rows = {row[0]: row[1] for row in found.rows}

    assert found.header == ["", "ours / other"]
    label = "deliveries per CPU second, 20 updates/s to 1,000 subscribers (more is better)"
    assert rows[label] == "3.00"
    assert rows["memory per anonymous subscriber (less is better)"] == "0.250"


def test_figures_have_their_units() -> None:
    rows = {row[0].partition(",")[0]: row[1] for row in report(ours={"steady": CLEAN}).figures().rows}

    assert rows["deliveries per CPU second"] == "2,000"
    assert rows["latency p50"] == "1.00 ms"
    assert rows["latency p99"] == "100 ms"
    assert rows["memory per anonymous subscriber"] == "2.00 kB"
    assert rows["CPU per anonymous subscriber that connects"] == "0.200 ms"


def test_growth_is_what_one_costs_among_many_against_what_it_costs_among_few() -> None:
    found = report(ours={"topics-few": CLEAN, "topics": SLOWER}).growth()
    assert found.rows == [["publish, 100 to 10,000 topics", "3.00"]]


def test_what_cannot_be_known_is_left_out() -> None:
    unknown = replace(CLEAN, cpu=None, connect_cpu=None, memory=None)
    labels = [row[0] for row in report(there={"steady": unknown}).figures().rows]
    assert [label.partition(",")[0] for label in labels] == ["latency p50", "latency p99"]


def test_a_figure_with_a_loss_has_a_mark_and_a_note() -> None:
    found = report(ours={"burst": CLEAN}, other={"burst": replace(CLEAN, lost=3, closed=1)})

    assert found.ratios("other").rows[0][1] == "1.00*"
    assert found.figures().rows[0][1:] == ["2,000", "2,000*"]
    assert found.notes() == ["* other, burst: 3 deliveries lost, 1 streams closed; 1,000 delivered"]


def test_a_load_that_failed_has_a_mark_and_a_note() -> None:
    found = report(ours={"burst": CLEAN}, other={"burst": "took no connection"})

    assert found.figures().rows[0][1:] == ["2,000", "–*"]
    assert found.notes() == ["* other, burst: took no connection"]


def test_the_median_of_the_runs_counts() -> None:
    runs = [{"burst": replace(CLEAN, cpu=cpu)} for cpu in (0.5, 0.25, 5.0)]
    assert Report(Sizes(), {"ours": runs}).figures().rows[0][1] == "2,000"


def test_tables_are_text_and_markdown() -> None:
    table = report(ours={"topics-few": CLEAN, "topics": CLEAN}).growth()

    assert table.text().splitlines() == [
        "CPU, times as much             ours",
        "publish, 100 to 10,000 topics  1.00",
    ]
    assert table.markdown().splitlines() == [
        "| CPU, times as much | ours |",
        "| --- | ---: |",
        "| publish, 100 to 10,000 topics | 1.00 |",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234567, "1,230,000"), (123.4, "123"), (12.34, "12.3"), (0.01234, "0.0123"), (0, "0"), (None, "–")],
)
def test_numbers_have_three_digits_that_count(number: float | None, text: str) -> None:
    assert shown(number) == text
