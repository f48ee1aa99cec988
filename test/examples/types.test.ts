/**
 * @file The examples type-check against the library's built declarations, as they would in a user's project, and quickly.
 * Alone on this kind of machine it takes under a second; the bound leaves room for other work beside it.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('tsc accepts the examples in time', () => {
  const start = performance.now()
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.examples.json', '--noEmit'],
    { cwd: root, encoding: 'utf8' },
  )
  const seconds = (performance.now() - start) / 1000
  console.log(`tsc on the examples: ${seconds.toFixed(2)} s`)
  expect(stdout + stderr).toBe('')
  expect(status).toBe(0)
  expect(seconds).toBeLessThan(10)
})

it('the examples named in the README are those of the README, word for word', () => {
  const readme = readFileSync(`${root}/README.md`, 'utf8')
  const blocks = [...readme.matchAll(/<!-- example: (\S+) -->\n```ts\n([\s\S]*?)```/g)]
  expect(blocks.map(([, name]) => name)).toEqual(['digits.ts', 'own-loop.ts'])
  for (const [, name, code] of blocks)
    expect(readFileSync(`${root}/examples/${name}`, 'utf8').replace(/^(\/\/.*\n)+/, '')).toBe(code)
})

it('examples import only the public packages, and every picture is shown', () => {
  const files = readdirSync(`${root}/examples`).filter((name) => name.endsWith('.ts'))
  for (const name of files)
    for (const [, from] of readFileSync(`${root}/examples/${name}`, 'utf8').matchAll(/from '([^']+)'/g))
      expect(['gradus', '@gradus/datasets', './few-digits.js', 'node:fs/promises'], name).toContain(from)
  const page = readFileSync(`${root}/examples/README.md`, 'utf8')
  const shown = [...page.matchAll(/\]\(pictures\/(\S+?)\)/g)].map(([, picture]) => picture)
  expect(shown.sort()).toEqual(readdirSync(`${root}/examples/pictures`).sort())
})
