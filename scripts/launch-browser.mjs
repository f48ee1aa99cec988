/**
 * @file The tests' way to start a browser (test/support/browser.ts), for scripts: Node 20 reads no TypeScript.
 *
 * const { browser, reason, close } = await launch('chromium', ['--enable-precise-memory-info'])
 */
import { mkdir } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}node_modules/.cache/gradus`
await mkdir(folder, { recursive: true })
const outfile = `${folder}/browser.mjs`
await build({
  entryPoints: [`${root}test/support/browser.ts`],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
})

export const { launch, findBrowser } = await import(pathToFileURL(outfile).href)
