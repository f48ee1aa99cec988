/**
 * @file The commands on docs/command-line.md run, in their order, with the files that the page shows. Needs `npm run build`.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const program = join(root, 'dist/cli/main.js')
const page = readFileSync(join(root, 'docs/command-line.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'gradus-command-line-'))
afterAll(() => rmSync(folder, { recursive: true }))
copyFileSync(join(root, 'datasets/data/penguins/penguins.csv'), join(folder, 'penguins.csv'))
for (const [, name, text] of page.matchAll(/^<!-- file: (\S+) -->\n```\w+\n([\s\S]*?)^```/gm))
  writeFileSync(join(folder, name!), text!)
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block!.trim().split('\n'))

/** The words of a line as a shell has them, where quotes are all that is special. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)

describe('docs/command-line.md', () => {
  test('has commands', () => expect(commands.length).toBeGreaterThan(15))

  test.each(commands)('%s', (line) => {
    const [name, ...words] = wordsOf(line)
    expect(name).toBe('gradus')
    const env = { ...process.env, NO_COLOR: '1', GRADUS_ENGINE: 'wasm' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
      cwd: folder,
      encoding: 'utf8',
      env,
    })
    expect([status, stderr.match(/bug in Gradus|^gradus: .*/m)]).toEqual([0, null])
    if (words.includes('--json')) expect(() => JSON.parse(stdout)).not.toThrow()
  })

  test('the run made again of run.json has the same bits', () => {
    const weights = (run: string) => readFileSync(join(folder, run, 'weights.safetensors'))
    expect(weights('runs/again').equals(weights('runs/shorter'))).toBe(true)
  })
})
