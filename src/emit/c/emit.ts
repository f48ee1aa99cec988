/**
 * @file Loop IR → a C file, with GNU vector extensions; no header is included, which keeps compilation short.
 * In: programs, each kernels and launches. Out: the text. For program i it exports `run<i>(table)`, which runs all
 * launches, and `launch<i>(table, j)`, which runs one (of a loop's first iteration). The table has the address of each of the program's pointers, then
 * how far each moves from step to step, then how many steps to make. Where launches are shared the file also exports
 * `share<i>(table, threads, pool)`: the pool (runtime/native-pool.ts) runs it on so many threads.
 *
 * The text means what the kernel interpreter computes, bit for bit, if it is compiled with `requiredFlags`.
 */
import { type Program, type Step, stepsOf } from '../program.js'
import { bufferType, printFunction } from './kernel.js'
import { CTypes } from './types.js'

/**
 * Products and sums stay apart, memory may be seen through several types, and nothing may be assumed about numbers.
 * Without errno and traps a square root is one instruction: both are side effects that nobody here looks at.
 */
export const requiredFlags: readonly string[] = [
  '-ffp-contract=off',
  '-fno-strict-aliasing',
  '-fno-fast-math',
  '-fno-math-errno',
  '-fno-trapping-math',
]

const preamble = `typedef __INTPTR_TYPE__ Index;
#define MIN(a, b) ((a) < (b) ? (a) : (b))
typedef struct Team { Index threads; void (*wait)(Index threads); } Team;
static const Team alone = {1, 0};
#define WAIT() if (team->threads > 1) team->wait(team->threads)
/* To the next step's arguments and results. */
static void __attribute__((unused)) move(char **t, Index pointers) {
  for (Index p = 0; p < pointers; p++) t[p] += (Index)t[pointers + p];
}
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, type, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, type, ...) __builtin_shuffle(a, b, (type){__VA_ARGS__})
#endif`

export function emitC(programs: readonly Program[]): string {
  const types = new CTypes()
  const functions = programs.flatMap((program, p) => {
    const { kernels, launches } = program
    const shared = new Set(launches.flatMap(({ kernel, shared }) => (shared ? [kernel] : [])))
    return [
      ...kernels.map((kernel, k) => printFunction(kernel, `p${p}k${k}`, types, shared.has(k))),
      ...launches.map(({ kernel, pointers }, l) => {
        const { buffers } = kernels[kernel]!
        const values = pointers.map((pointer, i) => `(${bufferType(buffers[i]!, types)} *)${address(program, pointer)}`)
        if (shared.has(kernel)) values.push('thread', 'team')
        return `static void p${p}l${l}(char **t, const Index *at, Index thread, const Team *team) { p${p}k${kernel}(${values.join(', ')}); }`
      }),
      printRun(p, program),
      ...(shared.size > 0 ? [printShare(p, program)] : []),
    ]
  })
  return `${[preamble, types.text(), ...functions].join('\n\n')}\n`
}

/** In the table, and moved by the iterations `at` of the loops around. */
function address({ moves }: Program, pointer: number): string {
  const terms = (moves?.get(pointer) ?? []).map(
    ({ loop, bytes, alternating }) => ` + ${alternating ? `(at[${loop}] & 1)` : `at[${loop}]`} * ${bytes}`,
  )
  return terms.length > 0 ? `(t[${pointer}]${terms.join('')})` : `t[${pointer}]`
}

const indices = ({ loops = [] }: Program): string => `Index at[${Math.max(1, loops.length)}] = {0};`

/** All launches in order, loops as loops; `one` prints a launch. */
function printSteps(program: Program, steps: readonly Step[], one: (l: number) => string[], indent: string): string[] {
  return steps.flatMap((step) => {
    if (typeof step === 'number') return one(step).map((line) => indent + line)
    const at = `at[${step.loop}]`
    return [
      `${indent}for (${at} = 0; ${at} < ${program.loops![step.loop]}; ${at}++) {`,
      ...printSteps(program, step.steps, one, `${indent}  `),
      `${indent}}`,
    ]
  })
}

function printRun(p: number, program: Program): string {
  const { launches, pointers } = program
  return [
    `void run${p}(char **t) {`,
    `  ${indices(program)}`,
    `  for (Index left = (Index)t[${2 * pointers}];;) {`,
    ...printSteps(program, stepsOf(program), (l) => [`p${p}l${l}(t, at, 0, &alone);`], '    '),
    '    if (--left <= 0) return;',
    `    move(t, ${pointers});`,
    '  }',
    '}',
    `void launch${p}(char **t, int l) {`,
    `  ${indices(program)}`,
    '  switch (l) {',
    ...launches.map((_, l) => `    case ${l}: p${p}l${l}(t, at, 0, &alone); break;`),
    '  }',
    '}',
  ].join('\n')
}

/** What each thread runs: its part of what is shared, the first one also what is not. */
function printShare(p: number, program: Program): string {
  const { launches, pointers } = program
  const one = (l: number): string[] => {
    const { shared, wait } = launches[l]!
    return [
      ...(wait ? ['WAIT();'] : []),
      // A kernel that others share is whole where it is not shared.
      shared ? `p${p}l${l}(t, at, thread, team);` : `if (thread == 0) p${p}l${l}(t, at, 0, &alone);`,
    ]
  }
  return [
    `static void thread${p}(char **t, Index thread, const Team *team) {`,
    `  ${indices(program)}`,
    `  for (Index left = (Index)t[${2 * pointers}];;) {`,
    ...printSteps(program, stepsOf(program), one, '    '),
    '    if (--left <= 0) return;',
    '    WAIT();',
    `    if (thread == 0) move(t, ${pointers});`,
    '    WAIT();',
    '  }',
    '}',
    `void share${p}(char **t, Index threads, void (*pool)(void (*)(char **, Index, const Team *), char **, Index, long *, Index)) {`,
    '  static long habit[6];',
    `  pool(thread${p}, t, threads, habit, (Index)t[${2 * pointers}]);`,
    '}',
  ].join('\n')
}
