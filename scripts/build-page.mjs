/**
 * @file Builds the run page (src/watch/page) into one script and one style sheet, beside its server.
 * node scripts/build-page.mjs [FOLDER]; without one, dist/watch/page, as `npm run build` does.
 */
import { cp, mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = `${root}src/watch/page/`

/** Writes index.html, icon.svg, page.js and page.css. */
export async function buildPage(folder) {
  await mkdir(folder, { recursive: true })
  await build({
    entryPoints: { page: `${source}main.tsx` },
    entryNames: '[name]',
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome111', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // The licences of what is in it stay with it.
    legalComments: 'eof',
    logLevel: 'warning',
  })
  for (const name of ['index.html', 'icon.svg']) await cp(source + name, `${folder}/${name}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage(process.argv[2] ?? `${root}dist/watch/page`)
