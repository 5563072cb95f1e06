"""One policy as lines: when it speaks, what it does in which order, under which guards, and where each is written. Pure."""

from __future__ import annotations

from autoheal.domain.durations import format_duration
from autoheal.domain.reason import Position
from autoheal.domain.specs import Condition, PolicySpec, Rung
from autoheal.tui.present.line import Line, Span, beside, cut, line
from autoheal.tui.viewstate import Frame

_LABEL = 9


def policy_lines(frame: Frame, name: str, width: int) -> list[Line]:
    """The policy called ``name``; nothing when it is gone."""
    policy = next((p for p in frame.world.config.policies if p.name == name), None)
    if policy is None:
        return []
    owner = f"   owner {policy.owner}" if policy.owner else ""
    lines = [_placed("", f"mode {policy.mode}{owner}   priority {policy.priority}", policy.position, width)]
    lines += [
        _placed("when" if n == 0 else "", _condition(c), c.position, width) for n, c in enumerate(policy.when)
    ]
    lines += [
        _placed("unless" if n == 0 else "", _condition(c), c.position, width)
        for n, c in enumerate(policy.unless)
    ]
    if policy.causes:
        lines.append(
            _placed("causes", ", ".join(c.replace("_", " ") for c in policy.causes), policy.position, width)
        )
    lines += [
        _placed("ladder" if n == 0 else "", f"{n + 1} {_rung(r)}", r.position, width)
        for n, r in enumerate(policy.ladder)
    ]
    lines.append(_placed("verify", _verify(policy), policy.verify.position, width))
    lines.append(_placed("guards", _guards(policy), policy.guards.position, width))
    return lines


def _placed(label: str, body: str, position: Position, width: int) -> Line:
    left = line((f" {label}".ljust(_LABEL), "accent"), body)
    right = (Span(f"{position} ", "place"),) if str(position) else ()
    return cut(beside(left, right, width), width)


def _condition(c: Condition) -> str:
    if c.alarm:
        text = f"alarm {c.alarm}, at least {c.severity}"
    elif c.finding:
        text = f"finding {c.finding}" + (f" {c.field} {c.bound}" if c.bound else "")
    else:
        text = f"health {', '.join(c.health)}" if c.health else c.expr
    return f"{text}, for {format_duration(c.held)}" if c.held else text


def _rung(rung: Rung) -> str:
    when = rung.when
    asked = [f"cause is {' or '.join(c.replace('_', ' ') for c in when.cause)}"] if when.cause else []
    known = (
        ("known good", when.known_good_exists),
        ("stand-in", when.fallback_exists),
        ("pipeline", when.pipeline_exists),
    )
    asked += [
        f"a {name} exists" if wanted else f"no {name} exists" for name, wanted in known if wanted is not None
    ]
    asked += [f"fresh labels {when.fresh_labels}"] if when.fresh_labels else []
    asked += [when.expr] if when.expr else []
    text = rung.runbook + (f" if {' and '.join(asked)}" if asked else "")
    return f"{text}, on recovery {rung.on_recovery}" if rung.on_recovery else text


def _verify(policy: PolicySpec) -> str:
    spec = policy.verify
    labels = f", on {spec.matured_labels} labels" if spec.matured_labels else ""
    return f"healthy for {format_duration(spec.healthy_for)} within {format_duration(spec.within)}{labels}"


def _guards(policy: PolicySpec) -> str:
    g = policy.guards
    parts = [f"cooldown {format_duration(g.cooldown)}"]
    parts += [f"{g.limit.actions} actions per {format_duration(g.limit.per)}"] if g.limit else []
    if g.approval:
        whom = ", ".join(g.approval.ask) or "a person"
        parts.append(
            f"approval by {whom} within {format_duration(g.approval.expires)}, else {g.approval.otherwise}"
        )
    return "; ".join(parts)
