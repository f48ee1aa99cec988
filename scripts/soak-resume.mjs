// Kills runs of training by SIGKILL, a third of them between two system calls of a checkpoint's write, the others at any moment, and
// resumes each with another engine and number of threads: `npm run soak:resume -- [kills] [seed]`. Every run that comes to its end must
// have the bits of the one that was never killed. The first that has not ends the soak, with its folder kept.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { victimOf } from './resume/kills.mjs'

const wanted = Number(process.argv[2] ?? 100)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
let state = seed >>> 0
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return (state >>> 8) / 2 ** 24
}
const engines = (process.env.ENGINES ?? 'wasm,native,auto').split(',')
const settings = () => ({
  engine: engines[Math.floor(random() * engines.length)],
  threads: 1 + Math.floor(random() * 2),
})

console.log(`${wanted} kills from seed ${seed}, engines ${engines.join(', ')}`)
const { line, time } = await victimOf(undefined)
console.log(`never killed: ${line}, ${Math.round(time)} ms of training`)
const base = mkdtempSync(join(tmpdir(), 'gradus-soak-resume-'))
let [kills, faults, runs] = [0, 0, 0]
for (let folder; kills < wanted; ) {
  folder = join(base, `run-${++runs}`)
  let told = ''
  for (;;) {
    const options = settings()
    // The last kill of a run is followed by one that may come to its end.
    if (kills < wanted && random() < 0.85) {
      if (random() < 1 / 3) options.call = 1 + Math.floor(random() * 60)
      else options.after = random() * time
    }
    const result = await victimOf(folder, options)
    told += result.errors
    if (result.killed) {
      kills++
      if (options.call) faults++
      continue
    }
    if (result.line !== line) {
      console.error(
        `seed ${seed}: ${folder} ended with ${result.line} after ${kills} kills (${JSON.stringify(options)})\n${told}`,
      )
      process.exit(1)
    }
    break
  }
  // A process that dies never damages a checkpoint, so none may be passed over.
  if (told.includes('damaged')) {
    console.error(`seed ${seed}: ${folder}\n${told}`)
    process.exit(1)
  }
  rmSync(folder, { recursive: true, force: true })
  console.log(`run ${runs} ended with the same bits; ${kills} kills so far, ${faults} between system calls`)
}
rmSync(base, { recursive: true })
