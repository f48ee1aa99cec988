/**
 * @file Operations for which C has no operator: rounding, square roots, multiply-adds, extremes, saturating conversions.
 * In: the element and the lanes (1: a scalar). Out: the name of an inline function, declared in the file.
 *
 * gcc has builtins for x86 vectors; everything else is a loop over lanes, which compilers turn into the instruction
 * where there is one. Headers with intrinsics would cost more time than a small program takes to compile.
 */
import { bytesOf, type CTypes, type Element, signedFor, unsignedFor } from './types.js'

type FloatElement = 'f32' | 'f64'
const suffix = (element: FloatElement): string => (element === 'f32' ? 'f' : '')
/** A type by itself, or a vector of it. */
const typeOf = (types: CTypes, element: Element, lanes: number): string =>
  lanes === 1 ? types.scalar(element) : types.vector(element, lanes)

/** A builtin of gcc for x86, under the macro that says that the processor has it. */
interface Builtin {
  readonly when: string
  readonly call: string
}

/** An operation on whole vectors: the builtin of this width, or a loop of the scalar operation. */
function lanewise(
  types: CTypes,
  name: string,
  element: FloatElement,
  lanes: number,
  arity: number,
  scalar: string,
  builtins: { readonly [bytes: number]: Builtin },
): string {
  const type = typeOf(types, element, lanes)
  const letters = ['a', 'b', 'c'].slice(0, arity)
  const parameters = letters.map((letter) => `${type} ${letter}`).join(', ')
  if (lanes === 1)
    return types.helper(type, `${name}_${element}`, parameters, `return ${scalar}(${letters.join(', ')});`)
  const full = `${name}_${type}`
  const head = `static inline __attribute__((always_inline)) ${type} ${full}(${parameters})`
  const loop = `${head} { ${type} r = a; for (int i = 0; i < ${lanes}; i++) r[i] = ${scalar}(${letters.map((letter) => `${letter}[i]`).join(', ')}); return r; }`
  const builtin = builtins[bytesOf(element) * lanes]
  return types.declare(full, () =>
    builtin
      ? `#if defined(__GNUC__) && !defined(__clang__) && defined(${builtin.when})\n${head} { return (${type})${builtin.call}; }\n#else\n${loop}\n#endif`
      : loop,
  )
}

const kind = (element: FloatElement): string => (element === 'f32' ? 'ps' : 'pd')
const rounding = (element: FloatElement, mode: number): { readonly [bytes: number]: Builtin } => ({
  16: { when: '__SSE4_1__', call: `__builtin_ia32_round${kind(element)}(a, ${mode})` },
  32: { when: '__AVX__', call: `__builtin_ia32_round${kind(element)}256(a, ${mode})` },
  64: { when: '__AVX512F__', call: `__builtin_ia32_rndscale${kind(element)}_mask(a, ${mode}, a, -1, 4)` },
})

/** Mode 9 is down, 8 to nearest even; neither raises the inexact flag. */
export const floor = (types: CTypes, element: FloatElement, lanes: number): string =>
  lanewise(types, 'floor', element, lanes, 1, `__builtin_floor${suffix(element)}`, rounding(element, 9))
export const round = (types: CTypes, element: FloatElement, lanes: number): string =>
  lanewise(types, 'round', element, lanes, 1, `__builtin_rint${suffix(element)}`, rounding(element, 8))
export const sqrt = (types: CTypes, element: FloatElement, lanes: number): string =>
  lanewise(types, 'sqrt', element, lanes, 1, `__builtin_sqrt${suffix(element)}`, {
    16: { when: '__SSE2__', call: `__builtin_ia32_sqrt${kind(element)}(a)` },
    32: { when: '__AVX__', call: `__builtin_ia32_sqrt${kind(element)}256(a)` },
    64: { when: '__AVX512F__', call: `__builtin_ia32_sqrt${kind(element)}512_mask(a, a, -1, 4)` },
  })
export const fma = (types: CTypes, lanes: number): string =>
  lanewise(types, 'fma', 'f32', lanes, 3, '__builtin_fmaf', {
    16: { when: '__FMA__', call: '__builtin_ia32_vfmaddps(a, b, c)' },
    32: { when: '__FMA__', call: '__builtin_ia32_vfmaddps256(a, b, c)' },
    64: { when: '__AVX512F__', call: '__builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4)' },
  })

/** The bits of a float, and back. */
export function bits(types: CTypes, element: FloatElement): string {
  const integer = types.scalar(unsignedFor(element))
  const float = types.scalar(element)
  return types.helper(
    integer,
    `bits_${element}`,
    `${float} x`,
    `union { ${float} f; ${integer} u; } v; v.f = x; return v.u;`,
  )
}
export function fromBits(types: CTypes, element: FloatElement): string {
  const integer = types.scalar(unsignedFor(element))
  const float = types.scalar(element)
  return types.helper(
    float,
    `from_${element}`,
    `${integer} x`,
    `union { ${float} f; ${integer} u; } v; v.u = x; return v.f;`,
  )
}

/** NaN if either is; of two zeros the positive (the negative) one: equal numbers differ in the sign bit at most. */
export function extreme(types: CTypes, op: 'maximum' | 'minimum', element: FloatElement, lanes: number): string {
  const [beats, join] = op === 'maximum' ? ['>', '&'] : ['<', '|']
  const type = typeOf(types, element, lanes)
  if (lanes === 1) {
    const [to, from] = [bits(types, element), fromBits(types, element)]
    return types.helper(
      type,
      `${op}_${element}`,
      `${type} a, ${type} b`,
      `return a != a ? a : a == b ? ${from}(${to}(a) ${join} ${to}(b)) : a ${beats} b ? a : b;`,
    )
  }
  const mask = types.vector(signedFor(element), lanes)
  return types.helper(
    type,
    `${op}_${type}`,
    `${type} a, ${type} b`,
    `const ${mask} x = (${mask})a, y = (${mask})b, first = (a ${beats} b) | (a != a), same = a == b; ` +
      `return (${type})((same & (x ${join} y)) | (~same & ((first & x) | (~first & y))));`,
  )
}

/** Truncates and saturates; NaN gives 0. C leaves what is out of range undefined, so that it never converts that. */
export function toInteger(types: CTypes, from: FloatElement, to: 'i32' | 'u32', lanes: number): string {
  const input = typeOf(types, from, lanes)
  const name = `${to}_of_${lanes === 1 ? from : input}`
  if (lanes === 1)
    return types.helper(
      types.scalar(to),
      name,
      `${input} x`,
      to === 'i32'
        ? 'return x != x ? 0 : x >= 2147483648.0 ? 2147483647 : x <= -2147483648.0 ? -2147483647 - 1 : (int)x;'
        : 'return x != x ? 0 : x >= 4294967296.0 ? 4294967295u : x <= 0 ? 0 : (unsigned)x;',
    )
  const output = types.vector(to, lanes)
  if (from === 'f64') {
    const one = toInteger(types, from, to, 1)
    return types.helper(
      output,
      name,
      `${input} x`,
      `${output} r; for (int i = 0; i < ${lanes}; i++) r[i] = ${one}(x[i]); return r;`,
    )
  }
  const mask = types.vector('i32', lanes)
  const convert = (x: string) => `__builtin_convertvector((${input})(${x}), ${mask})`
  return types.helper(
    output,
    name,
    `${input} x`,
    to === 'i32'
      ? `const ${mask} in = (x >= -2147483648.0f) & (x < 2147483648.0f); ` +
          `return ${convert(`in & (${mask})x`)} | ((x >= 2147483648.0f) & 2147483647) | ((x < -2147483648.0f) & (-2147483647 - 1));`
      : `const ${mask} low = (x > 0.0f) & (x < 2147483648.0f), high = (x >= 2147483648.0f) & (x < 4294967296.0f); ` +
          `return (${output})(${convert(`low & (${mask})x`)} | (${convert(`high & (${mask})(x - 2147483648.0f)`)} ^ (high & (-2147483647 - 1))) | (x >= 4294967296.0f));`,
  )
}

/** Bytes → 32-bit lanes. gcc 12 takes a generic conversion apart, lane by lane. */
export function widenBytes(types: CTypes, lanes: number): string {
  const type = types.vector('i32', lanes)
  const name = `bytes_${type}`
  const bytes = types.inMemory('u8', lanes)
  const head = `static inline __attribute__((always_inline)) ${type} ${name}(const unsigned char *p)`
  const generic = `${head} { return __builtin_convertvector(*(const ${bytes} *)p, ${type}); }`
  // The instruction reads as many bytes as it has lanes, from the low end of a vector of sixteen.
  const full = types.declare('s8x16', () => 'typedef char s8x16 __attribute__((vector_size(16)));')
  const low =
    lanes === 16
      ? `*(const ${types.declare('s8x16m', () => 'typedef char s8x16m __attribute__((vector_size(16), aligned(1), may_alias));')} *)p`
      : lanes === 8
        ? `(${full})(${types.vector('i64', 2)}){*(const ${longInMemory(types)} *)p, 0}`
        : `(${full})(${types.vector('i32', 4)}){*(const ${intInMemory(types)} *)p, 0, 0, 0}`
  const builtins: { readonly [lanes: number]: Builtin } = {
    4: { when: '__SSE4_1__', call: `__builtin_ia32_pmovzxbd128(${low})` },
    8: { when: '__AVX2__', call: `__builtin_ia32_pmovzxbd256(${low})` },
    16: { when: '__AVX512F__', call: `__builtin_ia32_pmovzxbd512_mask(${low}, (${type}){}, -1)` },
  }
  const builtin = builtins[lanes]
  return types.declare(name, () =>
    builtin
      ? `#if defined(__GNUC__) && !defined(__clang__) && defined(${builtin.when})\n${head} { return (${type})${builtin.call}; }\n#else\n${generic}\n#endif`
      : generic,
  )
}
const longInMemory = (types: CTypes): string =>
  types.declare('i64m', () => 'typedef long long i64m __attribute__((aligned(1), may_alias));')
const intInMemory = (types: CTypes): string =>
  types.declare('i32m', () => 'typedef int i32m __attribute__((aligned(1), may_alias));')
