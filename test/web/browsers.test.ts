/**
 * The library in browsers, from dist/gradus.js without a bundler: equal bits, threads where memory is shared, one where not, strict
 * policies, training in a worker that is held, left, saved and resumed. Needs `npm run build`. Where there is no browser a line says so.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrowserName, type Launched, launch } from '../support/browser.js'
import { type PageHeaders, type Site, serveSite } from './site.js'

let site: Site
beforeAll(async () => {
  site = await serveSite()
})
afterAll(() => site.close())

const strict =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:"

/** The hash that Node has, by the same files. */
const inNode = (numerics: string): string =>
  execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/smoke.mjs', import.meta.url))], {
    encoding: 'utf8',
    env: { ...process.env, GRADUS_NUMERICS: numerics, GRADUS_VERIFY: '' },
  })
    .trim()
    .split(' ')
    .at(-1)!

const launched = new Map<BrowserName, Launched>()
for (const name of ['chromium', 'firefox'] as const) launched.set(name, await launch(name))
afterAll(async () => {
  for (const one of launched.values()) await one.close()
})

describe.each([...launched])('%s', (_, { browser, reason }) => {
  const title = reason ? ` (${reason})` : ''
  const faults: string[] = []
  /** A page under these headers; what it says on its console as errors is collected. */
  async function open(headers: PageHeaders, before = ''): Promise<Page> {
    const page = await browser!.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text())
    })
    page.on('pageerror', (error) => faults.push(String(error)))
    if (before) await page.evaluateOnNewDocument(before)
    await page.goto(site.page(headers))
    await page.waitForFunction('globalThis.gradusTests !== undefined')
    return page
  }
  const ask = async (page: Page, what: string, given: object = {}): Promise<unknown> =>
    page.evaluate(`gradusTests.${what}(${JSON.stringify(given)})`)

  test.skipIf(!browser)(`the bits of Node, on one thread under a strict policy${title}`, async () => {
    const page = await open({ policy: strict })
    expect(await ask(page, 'isolated')).toBe(false)
    expect(await ask(page, 'smoke')).toBe(inNode('fused'))
    await page.close()
    expect(faults.splice(0)).toEqual([])
  })

  test.skipIf(!browser)(`without relaxed SIMD, the bits of portable numerics${title}`, async () => {
    const page = await open({}, 'WebAssembly.validate = () => false')
    expect(await ask(page, 'smoke')).toBe(inNode('portable'))
    await page.close()
    expect(faults.splice(0)).toEqual([])
  })

  test.skipIf(!browser)(`a policy without wasm-unsafe-eval: says what to allow${title}`, async () => {
    const page = await open({ policy: "script-src 'self'" })
    expect(await ask(page, 'failure')).toMatch(
      /this page's Content-Security-Policy forbids WebAssembly\. Allow it: .*'wasm-unsafe-eval'/,
    )
    await page.close()
    faults.splice(0)
  })

  test.skipIf(!browser)(`a worker trains on threads where memory is shared${title}`, async () => {
    const page = await open({ isolated: true, policy: strict })
    const before = site.asked.length
    const told = (await ask(page, 'worker', { parameters: { epochs: 3 } })) as {
      epochs: number
      stopped: string
      about: { threads: number; isolated: boolean }
      bytes: number
    }
    expect(told).toMatchObject({ epochs: 3, stopped: 'finished', about: { isolated: true } })
    expect(told.bytes).toBeGreaterThan(3000)
    // Their program was fetched: threads were started, as files, which the policy allows.
    if (told.about.threads > 1) expect(site.asked.slice(before)).toContain('dist/gradus-thread.js')
    await page.close()
    expect(faults.splice(0)).toEqual([])
  })

  test.skipIf(!browser)(`the page draws while a worker trains; pause, resume, leave${title}`, async () => {
    const page = await open({})
    const told = (await ask(page, 'frames')) as { idle: number; training: number; still: boolean; stopped: string }
    expect(told).toMatchObject({ still: true, stopped: 'left' })
    // On a quiet machine it is 60; here others may need the processors.
    expect(told.training, JSON.stringify(told)).toBeGreaterThan(0.4 * told.idle)
    expect(await ask(page, 'missing')).toMatch(/the worker has ended: its program cannot be loaded/)
    await page.close()
    // The browser itself says that a file is missing.
    faults.splice(0)
  })

  test.skipIf(!browser)(`what docs/browser.md shows${title}`, async () => {
    const page = await open({})
    expect(await ask(page, 'place')).toMatch(/^main\.js:\d+$/)
    expect(await ask(page, 'documented')).toEqual([500, true])
    await page.goto(`${site.page()}docs/plain.html`)
    await page.waitForFunction("document.title === 'done'")
    expect(await page.$eval('#log', (log) => log.textContent)).toMatch(/^epoch 200: 0\.\d{4}$/)
    await page.close()
    expect(faults.filter((fault) => !/favicon|404/.test(fault))).toEqual([])
    faults.splice(0)
  })

  test.skipIf(!browser)(`a page that is closed loses nothing: the run goes on with the same bits${title}`, async () => {
    const first = await open({})
    const whole = await ask(first, 'goOn', { name: 'whole' })
    expect(whole).toMatchObject({ epochs: 60 })
    const done = (await ask(first, 'begin', { name: 'spirals', epochs: 5 })) as number
    expect(done).toBeGreaterThanOrEqual(5)
    const other = await open({})
    expect(await ask(other, 'taken', { name: 'spirals' })).toMatch(
      /another page or worker is writing to the run 'spirals'/,
    )
    await other.close()
    await first.close()
    const second = await open({})
    expect(await ask(second, 'saved', { name: 'spirals' })).toBe(done)
    expect(await ask(second, 'goOn', { name: 'spirals', resume: true })).toEqual(whole)
    await second.close()
    expect(faults.splice(0)).toEqual([])
  })
})
