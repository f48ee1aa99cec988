/**
 * @file The playground trains for a while in Chromium: frames a second of the page, and whether memory grows. Exits 1 where it does,
 * or where frames fall. In #/play a training of a new shape begins every few seconds, so that many programs are made; in #/digits one
 * network trains, and then the other.
 *
 * npm run soak:browser -- 10               # minutes in each of the two views; 10 by default
 * npm run soak:browser -- 5 play           # one view: play, digits
 *
 * After each training, when garbage has been collected: the JavaScript heaps of the page and of its workers, what their buffers hold
 * (typed arrays, WebAssembly's memory), and, on Linux, the memory of the processes that draw pages (also compiled code). Memory grows
 * where the median of the last third of the samples is over that of the second third by more than `allowed`. A page keeps its frames
 * where a second has 50 or more, in the median and in nine of ten samples.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPlayground } from '../playground/build.mjs'
import { servePlayground } from '../playground/serve.mjs'
import { launch } from './launch-browser.mjs'

const [given = '10', ...more] = process.argv.slice(2)
const minutes = Number(given)
const views = more.length > 0 ? more : ['play', 'digits']
if (!(minutes > 0) || views.some((view) => view !== 'play' && view !== 'digits')) {
  console.error('soak-browser takes a number of minutes, and perhaps a view: play, digits')
  process.exit(2)
}
const leastFrames = 50
/** MiB, and a share. */
const allowed = { 'page heap': [1, 0.05], 'worker heap': [1, 0.05], buffers: [1, 0.05], processes: [8, 0.05] }

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const mebibytes = (bytes) => bytes / 2 ** 20

/** Counts frames and keeps the longest time between two. */
const countFrames = `globalThis.soak = { frames: 0, longest: 0, last: performance.now(), start: performance.now() }
  requestAnimationFrame(function draw(now) {
    soak.frames++
    soak.longest = Math.max(soak.longest, now - soak.last)
    soak.last = now
    requestAnimationFrame(draw)
  })`
const takeFrames = `(() => {
  const now = performance.now()
  const taken = { frames: (1000 * soak.frames) / (now - soak.start), longest: soak.longest }
  Object.assign(soak, { frames: 0, longest: 0, last: now, start: now })
  return taken
})()`

/** Garbage is collected, then what is left counts. */
async function heapOf(client) {
  await client.send('HeapProfiler.collectGarbage')
  const { usedSize, backingStorageSize = Number.NaN } = await client.send('Runtime.getHeapUsage')
  return { heap: mebibytes(usedSize), buffers: mebibytes(backingStorageSize) }
}

/** What the processes that draw pages hold in memory of their own. */
async function processesOf(browserClient) {
  const { processInfo } = await browserClient.send('SystemInfo.getProcessInfo')
  try {
    return processInfo
      .filter(({ type }) => type === 'renderer')
      .reduce((sum, { id }) => {
        const status = readFileSync(`/proc/${id}/status`, 'utf8')
        // Shared memory is what threads of WebAssembly train in.
        const kilobytes = ['RssAnon', 'RssShmem'].map((name) =>
          Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]),
        )
        return sum + (kilobytes[0] + kilobytes[1]) / 1024
      }, 0)
  } catch {
    return Number.NaN
  }
}

let state = 1
/** A whole number from 0, below `n`; the same from run to run. */
function draw(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}
const one = (list) => list[draw(list.length)]

/** Another data set, network, optimizer and size of batch. */
function someSettings() {
  const layers = Array.from({ length: 1 + draw(3) }, () => `${4 + draw(45)}${one(['tanh', 'relu', 'sigmoid'])}`)
  return new URLSearchParams({
    data: one(['moons', 'circles', 'spirals', 'blobs', 'xor', 'wave', 'steps']),
    layers: layers.join(','),
    optimizer: one(['momentum', 'adagrad', 'adam']),
    rate: '0.003',
    batch: one(['8', '16', '32', '60', 'full']),
    dropout: one(['0', '0.2']),
    epochs: '20000',
    seed: String(draw(1000)),
  }).toString()
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent ?? '')
const button = '[data-test=play]'
/** Presses the button, and waits for what it says then. */
async function press(page, from, to) {
  if ((await text(page, button)) !== from) return
  await page.$eval(button, (element) => element.click())
  await page.waitForFunction((selector, word) => document.querySelector(selector).textContent === word, {}, button, to)
}
const number = (words) => Number(words.replaceAll(',', '')) || 0

/** Of each view: how long a training lasts, how another begins, what has been done in it. */
const kinds = {
  play: {
    seconds: 4,
    async begin(page) {
      await press(page, 'Pause', 'Train')
      await page.evaluate((hash) => {
        location.hash = hash
      }, `#/play?${someSettings()}`)
      await page.waitForFunction(() => document.querySelector('[data-test=update]')?.textContent === '0')
      await page.waitForSelector(`${button}:not(:disabled)`)
      await press(page, 'Train', 'Pause')
    },
    done: async (page) => number(await text(page, '[data-test=update]')),
    unit: 'updates',
  },
  digits: {
    seconds: 20,
    async begin(page, turn) {
      await press(page, 'Pause', 'Train')
      const before = await page.waitForSelector('main.digits select')
      await before.select(turn % 2 ? 'dense' : 'convolution')
      await page.waitForSelector(`${button}:not(:disabled)`)
      await page.waitForFunction(() => document.querySelector('[data-test=samples]')?.textContent === '0')
      await press(page, 'Train', 'Pause')
    },
    done: async (page) => number(await text(page, '[data-test=samples]')),
    unit: 'digits',
  },
}

async function soak(browser, address, view) {
  const { seconds, begin, done, unit } = kinds[view]
  const faults = []
  const page = await browser.newPage()
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => void (message.type() === 'error' && faults.push(message.text())))
  await page.setViewport({ width: 1280, height: 860 })
  await page.goto(`${address}#/${view}`)
  await page.waitForSelector(button)
  await page.evaluate(countFrames)
  const client = await page.createCDPSession()
  const browserClient = await browser.target().createCDPSession()

  const columns = ['page heap', 'worker heap', 'buffers', 'processes']
  console.log(`\n### #/${view}, ${minutes} min\n`)
  console.log(
    `| minute | trainings | ${unit} | frames a second | least | longest frame | ${columns.map((name) => `${name}, MiB`).join(' | ')} |`,
  )
  console.log(`| ---: | ---: | ---: | ---: | ---: | ---: | ${columns.map(() => '---:').join(' | ')} |`)
  const samples = []
  let shown = 0
  let total = 0
  const show = (now) => {
    const latest = samples.slice(shown)
    shown = samples.length
    const frames = latest.map((sample) => sample.frames)
    const memory = columns.map((name) => median(latest.map((sample) => sample[name])).toFixed(1))
    console.log(
      `| ${(now / 60_000).toFixed(1)} | ${samples.length} | ${total.toLocaleString('en')} | ${median(frames).toFixed(1)} | ${Math.min(...frames).toFixed(1)} | ${Math.round(Math.max(...latest.map(({ longest }) => longest)))} ms | ${memory.join(' | ')} |`,
    )
  }
  const start = performance.now()
  const end = 60_000 * minutes
  for (let rows = 1, turn = 0; performance.now() - start < end; turn++) {
    await begin(page, turn)
    await page.evaluate(takeFrames)
    await sleep(1000 * Math.min(seconds, Math.max(1, minutes * seconds)))
    const frames = await page.evaluate(takeFrames)
    const made = await done(page)
    if (made === 0) faults.push(`training ${turn + 1} did nothing in its time: ${await page.evaluate('location.hash')}`)
    total += made
    const own = await heapOf(client)
    // Threads sleep inside WebAssembly, and answer nothing; what they hold is the memory that they share.
    const asked = page.workers().filter((worker) => !worker.url().endsWith('gradus-thread.js'))
    const workers = await Promise.all(asked.map((worker) => heapOf(worker.client)))
    const sum = (list, name) => list.reduce((all, entry) => all + entry[name], 0)
    samples.push({
      ...frames,
      'page heap': own.heap,
      'worker heap': sum(workers, 'heap'),
      buffers: sum([own, ...workers], 'buffers'),
      processes: await processesOf(browserClient),
    })
    const now = performance.now() - start
    if (now > (rows * end) / 10) {
      show(now)
      rows = Math.floor((10 * now) / end) + 1
    }
  }
  await press(page, 'Pause', 'Train')
  await page.close()

  const third = Math.floor(samples.length / 3)
  const growth = columns.map((name) => {
    const [before, after] = [samples.slice(third, 2 * third), samples.slice(2 * third)].map((part) =>
      median(part.map((sample) => sample[name])),
    )
    const [least, share] = allowed[name]
    if (after - before > Math.max(least, share * before))
      faults.push(`memory grows: ${name} from ${before.toFixed(1)} to ${after.toFixed(1)} MiB`)
    return `${name} ${before.toFixed(1)} → ${after.toFixed(1)} MiB`
  })
  const frames = samples.map((sample) => sample.frames)
  const few = frames.filter((count) => count < leastFrames).length
  if (median(frames) < leastFrames || few > samples.length / 10)
    faults.push(
      `frames fall: ${median(frames).toFixed(1)} a second in the median, under ${leastFrames} in ${few} of ${samples.length} samples`,
    )
  console.log(`\nMedians of the second and of the last third: ${growth.join(', ')}.`)
  console.log(
    `Frames a second: ${median(frames).toFixed(1)} in the median, ${Math.min(...frames).toFixed(1)} at least, of ${samples.length} trainings.`,
  )
  return faults.map((fault) => `#/${view}: ${fault}`)
}

const folder = mkdtempSync(join(tmpdir(), 'gradus-soak-'))
const { browser, close } = await launch('chromium', ['--enable-precise-memory-info'])
if (!browser) process.exit(1)
const faults = []
try {
  await buildPlayground(folder)
  const { server, address } = await servePlayground(folder)
  console.log(`${await browser.version()}`)
  for (const view of views) faults.push(...(await soak(browser, address, view)))
  server.close()
  server.closeAllConnections()
} finally {
  await close()
  rmSync(folder, { recursive: true, force: true })
}
if (faults.length > 0) {
  console.error(`\n${faults.join('\n')}`)
  process.exitCode = 1
} else console.log('\nNo growth, no frames lost.')
