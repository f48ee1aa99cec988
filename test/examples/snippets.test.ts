/**
 * @file The code on pages of docs/ runs. The first block of a page has the imports and what all others use; each other block
 * is run after it, by itself, in a folder of its own.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'
import * as gradus from 'gradus'
import { afterAll, beforeAll, describe, test, vi } from 'vitest'

const pages = [
  'operations.md',
  'optimizers.md',
  'images.md',
  'transformers.md',
  'sequences.md',
  'losses.md',
  'files.md', 'checkpoints.md',
]
const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const before = process.cwd()
const folder = mkdtempSync(`${tmpdir()}/gradus-snippets-`)
beforeAll(() => {
  process.chdir(folder)
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

describe.each(pages)('%s', (page) => {
  const text = readFileSync(`${docs}${page}`, 'utf8')
  const [first, ...blocks] = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!)
  test.each(blocks.map((code, i) => [i + 2, code] as const))('block %i', async (_, code) => {
    await runnable(`${first}\n{\n${code}\n}`)(gradus)
  })
})
