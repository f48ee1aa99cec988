/**
 * @file One checkpoint as two files: tensors in safetensors, and a record in JSON with the checksums of both. The record is
 * written last, so that a checkpoint is there once its record is. In: values and tensors. Out: bytes; and back, or an error.
 *
 *   checkpoint-000012.safetensors    every tensor
 *   checkpoint-000012.json           {"sha256":"<of what stands between here and the last brace>",
 *                                    "checkpoint":{"format", "version", "gradus", "tensors": {file, bytes, sha256}, "values"}}
 */
import { FileError } from '../base/errors.js'
import { gradusVersion } from '../base/version.js'
import { exactJson, parseExactJson } from './exact-json.js'
import { readSafetensors, type StoredTensor, writeSafetensors } from './safetensors.js'
import { sha256 } from './sha256.js'

/** What a checkpoint holds. */
export interface CheckpointContent {
  /** Plain data; NaN, infinities and −0 stay what they are. */
  readonly values: unknown
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** What a record says. */
export interface CheckpointRecord {
  readonly values: unknown
  readonly tensors: { readonly file: string; readonly bytes: number; readonly sha256: string }
}

/** Rises when the meaning of the files changes. */
const formatVersion = 1
const opening = '{"sha256":"'
const middle = '",\n"checkpoint":'
const ending = '}\n'

export const checkpointName = (number: number): string => `checkpoint-${String(number).padStart(6, '0')}`
/** The number in a name such as checkpoint-000012.json. */
export const checkpointNumber = (file: string, ending: 'json' | 'safetensors'): number | undefined => {
  const match = /^checkpoint-(\d{6,12})\.(json|safetensors)$/.exec(file)
  return match && match[2] === ending ? Number(match[1]) : undefined
}

/** The bytes of both files. */
export function encodeCheckpoint(
  name: string,
  { values, tensors }: CheckpointContent,
): { readonly tensors: Uint8Array; readonly record: string } {
  const bytes = writeSafetensors(tensors)
  const body = exactJson({
    format: 'gradus-checkpoint',
    version: formatVersion,
    gradus: gradusVersion,
    tensors: { file: `${name}.safetensors`, bytes: bytes.length, sha256: sha256(bytes) },
    values,
  })
  return { tensors: bytes, record: `${opening}${sha256(body)}${middle}${body}${ending}` }
}

/**
 * Reads a record. Throws DamageError for bytes that are not what was written, each of which counts; FileError for a
 * record of another version.
 */
export function decodeRecord(name: string, bytes: Uint8Array): CheckpointRecord {
  const file = `${name}.json`
  // One character a byte: nothing is normalised away before it is compared.
  const text = new TextDecoder('latin1').decode(bytes)
  const from = opening.length + 64 + middle.length
  const body = bytes.subarray(from, Math.max(from, bytes.length - ending.length))
  const whole = `${opening}${sha256(body)}${middle}`
  if (!text.startsWith(whole) || !text.endsWith(ending) || bytes.length < from + ending.length)
    throw new DamageError(file, 'the checksum differs, or it was cut short')
  const record = parseExactJson(new TextDecoder().decode(body)) as Record<string, unknown>
  if (record['format'] !== 'gradus-checkpoint' || record['version'] !== formatVersion)
    throw new FileError(
      file,
      `its version is ${JSON.stringify(record['version'])}, this Gradus reads ${formatVersion}`,
      {
        hint: `Use the Gradus that wrote it (${JSON.stringify(record['gradus'])}).`,
      },
    )
  const tensors = record['tensors'] as CheckpointRecord['tensors']
  if (tensors.file !== `${name}.safetensors`) throw new DamageError(file, `it belongs to ${tensors.file}`)
  return { values: record['values'], tensors }
}

/** The tensors that belong to a record. Throws DamageError unless every byte is what was written. */
export function decodeTensors({ tensors }: CheckpointRecord, bytes: Uint8Array): Map<string, StoredTensor> {
  if (bytes.length !== tensors.bytes)
    throw new DamageError(tensors.file, `it has ${bytes.length} bytes instead of ${tensors.bytes}`)
  if (sha256(bytes) !== tensors.sha256) throw new DamageError(tensors.file, 'the checksum differs')
  return readSafetensors(bytes, tensors.file).tensors
}

/** A file that is not what was written. */
export class DamageError extends FileError {
  override name = 'DamageError'
}
