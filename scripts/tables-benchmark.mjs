/**
 * What `gradus train TABLE --target COLUMN` reaches on ten tables, beside scikit-learn's models on the same splits.
 *
 *   node scripts/tables-benchmark.mjs                                # all tables, seeds 1..10, against test/fixtures/sklearn/tables.json
 *   node scripts/tables-benchmark.mjs --only iris,wine --seeds 3
 *   node scripts/tables-benchmark.mjs --splits splits.json           # writes the splits of the seeds instead, for scripts/fixtures/tables.py
 *   node scripts/tables-benchmark.mjs --set '{"hidden":[64],"dropout":0.2}' --against other.json --markdown docs/tables.md
 *
 * Needs `npm run build`. Nothing but the target is given, as on the command line.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const library = process.env.GRADUS_DIST ?? new URL('../dist', import.meta.url).href
const { readTable } = await import(`${library}/data/table-file.js`)
const { assessTable } = await import(`${library}/train/table-assess.js`)
const { planTable, trainTable } = await import(`${library}/train/table-model.js`)
const { table } = await import('@gradus/datasets')

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    seeds: { type: 'string', default: '10' },
    splits: { type: 'string' },
    set: { type: 'string', default: '{}' },
    against: {
      type: 'string',
      default: fileURLToPath(new URL('../test/fixtures/sklearn/tables.json', import.meta.url)),
    },
    json: { type: 'string' },
    markdown: { type: 'string' },
  },
})

const names = [
  'penguins',
  'iris',
  'wine',
  'breast-cancer',
  'adult',
  'wine-quality-red',
  'wine-quality-white',
  'california-housing',
  'auto-mpg',
  'diabetes',
]
const chosen = options.only ? options.only.split(',') : names
const seeds = Array.from({ length: Number(options.seeds) }, (_, i) => i + 1)

async function load(name) {
  if (name === 'diabetes') {
    const path = fileURLToPath(new URL('../datasets/unpublished/diabetes/diabetes.csv', import.meta.url))
    return { data: await readTable(path), target: 'progression' }
  }
  const { path, test, columns, target } = table(name)
  return { data: await readTable(path, { columns }), test: test && (await readTable(test, { columns })), target }
}

/** Mean and standard error of the mean. */
function spread(values) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, values.length - 1)
  return { mean, standardError: Math.sqrt(variance / values.length) }
}

if (options.splits) {
  const splits = {}
  for (const name of chosen) {
    const { data, test, target } = await load(name)
    splits[name] = Object.fromEntries(
      seeds.map((seed) => {
        const { rows } = planTable(data, { target, test, seed })
        // The separate test file is used as a whole.
        return [
          seed,
          { train: [...rows.train], validation: [...rows.validation], ...(test ? {} : { test: [...rows.test] }) },
        ]
      }),
    )
  }
  await writeFile(options.splits, JSON.stringify(splits))
  process.exit()
}

const peers = JSON.parse(await readFile(options.against, 'utf8')).datasets
const results = {}
const figure = ({ mean, standardError }, classes) =>
  classes
    ? `${(100 * mean).toFixed(2)} ± ${(100 * standardError).toFixed(2)}`
    : `${mean.toFixed(4)} ± ${standardError.toFixed(4)}`
const rows = []
let failed = 0
for (const name of chosen) {
  const { data, test, target } = await load(name)
  const scores = []
  const start = performance.now()
  for (const seed of seeds) {
    const plan = planTable(data, { target, test, seed, settings: JSON.parse(options.set) })
    const { net } = await trainTable(plan)
    const found = await assessTable(plan, net)
    scores.push(found.kind === 'classes' ? found.accuracy : found.r2)
  }
  const seconds = (performance.now() - start) / 1000 / seeds.length
  const classes = peers[name]?.task === 'classes'
  const ours = { ...spread(scores), perSeed: scores.map((x) => Number(x.toFixed(6))), seconds }
  results[name] = ours
  const cells = Object.entries(peers[name]?.models ?? {}).map(([model, metrics]) => {
    const peer = metrics.accuracy ?? metrics.r2
    // On the same splits; the greater of the two standard errors is what counts as one.
    const isAsGood = ours.mean >= peer.mean - Math.max(ours.standardError, peer.standardError)
    if (!isAsGood) failed++
    const mark = isAsGood ? (ours.mean > peer.mean ? 'better' : 'as good') : '**worse**'
    return `${model} ${figure(peer, classes)} (${mark})`
  })
  rows.push([name, classes ? 'accuracy, %' : 'R²', figure(ours, classes), ...cells, seconds.toFixed(1)])
  console.error(rows.at(-1).join('   '))
}
const head = ['table', 'test score', 'Gradus', 'linear model', 'multilayer perceptron', 'seconds a run']
const markdown = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
console.log(markdown)
if (options.markdown) {
  const text = await readFile(options.markdown, 'utf8')
  const [from, to] = ['<!-- table -->', '<!-- /table -->']
  const before = text.slice(0, text.indexOf(from) + from.length)
  await writeFile(options.markdown, `${before}\n${markdown}\n${text.slice(text.indexOf(to))}`)
}
if (options.json) await writeFile(options.json, `${JSON.stringify(results, undefined, 1)}\n`)
process.exitCode = failed > 0 ? 1 : 0
