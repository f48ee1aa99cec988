/**
 * @file Builds the playground into files that any web server can serve: one page, its script, a worker with the library in it.
 * node playground/build.mjs [FOLDER]; without one, playground/dist. Needs `npm run build` of the library before.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
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
  await build({
    ...common,
    entryPoints: {
      page: `${source}page/main.tsx`,
      worker: `${source}worker/worker.ts`,
      'digits-worker': `${source}worker/digits-worker.ts`,
    },
  })
  // Runs before the page is drawn, and so is no module.
  await build({ ...common, format: 'iife', entryPoints: { theme: `${source}page/theme.ts` } })
  for (const name of ['index.html', 'icon.svg']) await cp(`${source}page/${name}`, `${folder}/${name}`)
  await cp(`${root}dist/gradus-thread.js`, `${folder}/gradus-thread.js`)
  await writeFile(`${folder}/digits.bin`, await someDigits(9000))
}

/** The first of MNIST's training images: labels, then pixels, gzipped. */
async function someDigits(count) {
  const read = async (name) => gunzipSync(await readFile(`${root}datasets/data/mnist/${name}`))
  const [images, labels] = await Promise.all([read('train-images-idx3-ubyte.gz'), read('train-labels-idx1-ubyte.gz')])
  return gzipSync(Buffer.concat([labels.subarray(8, 8 + count), images.subarray(16, 16 + count * 784)]), { level: 9 })
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildPlayground(process.argv[2] ?? `${root}playground/dist`)
