/**
 * The built package in other runtimes: those on the search path (deno, bun), and those that GRADUS_RUNTIMES names (paths of node, deno
 * and bun, separated as PATH is). Equal bits, in the same numerics. What is not there is named. Needs `npm run build`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { basename, delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/smoke.mjs', import.meta.url))
const smoke = (program: string, numerics = ''): string[] => {
  const options = basename(program).startsWith('deno') ? ['run', '-A', '--node-modules-dir=manual'] : []
  const env = { ...process.env, GRADUS_NUMERICS: numerics, GRADUS_VERIFY: '' }
  return execFileSync(program, [...options, script], { encoding: 'utf8', env })
    .trim()
    .split(' ')
}
const named = (process.env['GRADUS_RUNTIMES'] ?? '').split(delimiter).filter(Boolean)
const found = (program: string): boolean => spawnSync(program, ['--version']).status === 0

const programs = ['deno', 'bun', ...named]
const missing = programs.filter((program) => !found(program))
if (missing.length > 0) console.warn(`The package is not tested in ${missing.join(', ')}: not here.`)

test.each(
  programs.map((program) => [missing.includes(program) ? `left out: no ${program}` : program, program] as const),
)('%s', (_, program) => {
  if (missing.includes(program)) return
  const [runtime, , engine, numerics, hash] = smoke(program)
  expect(runtime).toMatch(/^(node|deno|bun)$/)
  expect(engine).toBe('wasm')
  expect(hash).toBe(smoke(process.execPath, numerics).at(-1))
})
