/**
 * @file Gradus in browsers: W1 to W3 in a worker of a page beside the same engine in Node, the first step of a small network, and
 * the rivals that run in browsers (TensorFlow.js with its WebAssembly, jax-js), by the peers' clock and with the peers' scripts.
 *
 * npm run bench:browser                         Chromium, about five minutes
 * npm run bench:browser -- --firefox            Firefox as well
 * PEERS_DIR=... npm run bench:browser           with the rivals that are installed there (see peers/README.md)
 * npm run bench:browser -- W1 W2 --rounds=1     these workloads; one turn of each instead of three
 * Nothing else may run meanwhile. Prints Markdown, for docs/benchmarks.md.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch } from '../scripts/launch-browser.mjs'
import { serveBenchmark } from './browser/site.mjs'

const words = process.argv.slice(2)
const unknown = words.find((word) => !/^(W[1-3]|--firefox|--rounds=[1-9]\d*)$/.test(word))
if (unknown !== undefined) {
  console.error(`bench:browser does not know '${unknown}'; it takes W1 W2 W3, --firefox and --rounds=3`)
  process.exit(2)
}
const chosen = words.filter((word) => word.startsWith('W'))
const workloads = chosen.length > 0 ? chosen : ['W1', 'W2', 'W3']
const rounds = Number(words.find((word) => word.startsWith('--rounds='))?.slice(9) ?? 3)
const peersFolder = process.env.PEERS_DIR && resolve(process.env.PEERS_DIR)
if (peersFolder && !existsSync(`${peersFolder}/js/node_modules`)) {
  console.error(`PEERS_DIR: no rivals are installed in ${peersFolder}/js (see benchmarks/peers/README.md)`)
  process.exit(2)
}
/** Browsers' clocks tick every 5 to 20 microseconds: chunks of ten steps would be too short for W1. */
const settings = { BENCH_SECONDS: process.env.BENCH_SECONDS ?? '4', BENCH_CHUNK_MS: '2' }

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
const us = (x) => (x < 100 ? `${x.toFixed(1)} µs` : x < 10_000 ? `${Math.round(x)} µs` : `${(x / 1000).toFixed(1)} ms`)

function inNode(script, ...args) {
  const { stdout, stderr } = spawnSync(process.execPath, [here(script), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...settings, GRADUS_ENGINE: 'wasm' },
    timeout: 420_000,
  })
  const line = stdout.split('\n').find((text) => text.startsWith('{'))
  if (!line) throw new Error(`${script} ${args.join(' ')} in Node: ${stderr.slice(-400)}`)
  return JSON.parse(line)
}

/** Runs a script of the site in a page of its own, with nothing cached; the line of JSON it prints. */
async function inBrowser(browser, address, script, args, { where = 'worker' } = {}) {
  const context = await browser.createBrowserContext()
  try {
    const page = await context.newPage()
    await page.goto(address)
    await page.waitForFunction('globalThis.begin !== undefined')
    if (!(await page.evaluate('crossOriginIsolated'))) throw new Error('the page is not cross-origin isolated')
    const given = {
      argv: ['', '', ...args],
      env: { ...settings, PEERS_DIR: `${address}peers`, PEER: script.replace('peer_', '') },
    }
    await page.evaluate(`begin('/made/${script}.js', ${JSON.stringify(given)}, '${where}')`)
    await page.waitForFunction('told.end !== undefined || told.error !== undefined', { polling: 100, timeout: 420_000 })
    const { lines, error } = await page.evaluate('told')
    const line = lines.find((text) => text.startsWith('{'))
    if (!line) throw new Error(error ?? `${script} printed no result: ${lines.join(' ')}`)
    return JSON.parse(line)
  } finally {
    await context.close().catch(() => {})
  }
}

const rivals = (threads) =>
  peersFolder
    ? [
        ['TensorFlow.js wasm', 'peer_tfjs', 'wasm'],
        ['TensorFlow.js wasm, explicit transposes', 'peer_tfjs', 'wasmT'],
        ['jax-js', 'peer_jaxjs', 'wasm'],
      ].map(([name, script, variant]) => [name, script, [threads, variant]])
    : []

const goals = []
const goal = (what, value, wanted, met, unit = '') =>
  goals.push(`| ${what} | ${value.toFixed(2)}${unit} | ${wanted} | ${met ? 'yes' : 'no'} |`)

async function workloadTable(browser, name, address, workload) {
  console.log(
    `\n### ${workload} in ${name}\n\n| library | step, median | fastest | of Node's, or of Gradus in ${name} | first step |`,
  )
  console.log('| --- | ---: | ---: | ---: | ---: |')
  const row = (label, results, ratio) =>
    console.log(
      `| ${label} | ${us(median(results.map((one) => one.step_us_median)))} | ${us(Math.min(...results.map((one) => one.step_us_min)))} | ${ratio.toFixed(2)} | ${Math.round(median(results.map((one) => one.first_step_ms)))} ms |`,
    )
  for (const threads of ['1', '2']) {
    const ending = threads === '1' ? '' : ', 2 threads'
    const node = []
    const own = []
    // In turn, so that what disturbs the machine disturbs both.
    for (let round = 0; round < rounds; round++) {
      node.push(inNode('./peers/peer_gradus.mjs', workload, threads))
      own.push(await inBrowser(browser, address, 'peer_gradus', [workload, threads]))
    }
    const ratio = median(own.map((one, i) => one.step_us_median / node[i].step_us_median))
    row(`Gradus, WebAssembly in Node${ending}`, node, 1)
    row(`Gradus in ${name}${ending}`, own, ratio)
    goal(`${workload}${ending}: ${name} / Node`, ratio, '≤ 1.25', ratio <= 1.25)
    const ours = median(own.map((one) => one.step_us_median))
    let least = Number.POSITIVE_INFINITY
    for (const [label, script, args] of rivals(threads)) {
      try {
        const result = await inBrowser(browser, address, script, [workload, ...args])
        const times = result.step_us_median / ours
        row(`${label} in ${name}${ending}`, [result], times)
        least = Math.min(least, times)
      } catch (error) {
        console.error(`${label}, ${workload}${ending}, in ${name}: ${error.message.split('\n')[0]}`)
      }
    }
    if (Number.isFinite(least))
      goal(`${workload}${ending}: the fastest rival / Gradus, both in ${name}`, least, '≥ 3', least >= 3)
  }
}

async function firstSteps(browser, name, address) {
  if (workloads.every((one) => one === 'W3')) return
  console.log(
    `\n### First step after the module is loaded, in ${name}\n\n| network | where | median | slowest |\n| --- | --- | ---: | ---: |`,
  )
  const turns = 2 * rounds + 1
  for (const workload of workloads.filter((one) => one !== 'W3')) {
    const kinds = [
      ['Node', async () => inNode('./browser/first-step.mjs', workload)],
      [`${name}, in a worker`, () => inBrowser(browser, address, 'first-step', [workload])],
      [`${name}, in the page`, () => inBrowser(browser, address, 'first-step', [workload], { where: 'page' })],
    ]
    for (const [where, run] of kinds) {
      const times = []
      for (let turn = 0; turn < turns; turn++) times.push((await run()).first_ms)
      console.log(`| ${workload} | ${where} | ${median(times).toFixed(1)} ms | ${Math.max(...times).toFixed(1)} ms |`)
      if (where !== 'Node')
        goal(`${workload}: first step, ${where}`, median(times), '< 100 ms', median(times) < 100, ' ms')
    }
  }
}

const site = await serveBenchmark(peersFolder)
let isMeasured = false
for (const name of ['chromium', ...(words.includes('--firefox') ? ['firefox'] : [])]) {
  const { browser, close } = await launch(name)
  if (!browser) continue
  try {
    const version = (await browser.version()).replace('Headless', '').replace('/', ' ')
    console.log(
      `\n${cpus()[0].model}, ${cpus().length} processors; ${version}, Node ${process.version}; one thread unless said otherwise`,
    )
    const label = name === 'chromium' ? 'Chromium' : 'Firefox'
    for (const workload of workloads) await workloadTable(browser, label, site.address, workload)
    await firstSteps(browser, label, site.address)
    isMeasured = true
  } finally {
    await close()
  }
}
site.close()
if (goals.length > 0)
  console.log(`\n| goal | measured | wanted | met |\n| --- | ---: | ---: | --- |\n${goals.join('\n')}`)
process.exitCode = isMeasured ? 0 : 1
