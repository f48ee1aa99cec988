/**
 * @file `gradus inspect MODEL`: its options; the work is in ../inspect.ts.
 */
import { isTextModel } from '../../train/text-model.js'
import { json, type Verb } from '../verb.js'

export const inspect: Verb = (root, finish) => {
  root
    .command('inspect')
    .description('show what a model folder holds: layers, preprocessing, scores, history')
    .argument('<model>', 'the folder that training wrote')
    .addOption(json())
    .action(async (model: string, options: { json?: boolean }) => {
      if (await isTextModel(model)) {
        const { inspectText } = await import('../open-text.js')
        return finish(await inspectText(model, options))
      }
      const { inspectModel } = await import('../inspect.js')
      finish(await inspectModel(model, options))
    })
}
