/**
 * @file What a worker of the pool (image-pool.ts) does: it reads and decodes lists of files, one after another. In: messages with
 * files and a form. Out: for each its pixels, one sample behind another, and the faults of those that cannot be read.
 */
import { isMainThread, parentPort } from 'node:worker_threads'
import { decodeList, type ImageTask } from './image-list.js'

if (!isMainThread)
  parentPort!.on('message', async ({ id, files, form }: ImageTask & { readonly id: number }) => {
    try {
      const result = await decodeList({ files, form })
      parentPort!.postMessage({ id, result }, [result.data.buffer])
    } catch (error) {
      parentPort!.postMessage({ id, error: String((error as Error).stack ?? error) })
    }
  })
