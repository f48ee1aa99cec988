/**
 * @file `gradus watch [FOLDER]`: its options; the work is in ../watch.ts.
 */
import { wholeNumber } from '../values.js'
import { json, option, type Verb } from '../verb.js'

export const watch: Verb = (root, finish) => {
  root
    .command('watch')
    .description('serve a page that shows runs as they go, to this machine only')
    .argument('[folder]', 'of runs, or one run; it need not be there yet', 'runs')
    .addOption(
      option(
        '--port <n>',
        'where to listen, 6007 by default; the next free one if it is in use',
        wholeNumber(0, 65535),
      ),
    )
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ gradus watch                        # then open http://127.0.0.1:6007')
    .action(async (folder: string, options: { port?: number; json?: boolean }) => {
      const { watchCommand } = await import('../watch.js')
      finish(await watchCommand(folder, options))
    })
}
