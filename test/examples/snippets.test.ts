/**
 * @file The code on pages of docs/ runs, and is right to tsc. The first block of a page has the imports and what all others use; each other block
 * is run after it, by itself, in a folder of its own.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'
import * as gradus from 'gradus'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

const pages = [
  'operations.md',
  'optimizers.md',
  'images.md',
  'image-data.md',
  'transformers.md',
  'sequences.md',
  'losses.md',
  'files.md',
  'checkpoints.md',
  'runs.md',
  'browser.md',
  'data.md',
  'text.md',
  'tables.md',
  'diagnosis.md',
]
const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const before = process.cwd()
const folder = mkdtempSync(`${tmpdir()}/gradus-snippets-`)
beforeAll(() => {
  vi.spyOn(console, 'log').mockImplementation(() => {})
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true })
  vi.restoreAllMocks()
})

/** A program of TypeScript as a function of the library. */
function runnable(code: string): (library: object) => Promise<void> {
  const body = code.replace(/^import \{(.*)\} from 'gradus'$/m, (_, names: string) => {
    const values = names.split(',').filter((name) => !name.trim().startsWith('type '))
    return `const {${values.join(',')}} = library`
  })
  const typed = `export default async (library: object) => {\n${body}\n}`
  const options = { jsc: { parser: { syntax: 'typescript' as const }, target: 'es2022' as const } }
  const plain = transformSync(typed, options).code
  return new Function(plain.replace('export default', 'return'))() as (library: object) => Promise<void>
}

const blocksOf = (page: string) =>
  [...readFileSync(`${docs}${page}`, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!)

describe.each(pages)('%s', (page) => {
  const [first, ...blocks] = blocksOf(page)
  // Each page has a folder of its own: several make runs/a.
  beforeAll(() => {
    mkdirSync(`${folder}/${page}`)
    process.chdir(`${folder}/${page}`)
  })
  test.each(blocks.map((code, i) => [i + 2, code] as const))('block %i', async (_, code) => {
    await runnable(`${first}\n{\n${code}\n}`)(gradus)
  })
})

test('tsc accepts all of them, against the declarations that users get', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  // In the package's own folders 'gradus' is what `npm run build` has made.
  mkdirSync(`${root}examples/dist`, { recursive: true })
  const place = mkdtempSync(`${root}examples/dist/snippets-`)
  try {
    for (const page of pages) {
      const [first, ...blocks] = blocksOf(page)
      const [, imports, common] = /^(import .*\n)([\s\S]*)$/.exec(first!)!
      for (const [i, code] of blocks.entries())
        writeFileSync(
          `${place}/${page.replace('.md', '')}-${i + 2}.ts`,
          `${imports}export async function run() {\n${common}\n{\n${code}\n}\n}\n`,
        )
    }
    writeFileSync(
      `${place}/tsconfig.json`,
      JSON.stringify({ extends: '../../../tsconfig.base.json', compilerOptions: { noEmit: true }, include: ['*.ts'] }),
    )
    const tsc = `${root}node_modules/typescript/bin/tsc`
    const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', place], { cwd: place, encoding: 'utf8' })
    expect(stdout + stderr).toBe('')
  } finally {
    rmSync(place, { recursive: true })
  }
})
