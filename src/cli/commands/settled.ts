/**
 * @file What a command of training was told, all in all: flags, and behind them a configuration file. In: the command, its argument. Out:
 * what is trained, and its options; or wrong usage.
 */
import type { Command } from 'commander'
import { readConfiguration } from '../configuration.js'
import { allSettings, type Kind, kinds } from '../kinds.js'
import type { RunOptions } from '../run.js'
import { fromConfiguration, givenFlags } from '../verb.js'

/** Reads the file of --config, and checks what concerns all kinds. `named` is the kind that was given by its name. */
export async function settled(
  command: Command,
  given: string | undefined,
): Promise<{
  readonly source: string
  readonly options: RunOptions & { readonly [name: string]: unknown }
  readonly named: string | undefined
}> {
  const { config } = command.opts<{ config?: string }>()
  const settings = config === undefined ? {} : await readConfiguration(config, allSettings())
  const source = given ?? settings.train
  if (source === undefined)
    command.error(
      'error: what to train is not said: give a table, a text, a folder of images, a model file, the word digits, or --config FILE with "train" in it',
    )
  fromConfiguration(command, settings)
  const { config: _, train: _1, kind: named, ...options } = command.opts<RunOptions & { [name: string]: unknown }>()
  if (options.resume && options.output === undefined)
    command.error('error: --resume needs --output FOLDER: where to go on, or to begin')
  return { source, options, named: named as string | undefined }
}

/** Settings of other kinds would do nothing here. */
export function refuseOthers(command: Command, kind: Kind, source: string): void {
  const has = (one: Kind, name: string) => one.settings.some((setting) => setting.name === name)
  const others = (name: string) => kinds.filter((one) => one !== kind && has(one, name))
  const foreign = givenFlags(command).filter(({ name }) => !has(kind, name) && others(name).length > 0)
  if (foreign.length === 0) return
  const [first] = foreign
  const whose = others(first!.name).map((one) => one.name)
  const flags = foreign.map(({ flag }) => flag).join(', ')
  const word = source === kind.name ? ` (for a file of that name: ./${source})` : ''
  command.error(
    `error: ${flags} ${foreign.length > 1 ? 'are' : 'is'} for ${whose.join(' and ')}, not for ${kind.name}${word}`,
  )
}
