/**
 * @file Where in the caller's code we are. In: nothing but the stack. Out: file and line of the first caller outside the
 * library, and by which of the library's functions it called.
 *
 * callerPlace() → 'model.ts:41'
 */

/**
 * Where the library's files are, in the form that stack traces show: its folder where it has one, else (in a bundle with other
 * things) the file that this stands in.
 */
const ownFiles = /^.*\/dist\/(?=base\/place\.js)|^.*\/src\/(?=base\/place\.ts)|^.*$/.exec(
  import.meta.url.replace(/^file:\/\//, '').replace(/\?.*$/, ''),
)![0]!

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
  let runs = false
  for (const line of new Error().stack?.split('\n') ?? []) {
    // Chromium and Node: `at f (file:1:2)` or `at file:1:2`; Firefox and Safari: `f@file:1:2`.
    const match = /^(?:\s*at (?:async )?(?:(.*?) \()?|(.*?)@)(?:file:\/\/)?([^()\s][^()]*):(\d+):\d+\)?$/.exec(line)
    if (!match || match[3]!.startsWith('node:')) continue
    const [, ours = match[2], , file, row] = match as unknown as [string, string | undefined, unknown, string, string]
    if (file.startsWith(ownFiles)) {
      const name = ours?.replace(/ \[as .*/, '').replace(/.*\./, '')
      // In a bundle there are no folders: a loss is what this function of train/program.ts calls.
      if (name === 'errorOf') loss = inner
      inner = name
      if (file.startsWith(`${ownFiles}loss/`)) loss = inner ?? loss
      // In a bundle there are no folders: a run is known by what advances it.
      runs = file.startsWith(`${ownFiles}train/`) || inner === '#finish' || inner === '#advance'
    } else if (runs)
      // Whoever awaits a run has written none of its operations.
      return { place: undefined, called: loss }
    else return { place: `${file.replace(/^.*[\\/]/, '').replace(/\?.*$/, '')}:${row}`, called: inner }
  }
  return { place: undefined, called: loss }
}
