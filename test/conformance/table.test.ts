/**
 * @file docs/conformance.md: a row for every public layer, activation, loss, optimizer and schedule. Rows come from the exported
 * names, so that a new one without a case fails here. What the cells claim is tested by the files beside this one.
 * `npx vitest run test/conformance -u` writes the page anew.
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loss, nn, optim } from '../../src/index.js'
import { tolerance } from './check.js'
import { type FunctionCase, families, functionCases, optimizers, schedules } from './fixture.js'

/** Functions that are no layer, loss, optimizer or schedule, and why. */
const others: Readonly<Record<string, string>> = {
  'nn.module': 'makes a layer of given children: every layer here is one',
  'nn.parameter': 'makes a Variable',
  'nn.gumbelSoftmax': "a draw, which differs from PyTorch's; tested by its statistics in `test/nn/embedding.test.ts`",
  'optim.Optimizer': 'what an optimizer is once it knows its parameters: every row of optimizers has one',
  'optim.optimizer': 'makes an optimizer of its parts: the rows of parts use it',
  'optim.chain': 'puts parts one after another: the rows of parts use it',
  'optim.ParameterAverage': 'what averages are: the rows of both kinds have one',
  'optim.notBias': 'chooses parameters',
  'optim.learningRateAt': 'the rate of a step: the rows of schedules use it',
  'optim.schedules.learningRateAt': 'the same function',
  'optim.schedules.asSchedule': 'a number as `constant`',
}
/** Names that have no cases yet. Empty when everything is compared. */
const waiting: Readonly<Record<string, string>> = {}

const spaces = { nn, loss, optim, 'optim.schedules': optim.schedules }
/** A schedule that is told scores stands beside `fit`, not in a namespace. */
const elsewhere = ['reduceOnPlateau']
const names = Object.entries(spaces)
  .flatMap(([space, content]) =>
    Object.entries(content)
      .flatMap(([name, value]) => (typeof value === 'function' ? [`${space}.${name}`] : []))
      .sort(),
  )
  .concat(elsewhere)

interface Entry {
  readonly row: string
  readonly counterpart: string
  /** Absent for optimizers and schedules, which are not differentiated. */
  readonly functions?: readonly FunctionCase[]
  readonly cases: number
}
const all = [
  ...families.flatMap(functionCases).map((c) => ({ ...c, isFunction: true as const })),
  ...[...optimizers().cases, ...schedules().cases, ...schedules().plateaus].map((c) => ({
    ...c,
    isFunction: false as const,
  })),
]
const entries = new Map<string, Entry>()
for (const row of new Set(all.map((c) => c.row))) {
  const cases = all.filter((c) => c.row === row)
  const functions = cases.flatMap((c) => (c.isFunction ? [c as FunctionCase] : []))
  entries.set(row, {
    row,
    counterpart: [...new Set(cases.map((c) => c.counterpart))].join(', '),
    cases: cases.length,
    ...(functions.length > 0 ? { functions } : {}),
  })
}

test('every exported name has a row, and every row is exported', () => {
  const missing = names.filter((name) => !entries.has(name) && !(name in others) && !(name in waiting))
  if (missing.length > 0)
    expect.fail(
      `${missing.join(', ')}: no row in the conformance table. Add a case beside its PyTorch counterpart in ` +
        'scripts/fixtures/conformance_*.py and run conformance.py, then npx vitest run test/conformance -u. What is no layer, loss, ' +
        'optimizer or schedule goes, with the reason, to `others` in test/conformance/table.test.ts.',
    )
  for (const name of [...entries.keys(), ...Object.keys(others), ...Object.keys(waiting)])
    expect(names, `${name} is not exported any more`).toContain(name)
  for (const name of [...Object.keys(others), ...Object.keys(waiting)])
    expect([...entries.keys()], `${name} has a row now: take it out of the list of those without`).not.toContain(name)
})

/** ✓ where a derivative is compared, 0 where it is and vanishes everywhere, — where there is nothing to differentiate. */
function derivative(cases: readonly FunctionCase[] | undefined, which: 'gradients' | 'second'): string {
  const without = which === 'second' && cases?.every((c) => c.withoutSecond) ? cases[0]!.withoutSecond : undefined
  if (without) return without
  const values = cases?.flatMap((c) => Object.values(c[which]).flat())
  if (!values || values.length === 0) return '—'
  return values.some((x) => x !== 0) ? '✓' : '0'
}

function table(title: string, about: string, rows: readonly Entry[]): string {
  const lines = rows.map(({ row, counterpart, cases, functions }) => {
    const name = row.replace(/^.*\.schedules\./, 'schedules.')
    const notes = [...new Set(functions?.flatMap(({ note }) => (note ? [note] : [])))].join('; ')
    const cells = [`\`${name}\``, `${counterpart}${notes && ` (${notes})`}`, cases, '✓']
    return `| ${[...cells, derivative(functions, 'gradients'), derivative(functions, 'second'), '✓', '✓'].join(' | ')} |`
  })
  return [
    `## ${title}`,
    '',
    about,
    '',
    '| | PyTorch | cases | forward | gradient | second derivative | float64 | equal bits |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n')
}

test('docs/conformance.md is what the cases say', async () => {
  const of = (choose: (row: string) => boolean) =>
    names.flatMap((name) => (choose(name) && entries.has(name) ? [entries.get(name)!] : []))
  const loose = [
    ...new Set(
      all.flatMap((c) =>
        c.isFunction && 3 * ((c as FunctionCase).rounding ?? 0) > tolerance.float32 ? [`\`${c.row}\``] : [],
      ),
    ),
  ]
  const isActivation = new Set(functionCases('activations').map((c) => c.row))
  const page = `# Conformance with PyTorch

Every public layer, activation, loss, optimizer and schedule beside its counterpart in PyTorch. This page is written by a test
(\`test/conformance/table.test.ts\`) that takes its rows from the exported names: a new one without a row fails. The numbers
are made by \`scripts/fixtures/conformance.py\`.

- **forward**, **gradient**, **second derivative**: in float32 within ${tolerance.float32} of PyTorch's float64, relatively
  (to an element, or to the mean of its tensor or to 0.01 where that is more; where PyTorch's own float32 is off by that much, three times as far: ${loose.join(', ') || 'nowhere'}).
  Inputs and parameters are exact in float32. The gradient is that of a random weighing of the results
  with respect to inputs and parameters; the second derivative that of the gradient in a random direction, so that every part of the Hessian counts. 0 stands where PyTorch's second derivative and ours vanish; — where there is nothing to differentiate.
- **float64**: the same within ${tolerance.float64}.
- **equal bits**: the kernel interpreter, WebAssembly and native code give what the graph interpreter gives, bit for bit, in both types.

${table(
  'Layers',
  "With parameters and buffers in PyTorch's names and layouts: each case sets them by name.",
  of((row) => row.startsWith('nn.') && !isActivation.has(row)),
)}
${table(
  'Activations',
  'At 20 points on both sides of every corner.',
  of((row) => isActivation.has(row)),
)}
${table(
  'Losses',
  'Further options and extreme logits: `test/loss/torch.test.ts`.',
  of((row) => row.startsWith('loss.')),
)}
${table(
  'Optimizers and their parts',
  'All parameters after each of six updates with given gradients; runs of 20 updates are in `test/optim/trajectories.test.ts`. An update ends what is differentiated: later gradients of the same step do not go through it, so that it has no derivative to compare.',
  of((row) => row.startsWith('optim.') && !row.startsWith('optim.schedules')),
)}
${table(
  'Schedules',
  'The rate of each of 16 steps, on the host and inside a program. They are functions of a whole number of steps, so that there is no derivative.',
  of((row) => row.startsWith('optim.schedules')),
)}
## Not in the tables

${Object.entries(others)
  .map(([name, why]) => `- \`${name}\`: ${why}.`)
  .join('\n')}
${Object.entries(waiting)
  .map(([name, why]) => `- \`${name}\` waits for its row: ${why}.\n`)
  .join('')}`
  await expect(page).toMatchFileSnapshot(fileURLToPath(new URL('../../docs/conformance.md', import.meta.url)))
})
