/**
 * @file Where in the model we are: the path of module calls, which names parameters, random streams and error places.
 */
import { setErrorPlace } from '../base/errors.js'

interface Frame {
  readonly name: string
  readonly place: string | undefined
  /** As it was written: `linear(784, 128)`. */
  readonly what: string | undefined
}
const frames: Frame[] = []

let stage: string | undefined

/** Runs `f` as one of the stages of a step: for those who ask where a node comes from. */
export function withStage<T>(name: string, f: () => T): T {
  const before = stage
  stage = name
  try {
    return f()
  } finally {
    stage = before
  }
}

/** The stage of the step that is being traced; undefined in forward propagation, or where nobody said. */
export const currentStage = (): string | undefined => stage

/** What the innermost part of the model is, and where it was made. */
export const innermost = (): { readonly what?: string; readonly place?: string } => {
  const frame = frames[frames.length - 1]
  return { what: frame?.what, place: frame?.place }
}

/** Runs `f` inside a named part of the model; `place` is where that part was made, `what` what it is, for errors. */
export function withScope<T>(name: string, place: string | undefined, f: () => T, what?: string): T {
  frames.push({ name, place, what })
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
