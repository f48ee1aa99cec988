/**
 * @file `gradus export RUN --format onnx|safetensors`: a trained network as a file for other programs. In: a run's folder. Out: the
 * file, and what belongs to the network but is not in it; with --json one object.
 */
import { join } from 'node:path'
import { writeFileAtomic } from '../io/atomic.js'
import { modelBytes } from '../io/model.js'
import { exportOnnx } from '../io/onnx/export.js'
import { initialize } from '../nn/module.js'
import { openRun } from './open-run.js'
import { entry, grouped, say } from './output.js'

export interface ExportCommand {
  readonly format: 'onnx' | 'safetensors'
  readonly output?: string
  readonly json?: boolean
}

export async function exportRun(folder: string, { format, output, json }: ExportCommand): Promise<number> {
  const { net, inputs, inputDtype = 'float32', before, outputs } = await openRun(folder)
  const file = output ?? join(folder, `model.${format}`)
  initialize(net)
  const bytes =
    format === 'onnx'
      ? await exportOnnx(net, { input: { shape: [1, ...inputs], dtype: inputDtype } })
      : modelBytes(net, { metadata: { format: 'pt' } })
  await writeFileAtomic(file, bytes)
  const input = `${inputDtype}[${['batch', ...inputs].join(',')}]`
  if (json) console.log(JSON.stringify({ run: folder, file, format, bytes: bytes.length, input, outputs, before }))
  else
    say(
      entry('File', `${file}, ${grouped(bytes.length)} bytes`),
      entry('Input', input),
      entry('Outputs', outputs),
      ...before.map((sentence, i) => entry(i === 0 ? 'Before' : '', sentence)),
    )
  return 0
}
