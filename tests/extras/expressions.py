"""Every operation that a reward may use, as expressions, for whoever writes it down elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from reward_synth.records import Field, RewardProgram, TaskDescription, TracedReward
from reward_synth.reward.array_program import encode
from reward_synth.reward.facade import build_facade
from reward_synth.state import State

TOP = TaskDescription(
    name="top",
    sentence="Spin.",
    notes="",
    fields=(
        Field("x", (3,), "rad/s", "world", "x, y and z", (0.1, -0.2, 0.3)),
        Field("y", (3,), "1", "world", "x, y and z", (0.1, -0.2, 0.3)),
        Field("s", (), "m", "world", "height", (0.1,)),
        Field("last_action", (2,), "1", "actuator", "before", (0.0, 0.0)),
    ),
    actions=("left", "right"),
    timestep=0.02,
    episode_steps=100,
    terminates=False,
)
WEIGHTS = (("a", 0.7), ("b", -1.5))

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def batch_of(description: TaskDescription, n: int = 64, scale: float = 1.0, seed: int = 0) -> Batch:
    """Random states about home, actions, and states after them."""
    rng = np.random.default_rng(seed)
    home = np.concatenate([np.asarray(f.home, np.float32) for f in description.fields])
    state, after = (home + scale * rng.normal(size=(2, n, len(home)))).astype(np.float32)
    action = rng.uniform(-1, 1, (n, description.action_size)).astype(np.float32)
    return state, action, after


def traced_function(
    *functions: Callable[..., jax.Array], description: TaskDescription = TOP
) -> TracedReward:
    """Functions (state, action, next_state, w) -> array, each entry of which is a term."""
    terms: list[str] = []

    def step(state, action, after, weights):
        before, then = (State(description.fields, vector) for vector in (state, after))
        w = {name: weights[i] for i, (name, _) in enumerate(WEIGHTS)}
        arrays = [jnp.ravel(jnp.asarray(f(before, action, then, w))) for f in functions]
        terms[:] = [
            f"{f.__name__} [{i}]"
            for f, a in zip(functions, arrays, strict=True)
            for i in range(a.size)
        ]
        entries = jnp.concatenate([array.astype(jnp.float32) for array in arrays])
        return entries[0], entries

    sizes = (description.state_size, description.action_size, description.state_size, len(WEIGHTS))
    shapes = [jax.ShapeDtypeStruct((size,), jnp.float32) for size in sizes]
    arrays = encode(step, *shapes)
    return TracedReward(RewardProgram("# made by a test\n", "", WEIGHTS), tuple(terms), arrays)


FACADE = build_facade()


def table(text):
    """Expressions, apart by semicolons, under the name in the line above them."""
    found = {}
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            entries = found[line] = []
        else:
            entries += [entry.strip() for entry in line.split(";") if entry.strip()]
    return found


# More of each name than tests.reward.test_facade has: axes, scalars, integers, booleans. m is a
# (2, 3) matrix, i an integer and k three of them, which may be out of bounds, b three booleans.
VARIANTS = table("""
abs
    jnp.abs(s); jnp.abs(m); abs(k); jnp.abs(w['b'])
all
    jnp.all(m > 0, axis=0); jnp.all(m > 0, axis=1); jnp.all(m > -1); b.all()
any
    jnp.any(m > 0, axis=0); jnp.any(m > 0, axis=1, keepdims=True); jnp.any(m > 1)
arange
    jnp.arange(0.0, 1.0, 0.25) * s; jnp.arange(3)[k]; jnp.arange(5, -1, -2) * i
arccos
    jnp.arccos(jnp.clip(x, -1, 1)); jnp.arccos(s)
arcsin
    jnp.arcsin(jnp.clip(x, -1, 1))
arctan
    jnp.arctan(s); jnp.arctan(w['a'])
arctan2
    jnp.arctan2(x, y); jnp.arctan2(s, 1.0); jnp.arctan2(1.0, x); jnp.arctan2(m, x)
argmax
    jnp.argmax(m, axis=0); jnp.argmax(m, axis=1); jnp.argmax(m); jnp.argmax(b);
    jnp.argmax(m, axis=-1, keepdims=True); jnp.argmax(k); x[jnp.argmax(y)]
argmin
    jnp.argmin(m, axis=0); jnp.argmin(b); m[jnp.argmin(x[:2]), jnp.argmin(y)]
array
    jnp.array([[x[0], s], [1.0, w['a']]]); jnp.array([1.0, 2.0, 3.0]); jnp.array(2) * i
asarray
    jnp.asarray(s); jnp.asarray([i, 1]); jnp.asarray(b, jnp.float32)
ceil
    jnp.ceil(10 * x); jnp.ceil(s)
clip
    jnp.clip(x, 0.0); jnp.clip(x, None, 0.5); jnp.clip(x, y, 1.0); x.clip(-1, 1);
    jnp.clip(x, 0.5, -0.5); jnp.clip(k, 0, 2); jnp.clip(m, -w['a'], w['a']); jnp.clip(s, -0.5, y);
    jnp.clip(x, -jnp.inf, 1.0)
concatenate
    jnp.concatenate([m, m + 1]); jnp.concatenate([m, m[:, :1]], axis=1);
    jnp.concatenate([x, jnp.array([1.0, 2.0])]); jnp.concatenate([k, jnp.arange(2)]);
    jnp.concatenate([s[None], x]); jnp.concatenate([m.T, m.T], axis=-1)
cos
    jnp.cos(s); jnp.cos(m); jnp.cos(w['a'])
cosh
    jnp.cosh(s)
cross
    jnp.cross(x, y); jnp.cross(x[:2], y[:2]); jnp.cross(m, y)
cumsum
    jnp.cumsum(m); jnp.cumsum(m, axis=0); jnp.cumsum(m, axis=1); jnp.cumsum(k); jnp.cumsum(b)
deg2rad
    jnp.deg2rad(s)
diff
    jnp.diff(m, axis=0); jnp.diff(x, n=2); jnp.diff(k); jnp.diff(m)
dot
    jnp.dot(m, x); jnp.dot(m, m.T); jnp.dot(x, 2.0); x.dot(y); jnp.dot(k, k)
e
    jnp.e ** x
exp
    jnp.exp(-w['a'] * x**2); jnp.exp(s); jnp.exp(w['b'])
expm1
    jnp.expm1(s)
float32
    jnp.float32(i); jnp.float32(2.5) * x; b.astype(jnp.float32); jnp.float32(s)
floor
    jnp.floor(10 * x); jnp.floor(s); x // 0.3; x // y; k // 2; 7 // (k + 5)
full
    jnp.full(3, 2.0); jnp.full((2, 3), s) * m; jnp.full(3, 2) + k; jnp.full((2,), w['a'])
hypot
    jnp.hypot(x, y); jnp.hypot(s, 3.0)
inf
    jnp.min(jnp.where(b, x, jnp.inf)); jnp.max(jnp.where(b, x, -jnp.inf))
int32
    jnp.int32(x); (10 * m).astype(jnp.int32); jnp.int32(b); jnp.int32(1e20 * x)
isfinite
    jnp.isfinite(1.0 / x); jnp.isfinite(s); jnp.isfinite(k)
linalg.norm
    jnp.linalg.norm(m); jnp.linalg.norm(m, axis=1); jnp.linalg.norm(m, axis=0);
    jnp.linalg.norm(x, ord=1); jnp.linalg.norm(x, ord=jnp.inf); jnp.linalg.norm(x, 3);
    jnp.linalg.norm(m, axis=-1, keepdims=True); jnp.linalg.norm(x, ord=-jnp.inf);
    jnp.linalg.norm(x, ord=0)
linspace
    jnp.linspace(s, 1.0, 4); jnp.linspace(x, y, 3); jnp.linspace(0, 1, 3, endpoint=False) * x
log
    jnp.log(jnp.abs(x) + 1e-3); jnp.log(s)
log1p
    jnp.log1p(jnp.abs(x)); jnp.log1p(s)
logaddexp
    jnp.logaddexp(x, y); jnp.logaddexp(s, 0.0); jnp.logaddexp(0.0, m)
logical_and
    jnp.logical_and(b, s > 0); (x > 0) & (y > 0); jnp.logical_and(k, i); k & 3
logical_not
    ~b; jnp.logical_not(s > 0); jnp.logical_not(x); ~k
logical_or
    b | (s > 0); jnp.logical_or(x, y); k | 4; b ^ (y > 0); k ^ 5
matmul
    m @ x; m @ m.T; x @ m.T; m.T @ m; x @ jnp.array([1.0, 2.0, 3.0]); jnp.matmul(m, jnp.arange(3))
max
    jnp.max(m, axis=0); jnp.max(m, axis=1, keepdims=True); jnp.max(k); m.max();
    jnp.max(x, initial=0.3)
maximum
    jnp.maximum(x, y); jnp.maximum(0.0, m); jnp.maximum(x, s); jnp.maximum(k, 1);
    jnp.maximum(w['a'], x); jnp.maximum(w['a'], w['b']); jnp.maximum(b, y > 0)
mean
    jnp.mean(m, axis=0); jnp.mean(m); jnp.mean(b); jnp.mean(m, axis=(0, 1)); jnp.mean(x, where=b)
min
    jnp.min(m, axis=1); jnp.min(k); x.min()
minimum
    jnp.minimum(x, y); jnp.minimum(m, 0.5); jnp.minimum(s, x); jnp.minimum(1, k)
mod
    jnp.mod(x, 0.3); jnp.mod(x, y); x % -0.7; k % 3; k % -3; jnp.mod(7, k); 2.0 % x; i % k
nan_to_num
    jnp.nan_to_num(1.0 / x); jnp.nan_to_num(x, nan=1.0, posinf=2.0, neginf=3.0)
ones
    jnp.ones((2, 3)) * m; jnp.ones(2); jnp.ones(3, jnp.int32) + k
ones_like
    jnp.ones_like(m); jnp.ones_like(k) + k; jnp.ones_like(b) & b
outer
    jnp.outer(x, x[:2]); jnp.outer(x, jnp.array([1.0, 2.0])); jnp.outer(k, k)
pi
    jnp.pi - s
power
    x**2; x**3; x**-1; x**0; k**2; jnp.power(x, 3); m**4; s**2; x**7; jnp.abs(x) ** 1.5;
    jnp.abs(x) ** y; 2.0**x; jnp.abs(x) ** w['a']; jnp.maximum(x, -9.0) ** 0.5; w['a'] ** 2;
    w['a'] ** x; x ** jnp.argmax(y); jnp.power(x, k); x**-2
prod
    jnp.prod(m, axis=0); jnp.prod(m); jnp.prod(k); m.prod(axis=1)
rad2deg
    jnp.rad2deg(s)
reshape
    m.reshape(3, 2); jnp.reshape(m, -1); m.T.reshape(-1); s.reshape(1); m.ravel(); m.flatten();
    x[None].squeeze(); jnp.reshape(jnp.arange(6), (2, 3)) * m
roll
    jnp.roll(x, -1); jnp.roll(m, 1, axis=1); jnp.roll(m, 1); jnp.roll(x, i);
    jnp.roll(m, 2, axis=0)
round
    jnp.round(x, 1); jnp.round(2 * x) / 2; jnp.round(s); jnp.round(k)
sign
    jnp.sign(s); jnp.sign(k); jnp.sign(m)
sin
    jnp.sin(s); jnp.sin(m)
sinh
    jnp.sinh(s)
sort
    jnp.sort(m, axis=0); jnp.sort(m); jnp.sort(m, axis=None); jnp.sort(x, descending=True);
    jnp.sort(k); jnp.sort(b); jnp.sort(x)[1]
sqrt
    jnp.sqrt(jnp.abs(x)); jnp.sqrt(s); jnp.sqrt(w['a'])
square
    jnp.square(s); jnp.square(k); jnp.square(x - y)
stack
    jnp.stack([x, y]); jnp.stack([x, y], axis=1); jnp.stack([s, 1.0, w['a']]);
    jnp.stack([k, k], axis=-1); jnp.stack([m, m], axis=1); jnp.stack([x[0], x[1]]) * 2
std
    jnp.std(m, axis=0); jnp.std(m); jnp.std(x, ddof=1)
sum
    jnp.sum(m, axis=0); jnp.sum(m, axis=(0, 1)); jnp.sum(m, axis=-1, keepdims=True); jnp.sum(k);
    jnp.sum(b); sum(x); jnp.sum(x, where=b); jnp.sum(x[:0])
tan
    jnp.tan(s)
tanh
    jnp.tanh(s); jnp.tanh(m); jnp.tanh(w['a'])
transpose
    m.T; jnp.transpose(jnp.stack([m, m]), (2, 0, 1)); m.T @ x[:2]
var
    jnp.var(m, axis=1); jnp.var(m); jnp.var(x, ddof=1)
where
    jnp.where(b, x, y); jnp.where(s > 0, x, y); jnp.where(s > 0, 1.0, 0.0);
    jnp.where(x > 0, 1.0, -2.5); jnp.where(b, 1.0, x); jnp.where(s > 0, s, 1.0);
    jnp.where(b, w['a'], x); jnp.where(b, w['a'], w['b']); jnp.where(b, k, 0);
    jnp.where(b, k, -1); jnp.where(b, 2, 3); jnp.where(b, y > 0, False); jnp.where(s > 0, m, x);
    jnp.where(m > 0, s, x); jnp.where(x, 1.0, 2.0); jnp.where(w['a'] > 0, x, y);
    jnp.where(b, jnp.array([1.0, 2.0, 3.0]), x); jnp.where(b, jnp.array([1.0, 2.0, 3.0]), 0.0)
zeros
    jnp.zeros((2, 3)) + m; jnp.zeros(()); jnp.zeros(3, jnp.int32) + k
zeros_like
    jnp.zeros_like(x); jnp.zeros_like(m) + s; jnp.zeros_like(k)
""")
# What needs no name of jnp.
SYNTAX = table("""
syntax
    x + y; x - s; 1.0 - x; s - x; x * m; x / y; 1.0 / x; s / 0.3; -x; -s; x - (y - s);
    (x - y) * s; -(x * y); (-x) ** 2; -(x**2); x / (y / s); x + (y + s); x > y; x >= 0.5; x < y;
    x <= s; x == y; x != y; 0.5 < x; 1.5 >= x; b == (y > 0); x > w['a']; w['a'] >= x;
    w['a'] > w['b']; b < (y > 0); k > 1; k == i; 2 <= k; w['a']; -w['a']; w['a'] * w['b'];
    w['a'] + 1.0 - w['b']; w['a'] / w['b']; w['a'] * x; x / w['a']; w['a'] / x; x - w['b'];
    2.0 * w['a'] * s; w['a'] + 0 * x; b * jnp.where(jnp.isfinite(x), x, 1.0); b + (y > 0);
    b * (y > 0); x * True; k + i; k - 1;
    k * 2; -k; k / 2; i // 2; i // -1; k // i; 2147483647 * k; k * 1000000000;
    jnp.sum(2147483647 + k); x[0]; x[-1]; x[1:]; x[::2]; x[::-1]; m[1]; m[:, 1]; m[0, 1:];
    m[..., 0]; x[None, :]; x[:, None]; m[:, None, 1:]; m[1][2]; m[:, ::2]; m[::-1, 1];
    m[1:, :2][0]; x[i]; x[k]; m[i]; m[:, i]; m[i, 1]; m[i, i]; m[0, k]; m[:, k]; m[k];
    x[jnp.array([0, 2])]; m[jnp.array([1, 0])]; m[:, jnp.array([2, 2, 0])]; x[jnp.array([2])];
    m[jnp.array([0, 1]), jnp.array([2, 0])]; m[jnp.array([[0, 1], [1, 1]])]; x[jnp.stack([k, k])];
    jnp.array([3.0, 4.0, 5.0])[i]; jnp.array([3.0, 4.0, 5.0])[k]; jnp.arange(3)[i];
    jnp.outer(x, x)[k, k]; m[jnp.array([0, 1]), i]; m[k % 2, k]; x[jnp.clip(k, 0, 2)];
    jnp.stack([m, m])[:, i]; jnp.stack([m, 2 * m])[i, 1]; jnp.stack([m, m], -1)[0, k, 1];
    sum(a * c for a, c in zip(x, y)); jnp.sum(m * x[None], axis=1); [*x][1]; min(3, 2) * s;
    action; jnp.sum((action - last) ** 2); action[0]; before; jnp.linalg.norm(x - before)
""")["syntax"]

# What array programs can hold and the names of jnp that rewards may use do not lead to; `lax` and
# `np`, which is all of jax.numpy, are at hand here. XLA is free in what bounds are promised for.
BEYOND = table("""
beyond
    lax.acosh(1.0 + x**2); lax.asinh(x); lax.atanh(0.9 * jnp.sin(y)); lax.cbrt(x); lax.exp2(x);
    lax.erf(x); lax.erfc(x); lax.erf_inv(0.9 * jnp.sin(x)); lax.lgamma(jnp.abs(x) + 0.1);
    lax.logistic(x); lax.rsqrt(jnp.abs(y)); lax.nextafter(x, y); lax.stop_gradient(x);
    lax.clamp(-0.5, x, y); lax.clamp(-1.0, s, 1.0); np.copy(x);
    lax.cummax(x); lax.cummin(m, 1); lax.cumprod(m, 0); lax.cumprod(k);
    lax.cumsum(x, reverse=True); lax.cummax(m, 1, reverse=True); lax.cummin(k);
    lax.pad(x, 9.0, [(1, 2, 0)]); lax.pad(m, s, [(0, 1, 2), (-1, 2, 1)]);
    lax.pad(k, 1, [(-1, 1, 0)]);
    lax.sort((x, y))[1]; lax.sort((jnp.round(x), jnp.round(y), x), num_keys=2)[2];
    lax.sort((b, x), num_keys=1)[1]; lax.sort((m, 2 * m), dimension=0)[1]; np.argsort(x);
    lax.select_n(k, x, y); lax.select_n(jnp.clip(i, 0, 2), x, y, 2 * x);
    lax.dynamic_slice(m, (i, i + 1), (1, 2)); lax.dynamic_slice(m, (i, 5), (2, 1));
    m.at[k].get(mode="fill", fill_value=3.0); x.at[k].get(mode="clip"); k.at[k].get(mode="fill");
    x.at[k].get(mode="fill"); b.at[k].get(mode="fill"); m.at[:, k].get(mode="clip");
    np.take_along_axis(m, jnp.stack([k, k]) % 3, axis=1); np.unstack(m)[1];
    np.unstack(m, axis=1)[2];
    np.take_along_axis(m, np.array([[0, 2], [1, 1]]), axis=1);
    np.einsum("ij,kj->ki", m, m); np.einsum("ij,ik->ijk", m, m); np.einsum("ij,ij->i", m, m);
    lax.round(10 * x, lax.RoundingMethod.AWAY_FROM_ZERO); lax.rem(k, i); lax.div(k, i);
    lax.reduce_max(b, (0,)); lax.argmax(b, 0, np.int32); lax.sign(k); lax.pow(x, i)
""")["beyond"]


def case(expression):
    """A function of a step that has the names of the expressions above."""
    code = compile(expression, expression, "eval")

    def function(state, action, after, w):
        x, y, s = after.x, after.y, after.s
        names = {"jnp": FACADE, "x": x, "y": y, "s": s, "w": w, "action": action}
        names |= {"lax": jax.lax, "np": jnp}
        names |= {"m": jnp.stack([x + y, x - 2 * s]), "b": x > y, "i": jnp.int32(jnp.floor(2 * s))}
        names |= {"k": jnp.int32(jnp.floor(2 * y)), "before": state.x, "last": state.last_action}
        return eval(code, names)

    function.__name__ = expression
    return function


def edges(n: int = 256):
    """A batch of what is rare: ties, halves, both zeros, numbers without a value or an end."""
    values = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, -2.5, 1e-8, 20.0, np.inf, -np.inf, np.nan]
    rng = np.random.default_rng(1)
    state, after = rng.choice(values, (2, n, TOP.state_size)).astype(np.float32)
    return state, rng.choice(values[:6], (n, 2)).astype(np.float32), after


BATCHES = [batch_of(TOP), batch_of(TOP, scale=3.0, seed=1), edges()]
TOGETHER = tuple(np.concatenate(parts) for parts in zip(*BATCHES, strict=True))
