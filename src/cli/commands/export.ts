/**
 * @file `gradus export RUN`: its options and help; the work is in ../export.ts.
 */
import type { ExportCommand } from '../export.js'
import { oneOf } from '../values.js'
import { addGroup, json, option, type Verb } from '../verb.js'

export const exportVerb: Verb = (root, finish) => {
  const command = root
    .command('export')
    .description('write a trained network as ONNX, for inference anywhere, or as safetensors, for PyTorch')
    .argument('<run>', 'the folder that training wrote')
  addGroup(command, 'Output:', [
    option('-f, --format <name>', 'onnx or safetensors', oneOf('onnx', 'safetensors')).makeOptionMandatory(),
    option('-o, --output <file>', "where to write it; model.onnx or model.safetensors in the run's folder by default"),
    json(),
  ])
  command
    .addHelpText(
      'after',
      `
The whole network is in the file, an ensemble too. What is done to data before it gets them is not, and is said.

Example:
  $ gradus export runs/penguins-001 --format onnx --output penguins.onnx`,
    )
    .action(async (run: string, options: ExportCommand) => {
      const { exportRun } = await import('../export.js')
      finish(await exportRun(run, options))
    })
}
