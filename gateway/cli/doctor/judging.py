"""What there is to say, in the order of an event's way. Pure: facts in, findings out."""

from gateway.cli.doctor import setup, troubles, work
from gateway.cli.doctor.facts import Facts
from gateway.cli.doctor.findings import Finding, Level


def judge(facts: Facts) -> list[Finding]:
    """Every finding; at least one for each part of the system."""
    return [
        *setup.judge_store(facts),
        *setup.judge_memory(facts),
        *setup.judge_settings(facts),
        *setup.judge_clocks(facts),
        *work.judge_dispatchers(facts),
        *work.judge_log(facts),
        *work.judge_deliveries(facts),
        *troubles.judge_endpoints(facts),
    ]


def attention(findings: list[Finding]) -> int:
    """How many findings somebody has to act on."""
    return sum(finding.level is Level.RISK for finding in findings)
