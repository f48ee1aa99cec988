/**
 * @file Where in the caller's code we are. In: nothing but the stack. Out: file and line of the first caller outside the
 * library, and by which of the library's functions it called.
 *
 * callerPlace() → 'model.ts:41'
 */

/** Where the library's files are, in the form that stack traces show. */
const ownFolder = import.meta.url.replace(/[^/]*\/[^/]*$/, '').replace(/^file:\/\//, '')

/** A caller outside the library. */
export interface Caller {
  /** `model.ts:41`; undefined where all of the stack is the library's. */
  readonly place: string | undefined
  /** The library's function that it called: `crossEntropy`. Where nobody did, the outermost of a loss. */
  readonly called: string | undefined
}

/** File and line of the first caller outside the library: `model.ts:41`. */
export const callerPlace = (): string | undefined => caller().place

/** The first caller outside the library, and what it called. */
export function caller(): Caller {
  let inner: string | undefined
  let loss: string | undefined
  for (const line of new Error().stack?.split('\n').slice(1) ?? []) {
    const match = /^\s*at (?:async )?(?:(.*?) \()?(?:file:\/\/)?([^()\s][^()]*):(\d+):\d+\)?$/.exec(line)
    if (!match || match[2]!.startsWith('node:')) continue
    const [, name, file, row] = match as unknown as [string, string | undefined, string, string]
    if (file.startsWith(ownFolder)) {
      inner = name?.replace(/ \[as .*/, '').replace(/.*\./, '')
      if (file.startsWith(`${ownFolder}loss/`)) loss = inner ?? loss
    } else return { place: `${file.replace(/^.*[\\/]/, '').replace(/\?.*$/, '')}:${row}`, called: inner }
  }
  return { place: undefined, called: loss }
}
