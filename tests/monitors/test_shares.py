"""Who may spend how much of the fleet's false alarms."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import Config, FalseAlarms, FleetGuards, ModelSpec, MonitorSpec
from autoheal.monitors.shares import budgets, promises

KINDS = ("performance", "data_drift", "serving", "of_a_plug_in")
WEIGHTS = st.floats(0.01, 100)


def config(rule: FalseAlarms, **models: tuple[str, tuple[str, ...]]) -> Config:
    """Models by name: their tier and their monitors."""
    return Config(
        models={
            ModelName(name.replace("_", "-")): ModelSpec(
                ModelName(name.replace("_", "-")),
                Task.REGRESSION,
                labels={"tier": tier} if tier else {},
                monitors=tuple(MonitorSpec(kind) for kind in kinds),
            )
            for name, (tier, kinds) in models.items()
        },
        guards=FleetGuards(false_alarms=rule),
    )


def test_models_share_equally_and_kinds_by_their_parts() -> None:
    found = budgets(config(FalseAlarms(), a=("", ("performance", "data_drift")), b=("", ("serving",))))
    assert found["a"]["performance"].share == pytest.approx(0.5 * 0.3 / 0.5)
    assert found["a"]["data_drift"].share == pytest.approx(0.5 * 0.2 / 0.5)
    assert found["b"]["serving"].share == pytest.approx(0.5)
    assert (found["b"]["serving"].notify, found["b"]["serving"].act) == (14.0, 365.0)


def test_weights_by_name_then_tier_and_promises_in_days() -> None:
    rule = FalseAlarms(
        notify=timedelta(days=10), tiers={"critical": 4.0}, models={"fraud-*": 3.0, "*-eu": 9.0}
    )
    fleet = config(
        rule,
        fraud_eu=("critical", ("serving",)),
        loans=("critical", ("serving",)),
        churn=("", ("serving",)),
        spam=("bronze", ("serving",)),
    )
    said = promises(fleet)
    assert [(p.models, round(p.share * 9, 6)) for p in said] == [
        (("loans",), 4),
        (("fraud-eu",), 3),
        (("churn", "spam"), 1),
    ]
    assert said[0].notify == pytest.approx(10 * 9 / 4)


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "critical", "low"]), st.sets(st.sampled_from(KINDS))), max_size=6
    ),
    st.dictionaries(st.sampled_from(["critical", "low"]), WEIGHTS),
    st.dictionaries(st.sampled_from(["m0", "m*"]), WEIGHTS),
    st.dictionaries(st.sampled_from(KINDS), WEIGHTS),
)
def test_the_shares_of_a_fleet_add_up_to_one(models, tiers, names, kinds) -> None:
    rule = FalseAlarms(tiers=tiers, models=names, monitors=kinds)
    fleet = config(rule, **{f"m{i}": (tier, tuple(watched)) for i, (tier, watched) in enumerate(models)})
    shares = [b.share for of_model in budgets(fleet).values() for b in of_model.values()]
    assert all(share > 0 for share in shares)
    assert sum(shares) == pytest.approx(1.0) if shares else not any(watched for _, watched in models)
    assert sum(p.share * len(p.models) for p in promises(fleet)) == pytest.approx(sum(shares))
