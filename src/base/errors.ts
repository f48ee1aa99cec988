/**
 * @file Errors that say what was wrong, where, and how to put it right.
 * In: the operation, the fault, the place, the cure. Out: an Error subclass whose message reads as one sentence.
 *
 * new ShapeError('matmul', 'inner sizes differ, [32,784] × [256,10] (784 ≠ 256)', { hint: 'linear was built with in = 256.' })
 */

/** What an error says besides the fault. */
export interface ErrorDetails {
  /** Where in the model: a module path such as `layers.1`. Filled in from the module being called when left out. */
  readonly place?: string
  /** The cure, a full sentence. */
  readonly hint?: string
  /** The error that led to this one. */
  readonly cause?: unknown
}

let currentPlace: () => string | undefined = () => undefined

/** The tracer tells errors which module is being called, so that base/ need not know about modules. */
export function setErrorPlace(place: () => string | undefined): void {
  currentPlace = place
}

/**
 * What all errors of the library are: its message is "operation, place: fault. Cure". The subclasses say what kind of
 * fault it is.
 */
export class GradusError extends Error {
  override name = 'GradusError'
  /** What was called: `matmul`, `nn.linear`. */
  readonly operation: string
  /** The message without the operation's name. */
  readonly sentence: string

  constructor(operation: string, fault: string, details: ErrorDetails = {}) {
    const place = details.place ?? currentPlace()
    const where = place ? `, in ${place}` : ''
    // A question ends its sentence itself.
    const stop = /[?.]$/.test(fault) && !where ? '' : '.'
    const sentence = `${fault}${where}${details.hint ? `${stop} ${details.hint}` : ''}`
    super(`${operation}: ${sentence}`, { cause: details.cause })
    this.operation = operation
    this.sentence = sentence
  }
}

/** Shapes that do not fit together. */
export class ShapeError extends GradusError {
  override name = 'ShapeError'
}
/** A dtype where another is needed. */
export class DtypeError extends GradusError {
  override name = 'DtypeError'
}
/** A rule of tracing was broken: reading a value inside a trace, arithmetic operators on a tensor, an async function... */
export class TraceError extends GradusError {
  override name = 'TraceError'
}
/** An option or argument out of its range. */
export class ValueError extends GradusError {
  override name = 'ValueError'
}
/** An argument that is something else than a tensor, or whatever is needed in its place. */
export class ArgumentError extends ValueError {
  override name = 'ArgumentError'
}
/** A file that is missing, malformed or from another version. */
export class FileError extends GradusError {
  override name = 'FileError'
}
/** A verifier found an IR that breaks its grammar: a bug in Gradus, never in the user's code. */
export class VerifyError extends GradusError {
  override name = 'VerifyError'
}

/** The name in `known` nearest to `name` by edit distance, if it is near enough to be a misspelling. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}
