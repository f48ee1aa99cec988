/**
 * The run page in Chromium, clicked: it shows what the files say, as it happens; runs are compared; a server that comes back is
 * found again; it can be used by keyboard and with a screen reader; nothing leaves the machine.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// @ts-expect-error a script, without types
import { buildPage } from '../../scripts/build-page.mjs'
import type { StepEvent } from '../../src/train/events.js'
import { type Watch, watchRuns } from '../../src/watch/server.js'
import { launch } from '../support/browser.js'
import { type MadeRun, makeRun } from '../support/made-runs.js'

const { browser, reason, close } = await launch('chromium')
let place = ''
let folder = ''
let watch: Watch
let runs: MadeRun[]
/** What pages have said or asked for that they should not have. */
const faults: string[] = []

beforeAll(async () => {
  if (!browser) return
  place = mkdtempSync(join(tmpdir(), 'gradus-page-'))
  folder = join(place, 'runs')
  await (buildPage as (folder: string) => Promise<void>)(join(place, 'page/'))
  watch = await watchRuns({ folder, port: 0, page: join(place, 'page/'), interval: 50 })
})
afterAll(async () => {
  await close()
  await watch?.close()
  if (place) rmSync(place, { recursive: true, force: true })
})

async function open(hash = '', { width = 1280, height = 860, dark = false } = {}): Promise<Page> {
  const page = await browser!.newPage()
  page.on('console', (message) => {
    // The connection that a stopped server refuses is what a test is about.
    if (message.type() !== 'log' && !message.text().includes('ERR_CONNECTION_REFUSED')) faults.push(message.text())
  })
  page.on('pageerror', (error) => void faults.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(watch.address)) faults.push(request.url())
  })
  await page.setViewport({ width, height })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }])
  await page.goto(watch.address + hash)
  return page
}

const textOf = (page: Page, selector: string) => page.$eval(selector, (element) => element.textContent ?? '')
/** Waits for a text somewhere in what a selector finds. */
const seen = (page: Page, selector: string, text: string) =>
  page.waitForFunction(
    (selector, text) => [...document.querySelectorAll(selector)].some((element) => element.textContent?.includes(text)),
    { timeout: 20_000 },
    selector,
    text,
  )
/** Of a chart's table: values by column, the oldest first; null where a line has none. */
async function tableOf(page: Page, chart: string): Promise<{ [column: string]: (number | null)[] }> {
  const card = `figure[data-plot="${chart}"]`
  await page.waitForSelector(`${card} button`)
  await page.$eval(`${card} button[aria-pressed=false]`, (button) => (button as HTMLElement).click()).catch(() => {})
  await page.waitForSelector(`${card} tbody tr`)
  // What is undefined there is null here.
  return page.$eval(`${card} table`, (table) => {
    const names = [...table.querySelectorAll('thead th')].map((cell) => cell.textContent ?? '')
    const rows = [...table.querySelectorAll('tbody tr')].reverse()
    const value = (row: Element, i: number) => row.children[i]!.querySelector('data')?.value
    return Object.fromEntries(
      names.map((name, i) => [
        name,
        rows.map((row) => {
          const text = value(row, i)
          return text === undefined ? null : Number(text)
        }),
      ]),
    )
  })
}
const given = (column: readonly (number | null)[] | undefined) => column?.filter((value) => value !== null)
const stepsOf = (run: MadeRun) => run.events.filter((event): event is StepEvent => event.kind === 'step')
const clickTab = (page: Page, name: string) => page.click(`#tab-${name}`)

describe.skipIf(!browser)(`the run page (${reason ?? 'in Chromium'})`, () => {
  test('without runs it says what to do; a run that begins appears', async () => {
    const page = await open()
    await seen(page, '.nothing', 'npx gradus train digits')
    runs = [makeRun(folder, { name: 'digits-001', epochs: 2, eventsPerEpoch: 6, began: Date.now() - 5e6 })]
    await seen(page, 'aside .name', 'digits-001')
    await seen(page, 'figure h3', 'Loss')
    await page.close()
  })

  test('curves are the events, and go on as they come', async () => {
    const page = await open('#run=digits-001')
    const [run] = runs as [MadeRun]
    await page.waitForSelector('figure[data-plot="Loss"] canvas')
    const before = await tableOf(page, 'Loss')
    expect(before['step']).toEqual(stepsOf(run).map(({ step }) => step))
    expect(before['steps']).toEqual(stepsOf(run).map(({ loss }) => loss))
    const place = await page.$eval('figure[data-plot="Loss"]', (card) => JSON.stringify(card.getBoundingClientRect()))
    run.epochs(1)
    await seen(page, 'figure[data-plot="Loss"] tbody th', String(stepsOf(run).at(-1)!.step.toLocaleString('en')))
    const after = await tableOf(page, 'Loss')
    expect(after['steps']).toEqual(stepsOf(run).map(({ loss }) => loss))
    const epochs = run.events.filter((event) => event.kind === 'epoch')
    expect(given(after['validation'])).toEqual(epochs.map((event) => event.validation!['loss']))
    expect(given(after['train'])).toEqual(epochs.map((event) => event.train['loss']))
    // Nothing has moved.
    expect(await page.$eval('figure[data-plot="Loss"]', (card) => JSON.stringify(card.getBoundingClientRect()))).toBe(
      place,
    )
    const gradient = await tableOf(page, 'Gradient norm')
    expect(gradient['Gradient norm']).toEqual(stepsOf(run).map(({ gradientNorm }) => gradientNorm))
    await page.click('input[name=axis][value=epoch]')
    await page.waitForFunction(() => document.querySelector('figure[data-plot="Loss"] th')?.textContent === 'epoch')
    await page.waitForFunction(() =>
      [...document.querySelectorAll('figure[data-plot="Loss"] tbody th data')].every(
        (e) => Number((e as HTMLDataElement).value) <= 3,
      ),
    )
    expect((await tableOf(page, 'Accuracy'))['epoch']).toEqual([1, 2, 3])
    await page.close()
  })

  test('dragging makes a part larger, Whole range all of it; arrow keys read values', async () => {
    const page = await open('#run=digits-001')
    await page.waitForSelector('figure[data-plot="Loss"] .u-over')
    const box = (await (await page.$('figure[data-plot="Loss"] .u-over'))!.boundingBox())!
    await page.mouse.move(box.x + box.width / 2, box.y + 50)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 4, box.y + 60, { steps: 4 })
    await page.mouse.up()
    await page.waitForSelector('.toolbar button:enabled')
    const part = await tableOf(page, 'Gradient norm')
    expect(part['step']!.length).toBeLessThan(stepsOf(runs[0]!).length)
    await page.click('.toolbar button')
    await page.waitForFunction(
      (count) => document.querySelectorAll('figure[data-plot="Gradient norm"] tbody tr').length === count,
      {},
      stepsOf(runs[0]!).length,
    )
    await page.focus('figure[data-plot="Loss"] .canvas')
    await page.keyboard.press('ArrowLeft')
    await page.waitForSelector('figure[data-plot="Loss"] .hint:not([hidden])')
    expect(await textOf(page, 'figure[data-plot="Loss"] .hint')).toMatch(/^step[\d,]+validation0\.\d+train0\.\d+$/)
    await page.close()
  })

  test('runs are compared: what differs is marked, columns sort, ticking draws', async () => {
    runs.push(makeRun(folder, { name: 'digits-002', seed: 2, epochs: 3, learningRate: 3e-3, began: Date.now() - 4e6 }))
    runs.push(makeRun(folder, { name: 'digits-003', seed: 2, epochs: 4, began: Date.now() - 3e6 }))
    runs[2]!.end('finished')
    const page = await open('#run=digits-001&run=digits-002')
    await clickTab(page, 'compare')
    await seen(page, '.compare td', 'finished')
    const heads = await page.$$eval('.compare thead th', (cells) => cells.map((cell) => cell.textContent?.trim()))
    expect(heads).toEqual(expect.arrayContaining(['optimizer.learningRate', 'Seed', 'Validation loss', 'Time']))
    expect(heads).not.toContain('Batch Size')
    const marked = await page.$$eval('.compare td.setting.marked', (cells) =>
      cells.map((cell) => `${cell.parentElement!.querySelector('button')!.textContent} ${cell.textContent}`),
    )
    expect(marked).toEqual(['digits-002 0.003', 'digits-001 1'])
    const lossAt = heads.indexOf('Validation loss')
    const losses = () =>
      page.$$eval('.compare tbody tr', (rows, at) => rows.map((row) => Number(row.children[at]!.textContent)), lossAt)
    await page.click(`.compare thead th:nth-child(${lossAt + 1}) button`)
    await page.waitForSelector(`.compare thead th:nth-child(${lossAt + 1})[aria-sort=ascending]`)
    expect(await losses()).toEqual([...(await losses())].sort((a, b) => a - b))
    const best = runs.map((run) =>
      Math.min(...run.events.flatMap((event) => (event.kind === 'epoch' ? [event.validation!['loss']!] : []))),
    )
    expect((await losses())[0]).toBeCloseTo(Math.min(...best), 4)
    await page.click('.compare input[aria-label="Draw digits-003"]')
    await clickTab(page, 'curves')
    const table = await tableOf(page, 'Learning rate')
    expect(Object.keys(table)).toEqual(['step', 'digits-001', 'digits-002', 'digits-003'])
    for (const run of runs)
      expect(given(table[basename(run.folder)])).toEqual(stepsOf(run).map(({ learningRate }) => learningRate))
    await page.close()
  })

  test('views of one run: matrix, examples, layers, histograms, step, settings, warnings', async () => {
    const page = await open('#focus=digits-003&view=results')
    const run = runs[2]!
    await page.waitForSelector('.matrix')
    const { counts } = run.events.findLast((event) => event.kind === 'confusion')!
    expect(
      await page.$$eval('.matrix tbody tr', (rows) =>
        rows
          .slice(0, -1)
          .map((row) => [...row.querySelectorAll('td:not(.margin)')].map((cell) => Number(cell.textContent))),
      ),
    ).toEqual(counts)
    await page.waitForFunction(() => {
      const pictures = [...document.querySelectorAll<HTMLImageElement>('.examples img')]
      return pictures.length === 12 && pictures.every((picture) => picture.complete && picture.naturalWidth === 28)
    })
    await page.select('select[aria-label="Epoch of the matrix"]', '1')
    await seen(page, '.matrix td', String(run.events.find((event) => event.kind === 'confusion')!.counts[0]![0]))
    const time = Date.now()
    const example = { index: 7, label: 'ham', predicted: '<i>spam</i>', probability: 0.9 }
    run.write({ kind: 'wrong', time, epoch: 5, examples: [{ ...example, text: 'you <b>won</b>' }] })
    await seen(page, '.examples blockquote', 'you <b>won</b>')
    run.write({ kind: 'wrong', time, epoch: 6, examples: [{ ...example, values: { age: 31.5, town: 'Ulm' } }] })
    await seen(page, 'section[aria-label="Wrongly classified rows"] tbody tr', '7ham<i>spam</i>90 %31.5Ulm')
    // Something that is no picture, from a tool of somebody's own.
    run.write({ kind: 'wrong', time, epoch: 7, examples: [{ ...example, picture: 5 as unknown as string }] })
    await seen(page, '.problem', 'This cannot be drawn')
    await clickTab(page, 'layers')
    await page.waitForFunction(() => document.querySelectorAll('.ridges path').length === 24)
    const norms = await tableOf(page, 'Gradient norms')
    const layers = run.events.filter((event) => event.kind === 'layers')
    expect(norms['4.weight']).toEqual(layers.map((event) => event.layers['4.weight']!.gradient))
    await clickTab(page, 'step')
    await seen(page, '.kernels th', 'contract_add_compare_select_multiply')
    await clickTab(page, 'about')
    await seen(page, 'dd', 'adamW')
    await seen(page, 'pre', 'dropout 0.2')
    run.write({ kind: 'warning', time: Date.now(), epoch: 4, what: 'deadUnits', message: 'layer 2 is <b>dead</b>' })
    await seen(page, '.warnings li', 'layer 2 is <b>dead</b>')
    await page.close()
  })

  test('by keyboard alone', async () => {
    const page = await open()
    await page.waitForSelector('aside button.run')
    await page.keyboard.press('?')
    await page.waitForSelector('dialog[open]')
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog:not([open])')
    await page.keyboard.press('2')
    await page.waitForSelector('#tab-compare[aria-selected=true]')
    await page.keyboard.press('j')
    await seen(page, 'button.run[aria-current=true] .name', 'digits-002')
    await page.keyboard.press('/')
    await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'search')
    await page.keyboard.type('003')
    await page.waitForFunction(() => document.querySelectorAll('aside li').length === 1)
    await page.keyboard.press('Escape')
    await page.keyboard.press('k')
    await page.focus('aside button.run')
    const ticked = () => page.$eval('aside input[type=checkbox]', (box) => (box as HTMLInputElement).checked)
    const before = await ticked()
    await page.keyboard.press('Space')
    await page.waitForFunction(
      (was) => document.querySelector<HTMLInputElement>('aside input[type=checkbox]')!.checked !== was,
      {},
      before,
    )
    await page.focus('#tab-compare')
    await page.keyboard.press('ArrowRight')
    await page.waitForSelector('#tab-results[aria-selected=true]')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('tab-results')
    await page.close()
  })

  test('a server that stops and comes back is found again, with what happened meanwhile', async () => {
    const page = await open('#run=digits-001')
    await page.waitForSelector('.connection.live')
    const { port } = watch
    await watch.close()
    await page.waitForSelector('.connection.lost')
    runs[0]!.epochs(1)
    watch = await watchRuns({ folder, port, page: join(place, 'page/'), interval: 50 })
    expect(watch.port).toBe(port)
    await page.waitForSelector('.connection.live', { timeout: 20_000 })
    await seen(page, 'aside li', 'epoch 4')
    const last = stepsOf(runs[0]!).at(-1)!
    await tableOf(page, 'Gradient norm')
    await seen(page, 'figure[data-plot="Gradient norm"] tbody th', last.step.toLocaleString('en'))
    await page.close()
  })

  test('a deleted run goes from the list and the charts', async () => {
    const page = await open()
    await seen(page, 'aside .name', 'digits-002')
    rmSync(runs[1]!.folder, { recursive: true })
    await page.waitForFunction(() => !document.body.textContent?.includes('digits-002'))
    await page.close()
  })

  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  test.each([
    ['a desk, light', { width: 1280, height: 860, dark: false }],
    ['a phone, dark', { width: 390, height: 844, dark: true }],
  ])('axe finds nothing on %s; nothing is wider than the screen', async (_, screen) => {
    const page = await open('#run=digits-001&run=digits-003', screen)
    await page.evaluate(axe)
    for (const view of ['curves', 'compare', 'results', 'layers', 'step', 'about']) {
      await clickTab(page, view)
      await page.waitForSelector('#view .card')
      await page.waitForFunction(() => !document.body.textContent?.includes('Reading'))
      const found = await page.evaluate(async () => {
        type Axe = { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }
        const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run()
        return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]!.html.slice(0, 200)}`)
      })
      expect(found, view).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth), view).toBeLessThanOrEqual(screen.width)
    }
    await page.close()
  })

  test('nothing was said on the console, and nothing asked of anyone else', () => expect(faults).toEqual([]))
})
