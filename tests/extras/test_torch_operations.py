"""Every operation that a reward may use, in PyTorch as in JAX, at the edges too."""

from __future__ import annotations

import json

import pytest

from reward_synth.reward.array_program import _OPERATIONS
from reward_synth.reward.facade import FACADE_NAMES
from tests.extras.expressions import (
    BEYOND,
    SYNTAX,
    TOGETHER,
    TOP,
    VARIANTS,
    batch_of,
    case,
    traced_function,
)
from tests.extras.torch_checks import assert_same
from tests.reward.test_facade import USES


def test_every_name_has_variants():
    assert sorted(VARIANTS) == list(FACADE_NAMES)


@pytest.mark.parametrize("name", FACADE_NAMES)
def test_a_name(name):
    traced = traced_function(*map(case, (USES[name], *VARIANTS[name])))
    assert_same(traced, TOP, TOGETHER)


@pytest.mark.parametrize("start", range(0, len(SYNTAX), 20))
def test_syntax(start):
    assert_same(traced_function(*map(case, SYNTAX[start : start + 20])), TOP, TOGETHER)


@pytest.mark.parametrize("start", range(0, len(BEYOND), 20))
def test_what_no_name_leads_to(start):
    assert_same(traced_function(*map(case, BEYOND[start : start + 20])), TOP, TOGETHER)


def test_all_operations_of_array_programs_are_tried():
    expressions = [
        *BEYOND,
        *SYNTAX,
        *USES.values(),
        *(e for some in VARIANTS.values() for e in some),
    ]
    program = json.loads(traced_function(*map(case, expressions)).arrays)
    assert {name for name, *_ in program["operations"]} == set(_OPERATIONS)


@pytest.mark.parametrize("n", [0, 1])
def test_a_batch_of_one_or_none(n):
    functions = [case(expression) for expression in ("m @ x", "x[k]", "jnp.max(x)", "m[:, i]", "s")]
    assert_same(traced_function(*functions), TOP, batch_of(TOP, n=n))
