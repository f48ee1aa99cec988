/**
 * @file A file of JSON lines that grows while something runs. Node only.
 * In: values, one at a time. Out: a file in which every line is whole, also after a full disk or a crash.
 *
 * const log = createJsonLines('runs/iris-001/history.jsonl'); log.append({ epoch: 1, loss: 0.4 }); log.close()
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { writeError } from './atomic.js'

export interface JsonLines {
  /** Writes one line at once. Throws FileError (disk full) and leaves no half line behind. */
  append(value: unknown): void
  close(): void
}

/** Makes the file; throws FileError if there is one already. */
export function createJsonLines(path: string): JsonLines {
  const fail = (cause: unknown): never => {
    throw writeError(path, cause as NodeJS.ErrnoException)
  }
  let file: number | undefined
  try {
    file = openSync(path, 'wx')
  } catch (cause) {
    fail(cause)
  }
  let length = 0
  return {
    append(value) {
      const line = Buffer.from(`${JSON.stringify(value)}\n`)
      try {
        // A short write is what a nearly full disk gives before it fails.
        for (let at = 0; at < line.length; ) at += writeSync(file!, line, at, line.length - at, length + at)
        length += line.length
      } catch (cause) {
        ftruncateSync(file!, length)
        fail(cause)
      }
    },
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}
