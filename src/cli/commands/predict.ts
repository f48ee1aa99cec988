/**
 * @file `gradus predict MODEL FILE`: its options and help; the work is in ../predict.ts.
 */

import type { PredictCommand } from '../predict.js'
import { readingSettings } from '../settings.js'
import { addGroup, addSettings, json, option, type Verb } from '../verb.js'

export const predict: Verb = (root, finish) => {
  const command = root
    .command('predict')
    .description('predict each row of a table; the target may be among its columns or not')
    .argument('<model>', 'the folder that training wrote')
    .argument('<file>', 'the table')
  addSettings(command, readingSettings)
  addGroup(command, 'Output:', [
    option('-o, --output <file>', 'where to write the CSV; standard output by default'),
    json(),
  ])
  command
    .addHelpText('after', '\nExample:\n  $ gradus predict runs/penguins-001 new-penguins.csv --output predictions.csv')
    .action(async (model: string, file: string, options: PredictCommand) => {
      const { predictFile } = await import('../predict.js')
      finish(await predictFile(model, file, options))
    })
}
