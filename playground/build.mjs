/**
 * @file Builds the playground into files that any web server can serve: one page, its script, a worker with the library in it.
 * node playground/build.mjs [FOLDER]; without one, playground/dist. Needs `npm run build` of the library before.
 */
import { cp, mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = `${root}playground/src/`

export async function buildPlayground(folder) {
  await mkdir(folder, { recursive: true })
  const common = {
    absWorkingDir: root,
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome111', 'firefox115', 'safari16.4'],
    platform: 'browser',
    conditions: ['browser'],
    alias: { gradus: `${root}dist/index.js` },
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    logLevel: 'error',
  }
  await build({ ...common, entryPoints: { page: `${source}page/main.tsx`, worker: `${source}worker/worker.ts` } })
  // Runs before the page is drawn, and so is no module.
  await build({ ...common, format: 'iife', entryPoints: { theme: `${source}page/theme.ts` } })
  for (const name of ['index.html', 'icon.svg']) await cp(`${source}page/${name}`, `${folder}/${name}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildPlayground(process.argv[2] ?? `${root}playground/dist`)
