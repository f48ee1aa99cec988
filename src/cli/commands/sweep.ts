/**
 * @file `gradus sweep SOURCE --space SPACE`: its options and help; the work is in ../sweep.ts.
 */
import type { Command } from 'commander'
import { allSettings, kindNamed, kindOf } from '../kinds.js'
import { shellLine } from '../output.js'
import type { SweepCommand } from '../sweep.js'
import { oneOf, text, wholeNumber } from '../values.js'
import { addGroup, addSettings, json, option, type Verb } from '../verb.js'
import { refuseOthers, settled } from './settled.js'

export const sweep: Verb = (root, finish) => {
  const command: Command = root
    .command('sweep')
    .description('try settings in processes beside one another, and keep the best model')
    .argument('[file|digits]', 'what gradus train takes; may stand in the file of --config')
    .usage('FILE.csv --target COLUMN --space SPACE.json [options]')
  addGroup(command, 'The sweep:', [
    option(
      '--space <json>',
      'what to choose from: a file, or JSON such as {"learningRate":{"log":[1e-4,1e-1]}}',
      text,
    ).makeOptionMandatory(),
    option('--strategy <name>', 'random (the default), grid, or halving', oneOf('random', 'grid', 'halving')),
    option(
      '--trials <n>',
      'how many, 20 by default, the first with the settings as they are; of a grid all',
      wholeNumber(1, 100_000),
    ),
    option('--workers <n>', 'how many at once, 1 by default', wholeNumber(1, 256)),
    option(
      '--metric <name>',
      'what is compared, validation.loss by default; the best epoch of each trial counts',
      text,
    ),
  ])
  addSettings(command, allSettings())
  addGroup(command, 'Output:', [
    option('-o, --output <folder>', 'where to write it all; sweeps/NAME-001 by default, never an old one'),
    option('--resume', 'go on with the sweep in the folder of --output, if there is one'),
    json(),
    option('-q, --quiet', 'print the path of the folder only'),
    option('--no-progress', 'no progress on standard error'),
  ])
  addGroup(command, 'Configuration:', [
    option('-c, --config <file>', 'settings of all trials in a JSON file, as for train'),
  ])
  command
    .addHelpText(
      'after',
      `
A space has for each setting { "choice": [...] }, { "log": [low, high] }, { "uniform": [low, high] } or { "integer": [low, high] }; a grid
needs "steps" beside a range. Names that are no settings are parameters of a model file. Successive halving (halving) trains all trials for a
few epochs, the better third for three times as many, and so on, up to --epochs (27 by default). Trials on tables train one network
(--ensemble 1) unless told otherwise. A trial that fails is recorded and the sweep goes on.
The folder holds trials.json, summary.md, sweep.svg, best.json (for gradus train --config), the model best/, and all trials.
Ctrl-C stops it; with --output FOLDER --resume the same command goes on, whatever ended it, and ends as if nothing had.

Examples:
  $ gradus sweep adult.csv -t income --space '{"learningRate":{"log":[1e-4,1e-1]},"hidden":{"choice":["32","64,32"]}}' --workers 2
  $ gradus sweep model.ts --space space.json --strategy halving --trials 27 --epochs 27 -o sweeps/model --resume`,
    )
    .action(async (given: string | undefined) => {
      const { source, options, named } = await settled(command, given)
      const kind = (named && kindNamed(named)) || (await kindOf(source))
      refuseOthers(command, kind, source)
      const names = new Set(kind.settings.map(({ name }) => name))
      const settings = Object.fromEntries(Object.entries(options).filter(([name]) => names.has(name)))
      const { sweepCommand } = await import('../sweep.js')
      finish(
        await sweepCommand(
          source,
          kind,
          settings,
          options as unknown as SweepCommand,
          `gradus ${shellLine(process.argv.slice(2))}`,
        ),
      )
    })
}
