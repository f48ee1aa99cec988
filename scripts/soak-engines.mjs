/**
 * @file The soak of engines: random programs and trainings, run in every way there is, until two differ in a bit or time is up.
 * npm run soak:engines                    60 minutes from a seed that is printed
 * npm run soak:engines -- 2 12345         2 minutes from seed 12345, which repeats what that seed did
 * A line each minute; a difference prints seed, program and the two ways to run it, and the script ends with 1.
 * test/engines/soak.test.ts is what runs.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { SOAK_MINUTES = '60', SOAK_SEED = String(Date.now() % 1_000_000) } = process.env
const [minutes = SOAK_MINUTES, seed = SOAK_SEED] = process.argv.slice(2)
if (!(Number(minutes) > 0) || !Number.isInteger(Number(seed))) {
  console.error(`soak-engines: minutes above 0, then a whole number as seed, not ${process.argv.slice(2).join(' ')}`)
  process.exit(2)
}
console.log(`${minutes} minutes from seed ${seed}; npm run soak:engines -- ${minutes} ${seed} repeats it`)
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/engines/soak.test.ts'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  env: { ...process.env, SOAK_MINUTES: minutes, SOAK_SEED: seed },
  stdio: 'inherit',
})
process.exit(status ?? 1)
