/**
 * @file Reading run folders: what happened, as curves and tables or event by event. In: the folder that training writes. Out: plain data.
 * Also while the run goes on, and after it was killed.
 *
 * const { networks, state } = await readRun('runs/digits-001'); console.log(networks[0]?.series['validation.loss']?.last)
 * for await (const event of readEvents('runs/digits-001')) if (event.kind === 'warning') console.log(event.message)
 */
import { FileError } from '../base/errors.js'
import type { ReadRunOptions, RunContent } from '../io/run-reader.js'
import { checkFolder } from './checkpoint-check.js'
import type { RunEvent } from './events.js'

/**
 * A run as curves of at most `points` points (the lowest, highest and last value of each stretch of steps), its last epochs, confusion
 * matrix, profile and whatever else it told. Memory is bounded, however many events there are. Throws FileError where there is no run.
 */
export async function readRun(folder: string, options: ReadRunOptions = {}): Promise<RunContent> {
  checkFolder('readRun', folder)
  const { RunReader } = await import('../io/run-reader.js')
  const reader = new RunReader(folder, options)
  await reader.update()
  const { content } = reader
  if (!content.info && content.events === 0) throw noRun('readRun', folder)
  return content
}

/**
 * The events of a run in order, without those that a resumed run has made void, and without a line that was cut short. Kinds of a later
 * Gradus come as they are. Throws FileError where there is no run.
 */
export async function* readEvents(folder: string): AsyncGenerator<RunEvent, void, void> {
  checkFolder('readEvents', folder)
  const [{ eventsOf }, { runFiles }, { access }] = await Promise.all([
    import('../io/event-scan.js'),
    import('../io/run-reader.js'),
    import('node:fs/promises'),
  ])
  const path = `${folder.replace(/[\\/]+$/, '')}/${runFiles.events}`
  await access(path).catch((cause) => {
    throw noRun('readEvents', folder, cause)
  })
  yield* eventsOf(path) as AsyncGenerator<RunEvent, void, void>
}

const noRun = (operation: string, folder: string, cause?: unknown): FileError =>
  new FileError(operation, `there is no run in ${folder}: neither run.json nor events.jsonl`, {
    cause,
    hint: 'Give the folder that training wrote, such as runs/digits-001.',
  })
