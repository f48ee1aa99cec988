/**
 * @file A list of image files, decoded. In: files, a form. Out: the pixels of those that can be read, one behind another, and what is
 * wrong with the others; the same wherever it runs.
 */
import { FileError, type GradusError } from '../base/errors.js'
import { decodeFile, type ImageForm } from './image-decode.js'

/** Files a worker is given at a time: many enough that messages cost nothing, few enough that all workers have some. */
export const filesAtATime = 16

export interface ImageTask {
  readonly files: readonly string[]
  readonly form: ImageForm
}

/** A file that cannot be read: its number in the list, and why, in the words of a FileError. */
export interface ImageFault {
  readonly index: number
  readonly sentence: string
}

export interface DecodedList {
  /** [files without a fault, channels, height, width]. */
  readonly data: Uint8Array<ArrayBuffer>
  readonly faults: readonly ImageFault[]
}

export async function decodeList({ files, form }: ImageTask): Promise<DecodedList> {
  const size = form.channels * form.size[0] * form.size[1]
  const data = new Uint8Array(files.length * size)
  const faults: ImageFault[] = []
  let at = 0
  for (const [index, file] of files.entries())
    try {
      data.set(await decodeFile(file, form), at)
      at += size
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      faults.push({ index, sentence: (error as GradusError).sentence })
    }
  return { data: faults.length === 0 ? data : data.slice(0, at), faults }
}
