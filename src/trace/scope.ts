/**
 * @file Where in the model we are: the path of module calls, which names parameters, random streams and error places.
 */
import { setErrorPlace } from '../base/errors.js'

interface Frame {
  readonly name: string
  readonly place: string | undefined
}
const frames: Frame[] = []

/** Runs `f` inside a named part of the model; `place` is where that part was made, for errors. */
export function withScope<T>(name: string, place: string | undefined, f: () => T): T {
  frames.push({ name, place })
  try {
    return f()
  } finally {
    frames.pop()
  }
}

/** The path of module calls, as key paths are written: `encoder.0`. Empty outside modules. */
export const scopePath = (): string =>
  frames
    .map((frame) => frame.name)
    .filter((name) => name !== '')
    .join('.')

setErrorPlace(() => {
  const path = scopePath()
  const place = frames.length > 0 ? frames[frames.length - 1]!.place : undefined
  return path && place ? `${path} (${place})` : path || place
})
