/**
 * @file The public names that a page needs which only shows what a worker trains: `gradus/remote`, a few kB. The worker's file imports
 * `gradus`; nothing here loads the compiler.
 *
 * import { trainInWorker } from 'gradus/remote'
 */
export { GradusError } from './base/errors.js'
export type { BatchNow } from './train/remote-messages.js'
export { forgetRun, type SavedRun, savedRun } from './train/saved-run.js'
export { type RemoteRun, type TrainInWorkerOptions, trainInWorker } from './train/train-in-worker.js'
export type { Best, Epoch, History, Scores } from './train/types.js'
export type { NodeWorkerLike, WebWorkerLike, WorkerLike } from './train/worker-port.js'
