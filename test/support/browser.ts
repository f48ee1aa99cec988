/**
 * @file A headless browser for tests of pages. In: its name. Out: puppeteer's browser, or why there is none, said once on the console.
 *
 * const { browser, reason } = await launch('chromium')
 * test.skipIf(browser === undefined)(`the page (${reason ?? 'in Chromium'})`, async () => { const page = await browser!.newPage() ... })
 */
import { accessSync, constants, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import puppeteer, { type Browser } from 'puppeteer-core'

export type BrowserName = 'chromium' | 'firefox'

/** A browser that runs, or the reason why there is none; `close` ends it and takes its profile away. */
export interface Launched {
  readonly browser: Browser | undefined
  /** What to write beside a test that is left out. */
  readonly reason: string | undefined
  close(): Promise<void>
}

const programs: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  firefox: ['firefox-esr', 'firefox'],
}
const macPlaces: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  firefox: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
}
const variable = (name: BrowserName) => name.toUpperCase()

/** Of Chromium: quiet, alone in its profile, and with no request of its own. */
const chromiumArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The path of a browser: CHROMIUM or FIREFOX of the environment, or the first on the search path. */
export function findBrowser(name: BrowserName): string | undefined {
  const given = process.env[variable(name)]
  if (given) return given
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/snap/bin']
  const places = folders.filter(Boolean).flatMap((folder) => programs[name].map((program) => join(folder, program)))
  return [...places, ...macPlaces[name]].find(isProgram)
}

const said = new Set<string>()
function leaveOut(name: BrowserName, reason: string): Launched {
  if (!said.has(name)) console.warn(`Tests that need ${name} are left out: ${reason}.`)
  said.add(name)
  return { browser: undefined, reason: `left out: ${reason}`, close: async () => {} }
}

/** Starts a browser with a profile of its own; `more` are further arguments of its command line. */
export async function launch(name: BrowserName, more: readonly string[] = []): Promise<Launched> {
  const executablePath = findBrowser(name)
  if (!executablePath)
    return leaveOut(name, `there is no ${name} here (set ${variable(name)}, or run scripts/install-browsers.sh)`)
  const profile = await mkdtemp(join(tmpdir(), `gradus-${name}-`))
  const remove = () => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  try {
    const browser = await puppeteer.launch({
      browser: name === 'firefox' ? 'firefox' : 'chrome',
      executablePath,
      headless: true,
      userDataDir: profile,
      args: [...(name === 'chromium' ? chromiumArguments : []), ...more],
    })
    const close = async () => {
      await browser.close().catch(() => {})
      remove()
    }
    return { browser, reason: undefined, close }
  } catch (error) {
    remove()
    return leaveOut(name, `${executablePath} does not start (${(error as Error).message.split('\n')[0]})`)
  }
}
