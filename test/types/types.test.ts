/**
 * @file Shapes as types: what must compile does, what must not fails with a message that a newcomer understands. The
 * messages are tsc's own, kept in messages.txt (npx vitest run test/types -u rewrites it: read the difference; -u before a path takes the path for its value).
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const root = at('../..')
const tsc = spawnSync(
  process.execPath,
  [at('../../node_modules/typescript/bin/tsc'), '-p', at('fixtures/tsconfig.json'), '--pretty', 'false'],
  { cwd: root, encoding: 'utf8' },
)

/** Messages by fixture, such as `fail/layers.ts`, line numbers and all. */
const messages = new Map<string, string>()
let current: string | undefined
for (const line of tsc.stdout.split('\n')) {
  const match = /^test\/types\/fixtures\/(\w+\/[\w-]+\.ts)(\(.*)$/.exec(line)
  if (match) {
    current = match[1]!
    messages.set(current, `${messages.get(current) ?? ''}${match[2]}\n`)
  } else if (line.startsWith(' ') && current) messages.set(current, `${messages.get(current)}${line}\n`)
  else current = undefined
}

test('tsc runs', () => {
  expect(tsc.error).toBeUndefined()
  expect(tsc.stderr).toBe('')
})

test('what is right compiles', () => {
  expect([...messages].filter(([name]) => name.startsWith('pass/'))).toEqual([])
})

const wrong = readdirSync(at('fixtures/fail')).map((name) => `fail/${name}`)

test.each(wrong)('%s does not compile', (name) => {
  expect(messages.get(name)).toBeDefined()
})

test('messages', async () => {
  const text = wrong.map((name) => `${name}${messages.get(name)}`).join('\n')
  await expect(text).toMatchFileSnapshot('messages.txt')
})
