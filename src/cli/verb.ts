/**
 * @file What a command of gradus is: a function that adds itself to the program. commands/index.ts lists them; each has a file.
 *
 * export const inspect: Verb = (root, finish) => { root.command('inspect').action(async () => finish(0)) }
 */
import { type Command, Option } from 'commander'
import { optionsOf, type Setting } from './settings.js'
import { parserOf, type Value } from './values.js'

/** Adds one command to `root`; its action calls `finish` with the exit code. */
export type Verb = (root: Command, finish: (code: number) => void) => void

/** An option of one command: flags, what it does, and what its text may be. */
export function option(flags: string, about: string, value?: Value): Option {
  const made = new Option(flags, about)
  return value ? made.argParser(parserOf(value)) : made
}

/** `--json`, which every command that reports has. */
export const json = (): Option => option('--json', 'print one JSON object and nothing else')

/** Adds options under a heading of the help. */
export function addGroup(command: Command, heading: string, options: readonly Option[]): void {
  for (const one of options) command.addOption(one.helpGroup(heading))
}

/** Adds settings, each once, under their headings. */
export function addSettings(command: Command, settings: readonly Setting[]): void {
  for (const setting of new Map(settings.map((one) => [one.name, one])).values())
    for (const one of optionsOf(setting)) command.addOption(one)
}

/** Where commander is to say that a value came from. */
const fromFile = 'config'

/** Takes settings of a file for options that were not given on the command line. */
export function fromConfiguration(command: Command, settings: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(settings))
    if (command.getOptionValueSource(name) !== 'cli') command.setOptionValueWithSource(name, value, fromFile)
}

/** The options that were given, on the command line by their flags or in a file by their names. */
export function givenFlags(command: Command): { readonly name: string; readonly flag: string }[] {
  const options = command.opts()
  return command.options.flatMap((one) => {
    const name = one.attributeName()
    const source = command.getOptionValueSource(name)
    // A switch's two flags share their name; the value says which one it was.
    const which = typeof options[name] !== 'boolean' || options[name] === !one.negate
    if (!which || (source !== 'cli' && source !== fromFile)) return []
    return [{ name, flag: source === fromFile ? name : one.long! }]
  })
}
