/**
 * @file `gradus watch [FOLDER]`: the run page. In: a folder of runs, a port. Out: an address; the server runs until Ctrl-C.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { FileError } from '../base/errors.js'
import { defaultPort, watchRuns } from '../watch/server.js'
import { say } from './output.js'

export interface WatchCommand {
  readonly port?: number
  readonly json?: boolean
}

/** A folder that cannot be looked at is the page's to tell of. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Exit code 0: being stopped is how it ends. */
export async function watchCommand(folder: string, { port = defaultPort, json }: WatchCommand): Promise<number> {
  if (isFile(folder))
    throw new FileError('watch', `${folder} is a file, not a folder of runs`, { hint: `Watch ${dirname(folder)}.` })
  const watch = await watchRuns({ folder, port })
  if (json) console.log(JSON.stringify({ address: watch.address, folder }))
  else {
    if (port !== 0 && watch.port !== port) say(`Port ${port} is in use; ${watch.port} is free.`)
    say(
      `Watching ${folder}: ${watch.address}`,
      ...(existsSync(folder) ? [] : [`${folder} is not there yet: runs appear once a training begins.`]),
      'Ctrl-C stops it.',
    )
  }
  await new Promise<void>((stop) => {
    process.once('SIGINT', () => stop())
    process.once('SIGTERM', () => stop())
  })
  await watch.close()
  return 0
}
