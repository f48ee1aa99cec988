/**
 * @file `gradus predict MODEL FILE`: its options and help; the work is in ../predict.ts.
 */

import { isTextModel } from '../../train/text-model.js'
import type { TextPredictCommand } from '../open-text.js'
import { readingSettings } from '../settings.js'
import { notNegative, wholeNumber } from '../values.js'
import { addGroup, addSettings, json, option, type Verb } from '../verb.js'

export const predict: Verb = (root, finish) => {
  const command = root
    .command('predict')
    .description('predict each row of a table (the target may be among its columns or not), or image files')
    .argument('<model>', 'the folder that training wrote')
    .argument('[file...]', 'the table, or PNG and JPEG files for a model of images; a language model needs none')
  addSettings(command, readingSettings)
  addGroup(command, 'Texts:', [
    option('--prompt <text>', 'what a language model goes on with; or a text whose class is to be told'),
    option('--length <n>', 'how many tokens it writes; 400 by default', wholeNumber(1, 1e6)),
    option('--temperature <t>', 'below 1 what is likely becomes likelier; 0.8 by default', notNegative),
    option('--top-k <n>', 'draws among the likeliest so many only', wholeNumber(1)),
    option('--seed <n>', 'draws the text (default 1)', wholeNumber(0, 0xffffffff)),
  ])
  addGroup(command, 'Output:', [
    option('-o, --output <file>', 'where to write the CSV; standard output by default'),
    json(),
  ])
  command
    .addHelpText(
      'after',
      "\nExamples:\n  $ gradus predict runs/penguins-001 new-penguins.csv --output predictions.csv\n  $ gradus predict runs/pets-001 cat.jpg dog.png\n  $ gradus predict runs/shakespeare-001 --prompt 'ROMEO:'",
    )
    .action(async (model: string, files: string[], options: TextPredictCommand) => {
      if (await isTextModel(model)) {
        const { predictText } = await import('../open-text.js')
        if (files.length > 1) return command.error('error: a model of texts takes one file')
        return finish(await predictText(model, files[0], options))
      }
      if (files.length === 0) return command.error("error: missing required argument 'file'")
      for (const name of ['prompt', 'length', 'temperature', 'topK', 'seed'] as const)
        if (options[name] !== undefined)
          command.error(`error: --${name === 'topK' ? 'top-k' : name} is for models of text`)
      const { predictFile } = await import('../predict.js')
      finish(await predictFile(model, files, options))
    })
}
