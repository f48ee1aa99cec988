/**
 * @file The command line: `gradus train`, `predict`, ... In: arguments. Out: what the commands print, and an exit code:
 * 0 done, 1 the data or the run failed, 2 wrong usage, 130 interrupted by Ctrl-C. The commands are in commands/.
 */
import { Command, CommanderError } from 'commander'
import { FileError, GradusError } from '../base/errors.js'
import { gradusVersion } from '../base/version.js'
import { checkEnvironment } from '../settings.js'
import { verbs } from './commands/index.js'

const usageError = 2
/** Operations whose errors are wrong usage: options, and variables of the environment. */
const usageFaults = new Set(['tableSettings', 'environment', 'configuration'])

function program(exit: (code: number) => void): Command {
  const root = new Command('gradus')
    .description('Trains neural networks: on tables, images and texts.')
    .version(gradusVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ helpWidth: Math.min(100, process.stdout.columns ?? 100) })
    .showHelpAfterError('(gradus --help tells more)')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  $ gradus train digits                               # MNIST, 98 % in half a minute
  $ gradus train pets --size 64                        # images by class: pets/cat/*.jpg, pets/dog/*.jpg; or MNIST's files
  $ gradus train penguins.csv --target species        # guesses the rest and says what it guessed
  $ gradus predict runs/penguins-001 penguins.csv     # a class and probabilities for each row
  $ gradus inspect runs/penguins-001                  # layers, preprocessing, scores, history
  $ gradus train model.ts --set width=64              # a network and the options of fit, in TypeScript
  $ gradus export runs/penguins-001 --format onnx     # for inference anywhere
  $ gradus profile digits --output profile.svg        # where the time of a training step goes
  $ gradus watch                                      # a page that shows the runs of ./runs as they go

Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage or environment, 130 interrupted.`,
    )

  // Before anything is read or trained.
  root.hook('preAction', checkEnvironment)

  for (const verb of verbs) verb(root, exit)
  return root
}

async function main(): Promise<number> {
  let code = 0
  // A reader that has seen enough, such as head, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    await program((given) => {
      code = given
    }).parseAsync()
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError
    return fail(error)
  }
}

/** The message without the name of the library's function, which is nothing to whoever types commands. */
function plainMessage(error: Error): string {
  const { message } = error
  // A FileError may have the file's name there, which is what users need.
  const isFunction = (text: string) => /^[A-Za-z.]+$/.test(text) && !(error instanceof FileError && text.includes('.'))
  const name = error instanceof GradusError && isFunction(error.operation) ? `${error.operation}: ` : ''
  return message.startsWith(name) ? message.slice(name.length) : message
}

/** Says what went wrong: a sentence for what users can put right, a stack for what they cannot. */
function fail(error: unknown): number {
  const expected = error instanceof GradusError && error.name !== 'VerifyError'
  const { name, stack } = error instanceof Error ? error : new Error(String(error))
  const message = error instanceof Error ? plainMessage(error) : String(error)
  process.stderr.write(
    expected ? `gradus: ${message}\n` : `gradus: ${stack ?? message}\nThis is a bug in Gradus; please report it.\n`,
  )
  if (process.argv.includes('--json')) console.log(JSON.stringify({ error: { name, message } }))
  return error instanceof GradusError && usageFaults.has(error.operation) ? usageError : 1
}

process.exitCode = await main()
