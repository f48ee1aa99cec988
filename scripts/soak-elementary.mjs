/**
 * @file Measures the float32 elementary functions over all 2³² inputs (or every n-th), in both modes, in ulp.
 *
 *   npm run build && node scripts/soak-elementary.mjs [--function exp] [--mode fused] [--stride 97] [--engine c|js]
 *
 * The formulas are instantiated with text, which makes C of them; a compiler makes it quick (about a minute a function
 * and mode). Without one, or with --engine js, JavaScript's scalar arithmetic runs, some fifty times slower. With C the
 * bits of both are compared on a sample. The reference is the platform's float64 function, good to 1e-16, where a
 * float32 ulp is 6e-8. pow runs on random pairs. Prints operations, the worst error and where; exits 1 above 2 ulp.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    function: { type: 'string' },
    mode: { type: 'string' },
    stride: { type: 'string', default: '1' },
    engine: { type: 'string' },
    dist: { type: 'string', default: join(import.meta.dirname, '../dist') },
  },
})
const load = (name) => import(pathToFileURL(resolve(options.dist, 'numerics', name)).href)
const { elementary } = await load('elementary.js')
const { bitsOf, floatOf, scalarArithmetic } = await load('scalar.js')

const names = options.function ? [options.function] : Object.keys(elementary)
const modes = options.mode ? [options.mode] : ['fused', 'portable']
const stride = Number(options.stride)
if (!Number.isInteger(stride) || stride < 1)
  throw new Error(`--stride: a positive integer is needed, got ${options.stride}`)
const limit = 2
const pairs = Math.ceil(2 ** 29 / stride)

/** FloatArithmetic over names of C variables; `lines` collects the statements. */
function textArithmetic(mode) {
  const lines = []
  const types = new Map()
  let operations = 0
  const put = (type, expression, cost = 1) => {
    const name = `v${lines.length}`
    lines.push(`  ${type} ${name} = ${expression};`)
    types.set(name, type)
    operations += cost
    return name
  }
  const float = (x) => {
    if (Number.isNaN(x)) return 'NAN'
    if (!Number.isFinite(x)) return x > 0 ? 'INFINITY' : '-INFINITY'
    const text = `${Object.is(x, -0) ? '-0' : Math.fround(x)}`
    return `(${/[.e]/.test(text) ? text : `${text}.0`}f)`
  }
  const f = (expression, cost) => put('float', expression, cost)
  const w = (expression) => put('uint32_t', expression)
  const m = (expression) => put('int', expression)
  const select = (mask, x, y) =>
    put(types.get(x) ?? types.get(y) ?? (x.includes('u)') ? 'uint32_t' : 'float'), `${mask} ? ${x} : ${y}`)
  const word = {
    word: (x) => `(${x >>> 0}u)`,
    add: (x, y) => w(`${x} + ${y}`),
    subtract: (x, y) => w(`${x} - ${y}`),
    multiply: (x, y) => w(`${x} * ${y}`),
    and: (x, y) => w(`${x} & ${y}`),
    or: (x, y) => w(`${x} | ${y}`),
    xor: (x, y) => w(`${x} ^ ${y}`),
    shiftLeft: (x, by) => w(`${x} << ${by}`),
    shiftRight: (x, by) => w(`${x} >> ${by}`),
    less: (x, y) => m(`${x} < ${y}`),
    equal: (x, y) => m(`${x} == ${y}`),
    select,
  }
  const arithmetic = {
    dtype: 'float32',
    number: float,
    add: (x, y) => f(`${x} + ${y}`),
    subtract: (x, y) => f(`${x} - ${y}`),
    multiply: (x, y) => f(`${x} * ${y}`),
    divide: (x, y) => f(`${x} / ${y}`),
    fma: (x, y, z) => (mode === 'fused' ? f(`fmaf(${x}, ${y}, ${z})`) : f(`${f(`${x} * ${y}`, 0)} + ${z}`)),
    negate: (x) => f(`-${x}`),
    abs: (x) => f(`fabsf(${x})`),
    sqrt: (x) => f(`sqrtf(${x})`),
    floor: (x) => f(`floorf(${x})`),
    round: (x) => f(`rintf(${x})`),
    less: (x, y) => m(`${x} < ${y}`),
    lessEqual: (x, y) => m(`${x} <= ${y}`),
    equal: (x, y) => m(`${x} == ${y}`),
    and: (x, y) => m(`${x} & ${y}`),
    or: (x, y) => m(`${x} | ${y}`),
    not: (x) => m(`!${x}`),
    select,
    pow2: (n) => f(`from_bits((uint32_t)((int32_t)${n} + 127) << 23)`, 2),
    exponent: (x) => f(`(float)((int32_t)(bits(${x}) >> 23 & 255) - 127)`, 4),
    mantissa: (x) => f(`from_bits((bits(${x}) & 0x7fffff) | 0x3f800000)`, 2),
    toBits: (x) => put('uint32_t', `bits(${x})`, 0),
    fromBits: (x) => f(`from_bits(${x})`, 0),
    fromWord: (x) => f(`(float)${x}`),
    toWord: (x) => w(`(uint32_t)${x}`),
    word,
  }
  return { arithmetic, lines, operations: () => operations }
}

const operations = {}
const isBinary = (name) => name === 'pow'
function cFunction(name, mode) {
  const text = textArithmetic(mode)
  const y = elementary[name](text.arithmetic, ...(isBinary(name) ? ['x', 'y'] : ['x']))
  operations[name] = text.operations()
  const parameters = isBinary(name) ? 'float x, float y' : 'float x'
  return `static float ${name}_${mode}(${parameters}) {\n${text.lines.join('\n')}\n  return ${y};\n}\n`
}

const cMain = `
#define CHECK(name, mode, reference) \\
  static void run_##name##_##mode(void) { \\
    double worst = 0; float where = 0; uint64_t wrong = 0, above = 0, count = 0; \\
    for (uint64_t i = 0; i < 4294967296ull; i += STRIDE) { \\
      float x = from_bits((uint32_t)i), y = name##_##mode(x); \\
      double r = reference((double)x), e = error_of(y, r); \\
      count++; wrong += e == INFINITY; above += e > LIMIT; \\
      if (e > worst) { worst = e; where = x; } \\
    } \\
    printf("%s %s %llu %.4f %08x %llu\\n", #name, #mode, (unsigned long long)count, worst, bits(where), (unsigned long long)above); fflush(stdout); \\
  } \\
  static void hash_##name##_##mode(void) { \\
    uint32_t h = 0; \\
    for (uint64_t i = 0; i < 4294967296ull; i += 65521) { float y = name##_##mode(from_bits((uint32_t)i)); h = h * 16777619u ^ (y != y ? 1u : bits(y)); } \\
    printf("hash %u\\n", h); \\
  }
#define CHECK_PAIRS(name, mode, reference) \\
  static void run_##name##_##mode(void) { \\
    double worst = 0; float where = 0, other = 0; uint64_t above = 0; \\
    uint64_t s = 88172645463325252ull; \\
    for (uint64_t i = 0; i < PAIRS; i++) { \\
      s ^= s << 13; s ^= s >> 7; s ^= s << 17; \\
      float x = from_bits((uint32_t)s), y = from_bits((uint32_t)(s >> 32)); \\
      switch (i & 7) { \\
        case 0: break; \\
        case 1: x = from_bits(0x3f000000u + ((uint32_t)s & 0xffffff)); y = from_bits(0x40000000u + (uint32_t)(s >> 39)); break; \\
        case 2: y = (float)((int)(s >> 59) - 16); break; \\
        default: { /* an exponent that brings the result into range */ \\
          x = fabsf(x); double l = log2((double)x); y = (float)(((double)(s >> 32) / 4294967296.0 * 280 - 151) / l); } \\
      } \\
      float v = name##_##mode(x, y); double e = error_of(v, reference((double)x, (double)y)); \\
      above += e > LIMIT; if (e > worst) { worst = e; where = x; other = y; } \\
    } \\
    printf("%s %s %llu %.4f %08x,%08x %llu\\n", #name, #mode, (unsigned long long)PAIRS, worst, bits(where), bits(other), (unsigned long long)above); fflush(stdout); \\
  } \\
  static void hash_##name##_##mode(void) { \\
    uint32_t h = 0; \\
    for (uint64_t i = 0; i < 4294967296ull; i += 65521) { float y = name##_##mode(from_bits((uint32_t)i), from_bits((uint32_t)i * 2654435761u)); h = h * 16777619u ^ (y != y ? 1u : bits(y)); } \\
    printf("hash %u\\n", h); \\
  }
`

function cProgram(name) {
  let body = `#include <math.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n
#define STRIDE ${stride}ull\n#define PAIRS ${pairs}ull\n#define LIMIT ${limit}
static uint32_t bits(float x) { uint32_t w; memcpy(&w, &x, 4); return w; }
static float from_bits(uint32_t w) { float x; memcpy(&x, &w, 4); return x; }
/* Infinity for a wrong special value, a lost sign of zero, a missed overflow. */
static double error_of(float y, double r) {
  if (r != r) return y != y ? 0 : INFINITY;
  if (y != y) return INFINITY;
  if (isinf(r)) return y == r ? 0 : INFINITY;
  if (isinf(y)) return fabs(r) >= 0x1.fffffep127 && (r > 0) == (y > 0) ? 0 : INFINITY;
  if (y == 0 && !signbit(y) != !signbit(r)) return INFINITY;
  uint64_t w; memcpy(&w, &r, 8);
  int e = (int)(w >> 52 & 2047) - 1023;
  if (e < -126) e = -126;
  w = (uint64_t)(1023 + 23 - e) << 52; double scale; memcpy(&scale, &w, 8);
  return fabs((double)y - r) * scale;
}
`
  body += cMain
  let main = ''
  for (const mode of modes) {
    body += cFunction(name, mode)
    body += `${isBinary(name) ? 'CHECK_PAIRS' : 'CHECK'}(${name}, ${mode}, ${name})\n`
    main += `  hash_${name}_${mode}(); run_${name}_${mode}();\n`
  }
  return `${body}int main(void) {\n${main}  return 0;\n}\n`
}

function hashOf(name, mode) {
  const arithmetic = scalarArithmetic('float32', mode)
  let h = 0
  for (let i = 0; i < 2 ** 32; i += 65521) {
    const inputs = isBinary(name) ? [floatOf(i), floatOf(Math.imul(i, 2654435761) >>> 0)] : [floatOf(i)]
    const y = elementary[name](arithmetic, ...inputs)
    h = (Math.imul(h, 16777619) ^ (Number.isNaN(y) ? 1 : bitsOf(y))) >>> 0
  }
  return h
}

const precise = scalarArithmetic('float64', 'portable')
const references = {
  exp: Math.exp,
  log: Math.log,
  expm1: Math.expm1,
  log1p: Math.log1p,
  tanh: Math.tanh,
  sin: Math.sin,
  cos: Math.cos,
  pow: Math.pow,
  erf: (x) => elementary.erf(precise, x),
}
function errorOf(y, r) {
  if (Number.isNaN(r)) return Number.isNaN(y) ? 0 : Infinity
  if (Number.isNaN(y)) return Infinity
  if (!Number.isFinite(r)) return y === r ? 0 : Infinity
  if (!Number.isFinite(y)) return Math.abs(r) >= 3.4028234663852886e38 && r > 0 === y > 0 ? 0 : Infinity
  if (y === 0 && Object.is(y, -0) !== (r < 0 || Object.is(r, -0))) return Infinity
  return Math.abs(y - r) / 2 ** (Math.max(-126, r === 0 ? -126 : Math.floor(Math.log2(Math.abs(r)))) - 23)
}
function runJs(name, mode) {
  const arithmetic = scalarArithmetic('float32', mode)
  const reference = references[name]
  let [worst, where, above, count] = [0, '0', 0, 0]
  for (let i = 0; i < 2 ** 32; i += stride, count++) {
    const inputs = isBinary(name) ? [floatOf(i), floatOf(Math.imul(i, 2654435761) >>> 0)] : [floatOf(i)]
    const error = errorOf(elementary[name](arithmetic, ...inputs), reference(...inputs))
    if (error > limit) above++
    if (error > worst) [worst, where] = [error, inputs.map((x) => bitsOf(x).toString(16)).join()]
  }
  return [name, mode, count, worst.toFixed(4), where, above]
}

function compile(name) {
  if (options.engine === 'js') return undefined
  const folder = mkdtempSync(join(tmpdir(), 'soak-elementary-'))
  writeFileSync(join(folder, 'soak.c'), cProgram(name))
  try {
    execFileSync('cc', ['-O2', '-march=native', '-ffp-contract=off', '-o', 'soak', 'soak.c', '-lm'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return folder
  } catch (error) {
    rmSync(folder, { recursive: true })
    if (options.engine === 'c') throw error
    return undefined
  }
}

let failed = false
function report([name, mode, count, worst, where, above], same) {
  const over = Number(above)
  if (over > 0 || same === false) failed = true
  const cost = operations[name] ? `${operations[name]} operations, ` : ''
  const bits = same === undefined ? '' : same ? ', same bits in JavaScript' : ', OTHER BITS IN JAVASCRIPT'
  console.log(
    `${name} ${mode}: ${cost}${count} inputs, worst ${worst} ulp at 0x${where}, ${over} above ${limit}${bits}`,
  )
}

for (const name of names) {
  const folder = compile(name)
  if (!folder) {
    for (const mode of modes) report(runJs(name, mode))
    continue
  }
  try {
    const out = execFileSync(join(folder, 'soak'), { encoding: 'utf8' })
    let hash = 0
    for (const line of out.trim().split('\n')) {
      const fields = line.split(' ')
      if (fields[0] === 'hash') hash = Number(fields[1])
      else report(fields, hashOf(fields[0], fields[1]) === hash)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
if (failed) process.exitCode = 1
