/**
 * @file The page of the benchmark: starts what is to be measured in a worker, or in the page itself, and keeps what it says.
 * In: `begin(script, { argv, env }, where)`. Out: `globalThis.told`, { lines, end?, error? }.
 */
globalThis.begin = (script, given, where) => {
  const told = { lines: [] }
  globalThis.told = told
  const hear = ({ line, end }) => {
    if (line !== undefined) told.lines.push(line)
    if (end !== undefined) told.end = end
  }
  // What is thrown after the end is how a script leaves.
  const fail = (error) => {
    if (told.end === undefined) told.error = error
  }
  if (where === 'page') {
    window.name = JSON.stringify(given)
    addEventListener('told', ({ detail }) => hear(detail))
    import(script).catch((error) => fail(String(error)))
    return
  }
  const worker = new Worker(script, { type: 'module', name: JSON.stringify(given) })
  worker.onmessage = ({ data }) => {
    hear(data)
    if (data.end !== undefined) worker.terminate()
  }
  worker.onerror = (event) => {
    event.preventDefault()
    fail(event.message ?? 'the worker cannot be loaded')
  }
}
