// Runs scripts/resume/victim.mjs in other processes, and kills them. For the test and for `npm run soak:resume`.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const victim = fileURLToPath(new URL('victim.mjs', import.meta.url))

/**
 * One process: killed `after` so many milliseconds of training, or before the `call`-th system call of its checkpoints, unless it
 * ends before. `log`: a folder for its log. Gives whether it was killed, its last line, what it said on standard error, and how long it trained.
 */
export function victimOf(folder, { engine = 'wasm', threads = 1, after, call, log } = {}) {
  const env = {
    ...process.env,
    GRADUS_ENGINE: engine,
    GRADUS_THREADS: String(threads),
    GRADUS_VERIFY: '0',
    KILL_AT: String(call ?? 0),
    ...(log ? { LOG: log } : {}),
  }
  const child = spawn(process.execPath, [victim, ...(folder ? [folder] : [])], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, errors, start, timer] = ['', '', undefined, undefined]
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
    if (start !== undefined || !out.includes('training\n')) return
    start = performance.now()
    if (after !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), after)
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const time = performance.now() - (start ?? performance.now())
      if (signal === 'SIGKILL') resolve({ killed: true, line: undefined, errors, time })
      else if (code === 0) resolve({ killed: false, line: out.trim().split('\n').at(-1), errors, time })
      else reject(new Error(`${engine}, ${threads} threads: exit code ${code}, signal ${signal}\n${errors}`))
    })
  })
}
