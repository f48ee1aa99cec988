"""Derives every polynomial of src/numerics/ and prints it as TypeScript.

    pip install mpmath && python3 scripts/elementary-coefficients.py [name...]

Method: Lawson's iteration for the weighted minimax polynomial, in 90 digits. Coefficients are rounded to the dtype one by
one, lowest power first, and the rest refitted after each, so that the rounding of one is made good by the others.
The figure behind each line is the largest weighted (that is, relative to the function) error of the rounded
polynomial in exact arithmetic.
"""
import sys
from mpmath import mp, mpf, atanh, cos, e, erf, erfc, exp, expm1, log, log1p, lu_solve, matrix, pi, sin, sqrt, tanh

mp.dps = 60
LN2 = log(2)


def round_to(x, bits):
    """The nearest number with `bits` significant bits, ties to even."""
    if x == 0:
        return mpf(0)
    scale = mpf(2) ** (bits - 1 - int(mp.floor(log(abs(x), 2))))
    return mp.nint(x * scale) / scale


BITS = {'float32': 24, 'float64': 53}


def least_maximum(samples, powers, rounds):
    """Coefficients of Σ c_j x^powers[j] near the least maximum of |weight·(f − p)| over samples (x, f, weight).

    Lawson 1961: weighted least squares, each point's share multiplied by its error, again and again. Unlike Remez'
    exchange it needs no Haar condition, which x², x³, ... on an interval around zero do not meet.
    """
    n = len(powers)
    share = [mpf(1)] * len(samples)
    rows = [[w * x ** p for p in powers] for x, _, w in samples]
    right = [w * f for _, f, w in samples]
    for _ in range(rounds):
        normal, side = matrix(n, n), matrix(n, 1)
        for row, value, s in zip(rows, right, share):
            weighted = [s * r for r in row]
            for i in range(n):
                side[i] += weighted[i] * value
                for j in range(i + 1):
                    normal[i, j] += weighted[i] * row[j]
        for i in range(n):
            for j in range(i):
                normal[j, i] = normal[i, j]
        c = lu_solve(normal, side)
        errors = [abs(value - sum(r * c[j] for j, r in enumerate(row))) for row, value in zip(rows, right)]
        share = [s * err for s, err in zip(share, errors)]
        total = sum(share)
        share = [s * len(share) / total for s in share]
    return [c[j] for j in range(n)]


def fit(f, weight, low, high, degree, dtype):
    """Rounded coefficients of the polynomial of this degree, and its largest weighted error."""
    low, high = mpf(low), mpf(high)
    count = 12 * (degree + 2)
    grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * (i + mpf(1) / 2) / count) for i in range(count)]
    samples = [(x, f(x), abs(weight(x))) for x in grid]
    fixed = []
    while len(fixed) <= degree:
        rest = [(x, fx - sum(v * x ** p for p, v in enumerate(fixed)), w) for x, fx, w in samples]
        c = least_maximum(rest, list(range(len(fixed), degree + 1)), 8 if dtype == 'float32' else 2)
        fixed.append(round_to(c[0], BITS[dtype]))
    grid = [low + (high - low) * mpf(i) / 997 for i in range(998)]
    worst = max(abs(weight(x) * (f(x) - sum(v * x ** p for p, v in enumerate(fixed)))) for x in grid)
    return fixed, worst


def near_zero(f, order, taylor):
    """f where it is stable, its first Taylor terms close to 0 (60 digits leave room, but 0/0 is 0/0)."""
    return lambda x: taylor if abs(x) < mpf('1e-18') else f(x)


def show(x, dtype):
    """float32: nine digits; float64: the shortest that come back."""
    text = mp.nstr(x, 9, min_fixed=-5, max_fixed=20) if dtype == 'float32' else repr(float(x))
    return text.replace('e-0', 'e-')


expq = near_zero(lambda r: expm1(r) / r, 1, mpf(1))
expq2 = near_zero(lambda r: (expm1(r) - r) / r ** 2, 2, mpf(1) / 2)
logq = near_zero(lambda f: (log1p(f) - f) / f ** 2, 2, -mpf(1) / 2)
tanhq = near_zero(lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, 1, -mpf(1) / 3)
erfq = near_zero(lambda z: erf(sqrt(z)) / sqrt(z) - 1, 0, 2 / sqrt(pi) - 1)
sinq = near_zero(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, 1, -mpf(1) / 6)
cosq = near_zero(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z ** 2, 2, mpf(1) / 24)
atanhq = near_zero(lambda z: (atanh(sqrt(z)) / sqrt(z) - 1 - z / 3) / z ** 2, 2, mpf(1) / 5)
exp2q = near_zero(lambda r: expm1(r * LN2) / r, 1, LN2)


def over(top, f):
    """A weight: the share of the fitted term in the whole."""
    return near_zero(lambda x: top(x) / f(x), 0, mpf(1) / 10 ** 20)


H = LN2 / 2 * mpf('1.0005')  # half a step of the reduction by ln 2, and the slack of rounding it
S = sqrt(mpf(1) / 2)
Q = (pi / 4 * mpf('1.0001')) ** 2
TANH = mpf('0.6875')
TAIL = {'float32': (mpf('0.85'), mpf('3.95')), 'float64': (mpf('0.85'), mpf('5.95'))}
ERF_CENTER = 3
POW = ((sqrt(2) - 1) / (sqrt(2) + 1)) ** 2 * mpf('1.001')

tables = {
    # (eʳ − 1)/r
    'exp': lambda d: fit(expq, lambda r: r / exp(r) if r else mpf('1e-20'), -H, H, {'float32': 5, 'float64': 11}[d], d),
    # (eʳ − 1)/r for tanh, in r/2
    'tanhExp': lambda d: fit(lambda h: 2 * expq(2 * h), lambda h: h / exp(2 * h) if h else mpf('1e-20'), -H / 2, H / 2, {'float32': 4, 'float64': 11}[d], d),
    # (eʳ − 1 − r)/r²
    'expm1': lambda d: fit(expq2, lambda r: r ** 2 / expm1(r) if r else mpf('1e-20'), -mpf('0.42') * LN2, mpf('0.59') * LN2, {'float32': 5, 'float64': 11}[d], d),
    # (log(1+f) − f)/f²
    'log': lambda d: fit(logq, lambda f: f ** 2 / log1p(f) if f else mpf('1e-20'), S - 1, 2 * S - 1, {'float32': 7, 'float64': 19}[d], d),
    # (tanh(x)/x − 1)/x² in x²
    'tanh': lambda d: fit(tanhq, lambda z: z * sqrt(z) / tanh(sqrt(z)) if z else mpf('1e-20'), 0, TANH ** 2, {'float32': 4, 'float64': 12}[d], d),
    # erf(x)/x − 1 in x²
    'erf': lambda d: fit(erfq, lambda z: sqrt(z) / erf(sqrt(z)) if z else sqrt(pi) / 2, 0, mpf('0.86') ** 2, {'float32': 5, 'float64': 12}[d], d),
    # log₂ erfc(x) in x (float32), x − 3 (float64)
    'erfTail': lambda d: fit(lambda t: log(erfc(t + (ERF_CENTER if d == 'float64' else 0)), 2),
                             lambda t: LN2 * erfc(t + (ERF_CENTER if d == 'float64' else 0)) / erf(t + (ERF_CENTER if d == 'float64' else 0)),
                             *[v - (ERF_CENTER if d == 'float64' else 0) for v in TAIL[d]], {'float32': 7, 'float64': 21}[d], d),
    # (2ʳ − 1)/r
    'exp2': lambda d: fit(exp2q, lambda r: r / exp(r * LN2) if r else mpf('1e-20'), -mpf('0.5'), mpf('0.5'), {'float32': 5, 'float64': 11}[d], d),
    # (sin(x)/x − 1)/x² in x²
    'sin': lambda d: fit(sinq, lambda z: z * sqrt(z) / sin(sqrt(z)) if z else mpf('1e-20'), 0, Q, {'float32': 3, 'float64': 6}[d], d),
    # (cos(x) − 1 + x²/2)/x⁴ in x²
    'cos': lambda d: fit(cosq, lambda z: z ** 2 / cos(sqrt(z)) if z else mpf('1e-20'), 0, Q, {'float32': 2, 'float64': 6}[d], d),
    # (atanh(s)/s − 1 − s²/3)/s⁴ in s²
    'atanh': lambda d: fit(atanhq, lambda z: z ** 2 * sqrt(z) / atanh(sqrt(z)) if z else mpf('1e-20'), 0, POW, {'float32': 2, 'float64': 7}[d], d),
}


def split(name, value, bits):
    """value as a sum: each part has the given number of bits, or is given itself."""
    parts, rest = [], mpf(value)
    for b in bits:
        part = round_to(rest, b) if isinstance(b, int) else b
        parts.append(part)
        rest -= part
    print(f'{name}: [' + ', '.join(show(p, 'float64') for p in parts) + ']')


def constants():
    for dtype, bits in ('float32', 16), ('float64', 32):
        high = mp.floor(LN2 * 2 ** bits) / 2 ** bits  # down, so that the rest is positive: log1p(-0) needs it
        split(f'ln2 {dtype} high and low', LN2, [high, BITS[dtype]])
    split('half pi float64 (4 × 26 bits)', pi / 2, [26, 26, 26, 53])
    split('2^26 half pi float64', pi / 2 * 2 ** 26, [26, 26, 26, 53])
    split('1/3 float32 pair', mpf(1) / 3, [24, 24])
    split('1/3 float64 pair', mpf(1) / 3, [53, 53])
    digits = int(mp.floor(2 / pi * mpf(2) ** 230))
    words = [digits >> 32 * (7 - i) & 0xFFFFFFFF for i in range(8)]
    print('2/pi after 26 zero bits:', ', '.join(f'0x{word:08x}' for word in words))


if __name__ == '__main__':
    mp.dps = 90
    wanted = sys.argv[1:] or [*tables, 'constants']
    for name in wanted:
        if name == 'constants':
            constants()
            continue
        for dtype in ('float32', 'float64'):
            c, worst = tables[name](dtype)
            print(f'{name}.{dtype}: [{", ".join(show(v, dtype) for v in c)}], // 2^{mp.nstr(log(worst, 2), 4)}', flush=True)
