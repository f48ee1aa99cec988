/**
 * @file `gradus watch [FOLDER]`: the run page. In: a folder of runs, a port. Out: an address; the server runs until Ctrl-C.
 */
import { defaultPort, watchRuns } from '../watch/server.js'
import { say } from './output.js'

export interface WatchCommand {
  readonly port?: number
  readonly json?: boolean
}

/** Exit code 0: being stopped is how it ends. */
export async function watchCommand(folder: string, { port = defaultPort, json }: WatchCommand): Promise<number> {
  const watch = await watchRuns({ folder, port })
  if (json) console.log(JSON.stringify({ address: watch.address, folder }))
  else {
    if (port !== 0 && watch.port !== port) say(`Port ${port} is in use; ${watch.port} is free.`)
    say(`Watching ${folder}: ${watch.address}`, 'Ctrl-C stops it.')
  }
  await new Promise<void>((stop) => {
    process.once('SIGINT', () => stop())
    process.once('SIGTERM', () => stop())
  })
  await watch.close()
  return 0
}
