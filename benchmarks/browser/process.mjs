/**
 * @file What the peers' scripts want of Node, in a worker of a page: `process`, put into their bundles by esbuild, and the few
 * functions of Node's modules that they call (see site.mjs). In: the name of the worker or window, JSON { argv, env }. Out: messages
 * { line } for what is printed, { end } at process.exit.
 */
const { argv, env } = JSON.parse(self.name)
const inWorker = typeof WorkerGlobalScope !== 'undefined'
const say = (message) =>
  inWorker ? self.postMessage(message) : self.dispatchEvent(new CustomEvent('told', { detail: message }))

console.log = (line) => say({ line: String(line) })
// jax-js takes as many threads as there are processors, or none where there are no workers.
const threads = Number(argv[3] ?? 1)
if (inWorker && env.PEER === 'jaxjs') {
  if (threads === 1) globalThis.Worker = undefined
  else Object.defineProperty(navigator, 'hardwareConcurrency', { value: threads })
}

export const process = {
  argv,
  env,
  execArgv: [],
  resourceUsage: () => ({ maxRSS: Number.NaN }),
  exit(code) {
    say({ end: code })
    // As in Node, nothing comes after it.
    throw new Error('the end')
  },
}

export const resolve = (path) => path
export const pathToFileURL = (path) => new URL(path, location.origin)
export function readFileSync(path) {
  const request = new XMLHttpRequest()
  request.open('GET', new URL(path, location.origin), false)
  request.send()
  if (request.status !== 200) throw new Error(`${path}: ${request.status}`)
  return request.responseText
}
