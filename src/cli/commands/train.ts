/**
 * @file `gradus train SOURCE`: finds the kind of what is to be trained, checks the options against it, and trains.
 */
import type { Command } from 'commander'
import { allSettings, kindNamed, kindOf, kinds } from '../kinds.js'
import { shellLine } from '../output.js'
import { joinSweep } from '../trial.js'
import { addGroup, addSettings, json, option, type Verb } from '../verb.js'
import { refuseOthers, settled } from './settled.js'

export const train: Verb = (root, finish) => {
  const command: Command = root
    .command('train')
    .description('train a network: on a table, a folder of images, texts, the word digits, or as a model file says')
    .argument('[file|digits]', 'what is trained, as above; may stand in the file of --config')
    .usage(
      [...kinds]
        .reverse()
        .map((kind) => kind.usage)
        .join('\n       gradus train '),
    )
  addSettings(command, allSettings())
  addGroup(command, 'Output:', [
    option('-o, --output <folder>', 'where to write the model; runs/NAME-001 by default, never an old one'),
    option('--resume', 'save each epoch in the folder of --output, and go on from there if there is something'),
    json(),
    option('-q, --quiet', 'print the path of the folder only'),
    option('--no-progress', 'no progress on standard error'),
  ])
  addGroup(command, 'Configuration:', [
    option('-c, --config <file>', 'settings in a JSON file, or the run.json of a run; flags win over it'),
  ])
  command
    .addHelpText(
      'after',
      `
What is left out is guessed from the data, and what was guessed is printed with the option that says otherwise.
The folder holds model.json, weights.safetensors, run.json, events.jsonl, history.jsonl, learning-curve.svg and summary.md.
Ctrl-C stops the training, keeps the best so far and completes the folder.
With --output FOLDER --resume the same command can be given again, whatever ended it, and ends as if nothing had.

Examples:
  $ gradus train iris.csv --columns sepal_length,sepal_width,petal_length,petal_width,species --target species
  $ gradus train winequality-red.csv -t quality --task regression --hidden 64,32 --dropout 0.2
  $ gradus train adult.data --columns age,workclass,... --target income --test adult.test
  $ gradus train digits --hidden 512 --epochs 20 --seed 7
  $ gradus train pets --size 64 --augment flip,crop,rotate=10     # pets/cat/*.jpg, pets/dog/*.jpg
  $ gradus train mnist                                     # a folder with MNIST's IDX files
  $ gradus train model.ts --epochs 5 --set width=64
  $ gradus train --config runs/penguins-001/run.json       # the same run once more`,
    )
    .action(async (given: string | undefined) => {
      await joinSweep()
      const { source, options, named } = await settled(command, given)
      const kind = (named && kindNamed(named)) || (await kindOf(source))
      refuseOthers(command, kind, source)
      finish(await kind.train(source, options, `gradus ${shellLine(process.argv.slice(2))}`))
    })
}
