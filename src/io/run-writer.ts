/**
 * @file A run folder to write to. Node only. In: a path. Out: the folder, locked against other processes, with an open file of events; what a run
 * before it wrote is never overwritten.
 *
 * const { folder, events, lock } = await openRun('runs/a', { resume: false, numbered: true })        // runs/a-001
 */
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ValueError } from '../base/errors.js'
import type { RunInfo } from '../train/events.js'
import { createRunFolder, makeFolders, writeError, writeFileAtomic } from './atomic.js'
import { EventFile } from './event-file.js'
import { type Lock, lockFolder } from './lock.js'
import { runFiles } from './run-reader.js'

/** What a log writes to. */
export interface OpenedRun {
  readonly folder: string
  /** Of the run that goes on. */
  readonly info: RunInfo | undefined
  readonly events: EventFile
  readonly lock: Lock
  /** Writes run.json. */
  write(info: RunInfo): Promise<void>
  /** Writes a file into pictures/, and gives its path in the folder. */
  picture(name: string, bytes: Uint8Array): Promise<string>
}

export async function openRun(
  path: string,
  { resume, numbered }: { readonly resume: boolean; readonly numbered: boolean },
): Promise<OpenedRun> {
  const folder = numbered ? await createRunFolder(dirname(path), basename(path)) : path
  const make = (one: string) =>
    makeFolders(one).catch((cause) => {
      throw writeError(one, cause)
    })
  if (!numbered) await make(folder)
  const lock = await lockFolder(folder)
  try {
    const found = await readRun(folder)
    if (found.begun && !resume)
      throw new ValueError('runLog', `there is a run in ${folder} already`, {
        hint: 'Go on with it by resume: true, or name another folder; numbered: true finds a name that is free.',
      })
    const events = await EventFile.open(join(folder, runFiles.events))
    return {
      folder,
      info: found.begun ? found.info : undefined,
      events,
      lock,
      write: (info) => writeFileAtomic(join(folder, runFiles.info), `${JSON.stringify(info, undefined, 2)}\n`),
      async picture(name, bytes) {
        const within = `${runFiles.pictures}/${name.replace(/[^\p{L}\p{N}._-]+/gu, '-')}`
        await make(join(folder, runFiles.pictures))
        await writeFileAtomic(join(folder, within), bytes)
        return within
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** What run.json says, and whether the run has begun; a run.json that cannot be read is written anew. */
async function readRun(folder: string): Promise<{ readonly begun: boolean; readonly info: RunInfo | undefined }> {
  const events = await stat(join(folder, runFiles.events)).catch(() => undefined)
  const begun = (events?.size ?? 0) > 0
  try {
    return { begun, info: JSON.parse(await readFile(join(folder, runFiles.info), 'utf8')) as RunInfo }
  } catch {
    return { begun, info: undefined }
  }
}
