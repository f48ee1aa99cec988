"""Writes test/fixtures/elementary-float64.json: samples of every elementary function, right to half a float64 ulp.

    pip install mpmath && python3 scripts/elementary-fixture.py
"""
import json
import math
import random
from pathlib import Path
from mpmath import mp, mpf

mp.prec = 2400  # cos(2⁵²) and erf near 0 alike
random.seed(1)


def nearest(x):
    """The float64 nearest to x, subnormals included (mpmath's own conversion rounds twice there)."""
    if x == 0 or not mp.isfinite(x):
        return float(x)
    exponent = max(int(mp.floor(mp.log(abs(x), 2))), -1022) - 52
    return math.ldexp(int(mp.nint(mp.ldexp(x, -exponent))), exponent)


def signed(values):
    return [v * random.choice((-1, 1)) for v in values]


def wide(low, high, count=120):
    """Exponents evenly spread."""
    return [2 ** random.uniform(low, high) for _ in range(count)]


def even(low, high, count=120):
    return [random.uniform(low, high) for _ in range(count)]


half_turns = [nearest(k * mp.pi / 2) for k in (1, 2, 3, 7, 100, 12345, 10 ** 7, 10 ** 9, 2 ** 40 + 1, 2 ** 51 - 3)]
angles = signed(wide(-30, 52)) + even(-10, 10) + half_turns + [2.0 ** 52, 2.0 ** 52 - 1, 1e-300]
inputs = {
    'exp': even(-745, 709.7) + signed(wide(-60, 0)) + even(-1, 1) + [-745.1, -744.4, -720.3, 709.78],
    'log': wide(-1074, 1023) + even(0.4, 2.5) + [1 + s for s in signed(wide(-52, -2))] + [5e-324, 1.7e308],
    'expm1': even(-40, 709.7) + signed(wide(-1000, 0)) + even(-1, 1) + [math.log(0.75), math.log(1.5), 709.78],
    'log1p': wide(-1000, 1023) + even(-0.99, 2) + signed(wide(-60, -1)) + [1.7e308, -1 + 2 ** -53],
    'tanh': even(-20, 20) + signed(wide(-1000, 0)) + even(-1, 1) + [0.6875],
    'erf': even(-6, 6) + signed(wide(-1000, 0)) + even(-1, 1) + [0.86],
    'sin': angles,
    'cos': angles,
}
functions = {'exp': mp.exp, 'log': mp.log, 'expm1': mp.expm1, 'log1p': mp.log1p, 'tanh': mp.tanh, 'erf': mp.erf, 'sin': mp.sin, 'cos': mp.cos}


def pow_inputs():
    pairs = [(x, random.uniform(-1070, 1020) / math.log2(x)) for x in wide(-1070, 1000, 200)]
    pairs += [(1 + s, random.uniform(-1000, 1000) / math.log2(1 + s)) for s in signed(wide(-40, -1))]
    pairs += [(random.uniform(0.1, 10), random.uniform(-20, 20)) for _ in range(120)]
    pairs += [(-random.uniform(0.1, 10), float(random.randint(-30, 30))) for _ in range(40)]
    pairs += [(0.999, float(t)) for t in (1, 2, 10, 1000, 100000)] + [(0.9, 1000.0), (10.0, 308.0), (2.0, -1074.0)]
    return pairs


fixture = {name: [[x, nearest(functions[name](mpf(x)))] for x in values] for name, values in inputs.items()}
fixture['pow'] = [[x, y, nearest(mpf(x) ** mpf(y))] for x, y in pow_inputs()]
path = Path(__file__).parent.parent / 'test/fixtures/elementary-float64.json'
path.write_text('{\n' + ',\n'.join(f'"{name}": {json.dumps(rows)}' for name, rows in fixture.items()) + '\n}\n')
print(path, path.stat().st_size, 'bytes')
