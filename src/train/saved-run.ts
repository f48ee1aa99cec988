/**
 * @file Runs that were saved, looked at without loading them: for a page that offers to go on. In: the name under which `fit` saves its
 * checkpoints. Out: how far it came; or nothing where nothing was saved.
 *
 * const saved = await savedRun('spirals'); if (saved) offer(`go on after epoch ${saved.epochs.length}`)
 */
import { FileError } from '../base/errors.js'
import { checkFolder } from './checkpoint-check.js'
import type { Epoch } from './types.js'

/** How far a run came that was saved. */
export interface SavedRun {
  /** Those that were done. */
  readonly epochs: readonly Epoch[]
  /** Batches done of the epoch after them. */
  readonly batches: number
  /** Of training, all together. */
  readonly seconds: number
}

/**
 * How far a run came whose checkpoints are under a name: in a folder, or in the browser's storage. Undefined where there are none.
 * Throws FileError where all are damaged.
 */
export async function savedRun(name: string): Promise<SavedRun | undefined> {
  checkFolder('savedRun', name)
  const [{ CheckpointFolder }, { filesAt }] = await Promise.all([
    import('../io/checkpoint-folder.js'),
    import('../io/checkpoint-files.js'),
  ])
  const none = await filesAt(name)
    .list()
    .then((names) => names.length === 0)
    .catch(() => true)
  if (none) return undefined
  const found = await (await CheckpointFolder.read(name)).newest()
  if (!found) return undefined
  const { parts } = found.values as { readonly parts: { readonly [part: string]: unknown } }
  const run = parts['run'] as
    | { readonly epochs: readonly Epoch[]; readonly seconds: number; readonly under?: { readonly batch: number } }
    | undefined
  if (!run) throw new FileError('savedRun', `the checkpoints in ${name} are not those of a run of fit`)
  return { epochs: run.epochs, batches: run.under?.batch ?? 0, seconds: run.seconds }
}

/** Takes all checkpoints of a run away, in a folder or in the browser's storage. */
export async function forgetRun(name: string): Promise<void> {
  checkFolder('forgetRun', name)
  const { removeCheckpoints } = await import('../io/checkpoint-files.js')
  await removeCheckpoints(name)
}
