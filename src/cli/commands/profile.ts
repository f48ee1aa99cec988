/**
 * @file `gradus profile SOURCE`: its options and help; the work is in ../profile.ts.
 */
import type { ProfileCommand } from '../profile.js'
import { lossSettings, networkSettings, pick, tableSettingRows, trainingSettings } from '../settings.js'
import { batchSize, oneOf } from '../values.js'
import { addGroup, addSettings, givenFlags, json, option, type Verb } from '../verb.js'

export const profile: Verb = (root, finish) => {
  const command = root
    .command('profile')
    .description(
      'show where the time of a training step (digits, a table, a model file) or of a prediction (a run) goes',
    )
    .argument('<file|digits|run>', 'a table, digits, a model file, or the folder that training wrote')
    .usage(
      'digits [options]\n       gradus profile FILE.csv --target COLUMN [options]\n       gradus profile MODEL.ts [options]\n       gradus profile RUN [options]',
    )
  addGroup(command, 'The program:', [
    option(
      '--engine <name>',
      'what runs the program: wasm, native or interpreter',
      oneOf('wasm', 'native', 'interpreter'),
    ),
    option('--batch-size <n>', "rows at a time, or 'full' for all; for a model 512, 64, 8 or 1", batchSize),
  ])
  addSettings(command, [
    ...networkSettings,
    ...lossSettings,
    ...pick(trainingSettings, 'optimizer', 'weightDecay', 'seed'),
    ...tableSettingRows.filter(({ name }) => name !== 'test'),
  ])
  addGroup(command, 'Output:', [option('-o, --output <file.svg>', 'where to write the picture'), json()])
  command
    .addHelpText(
      'after',
      `
Examples:
  $ gradus profile digits --hidden 512,256 --batch-size 256 --output profile.svg
  $ gradus profile penguins.csv --target species --engine native
  $ gradus profile runs/penguins-001 --batch-size 1`,
    )
    .action(async (source: string, options: ProfileCommand) => {
      const { profileCommand } = await import('../profile.js')
      finish(
        await profileCommand(
          source,
          options,
          givenFlags(command).map(({ flag }) => flag),
        ),
      )
    })
}
