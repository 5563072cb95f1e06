"""A CEL condition checked where it stands in a document: faults of its text become places in the file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoheal.errors import Problem
from autoheal.policy import expression
from autoheal.policy.explain import did_you_mean, problem
from autoheal.policy.vocabulary import CONDITION, condition_sample
from autoheal.policy.yaml_source import Document, Path

_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^'\\]*)')""")
_LABEL = re.compile(r"\blabels\s*\.\s*([A-Za-z_]\w*)")


def check_condition(source: str, path: Path, document: Document) -> Iterator[Problem]:
    """What is wrong with the condition at ``path``."""
    words = tuple(a or b for a, b in _QUOTED.findall(source))
    labels = (*_LABEL.findall(source), *words)
    sample = condition_sample(tuple(w for w in words if "/" in w), labels)
    fault = expression.check(source, frozenset(CONDITION), sample, boolean=True)
    if fault is None:
        return
    hint = ""
    if fault.name:
        inner = {key for value in sample.values() if isinstance(value, dict) for key in value}
        hint = did_you_mean(fault.name, {*CONDITION, *inner, *expression.FUNCTIONS}, _KNOWN)
    yield problem(document.inside(path, fault.line, fault.column), fault.message, hint)


_KNOWN = f"known here: {', '.join(sorted(CONDITION))}"
