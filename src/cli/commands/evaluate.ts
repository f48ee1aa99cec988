/**
 * @file `gradus evaluate RUN [FILE]`: its options and help; the work is in ../evaluate.ts.
 */
import { pick, readingSettings, tableSettingRows } from '../settings.js'
import type { EvaluateCommand } from '../trained.js'
import { addGroup, addSettings, json, type Verb } from '../verb.js'

export const evaluate: Verb = (root, finish) => {
  const command = root
    .command('evaluate')
    .description('score a trained network on a file, or on the test data that its run set aside')
    .argument('<run>', 'the folder that training wrote')
    .argument('[file]', "a table with the target among its columns; by default the run's own test data")
  addSettings(command, [...pick(tableSettingRows, 'target'), ...readingSettings])
  addGroup(command, 'Output:', [json()])
  command
    .addHelpText(
      'after',
      `
Examples:
  $ gradus evaluate runs/penguins-001                   # the rows that were set aside, once more
  $ gradus evaluate runs/penguins-001 more.csv --json`,
    )
    .action(async (run: string, file: string | undefined, options: EvaluateCommand) => {
      const { evaluateRun } = await import('../evaluate.js')
      finish(await evaluateRun(run, file, options))
    })
}
