/**
 * @file What can be trained: one row a kind. The word after `gradus train` is a table, the word digits, ...; the first row that
 * says yes trains it. To add a kind, add a row, with the settings that it takes, before tables, which take what is left.
 */

import { imageSettings } from './image-settings.js'
import { digitsSettings, modelFileSettings, type Setting, settingsOfTables } from './settings.js'
import { languageSettings, textClassKindSettings } from './text-settings.js'
import { looksLikeTexts } from './text-table.js'
import type { DigitsCommand } from './train-digits.js'
import type { ImagesCommand } from './train-images.js'
import type { LanguageCommand } from './train-language.js'
import type { ModelFileCommand } from './train-model-file.js'
import type { TableCommand } from './train-table.js'
import type { TextClassCommand } from './train-texts.js'
import type { RunRecord, TrainedRun } from './trained.js'
import { oneOf } from './values.js'

/** A kind of training. */
export interface Kind {
  /** In messages: '--target is for tables, not for digits'. */
  readonly name: string
  /** What to write after `gradus train`, for its help. */
  readonly usage: string
  /** Whether `source`, the word after `train`, is of this kind. */
  readonly is: (source: string) => boolean | Promise<boolean>
  /** What it may be told besides the options of every run; others are refused. */
  readonly settings: readonly Setting[]
  /** Trains: `options` has settings and RunOptions, `words` is the command line. The exit code. */
  readonly train: (source: string, options: object, words: string) => Promise<number>
  /** Opens what it trained, for `gradus evaluate` and `export`; `record` is what run.json says. */
  readonly open?: (folder: string, record: RunRecord | undefined) => Promise<TrainedRun>
}

const digits: Kind = {
  name: 'digits',
  usage: 'digits [options]',
  is: (source) => source === 'digits',
  settings: digitsSettings,
  train: async (_, options, words) => (await import('./train-digits.js')).trainDigits(options as DigitsCommand, words),
  open: async (folder, record) => (await import('./open-model.js')).openMlp(folder, record),
}

const modelFiles: Kind = {
  name: 'models',
  usage: 'MODEL.ts [options]',
  is: (source) => /\.m?[tj]s$/.test(source),
  settings: modelFileSettings,
  train: async (source, options, words) =>
    (await import('./train-model-file.js')).trainModelFile(source, options as ModelFileCommand, words),
  open: async (folder, record) => (await import('./open-model-file.js')).openModelFile(folder, record),
}

const language: Kind = {
  name: 'language',
  usage: 'FILE.txt [options]',
  is: (source) => /\.(txt|md)(\.gz)?$/i.test(source) && !/^https?:/.test(source),
  settings: languageSettings,
  train: async (source, options, words) =>
    (await import('./train-language.js')).trainLanguage(source, options as LanguageCommand, words),
  open: async (folder, record) => (await import('./open-text.js')).openLanguage(folder, record),
}

const textClasses: Kind = {
  name: 'texts',
  usage: 'TEXTS.tsv [options]',
  is: looksLikeTexts,
  settings: textClassKindSettings,
  train: async (source, options, words) =>
    (await import('./train-texts.js')).trainTexts(source, options as TextClassCommand, words),
  open: async (folder, record) => (await import('./open-text.js')).openTexts(folder, record),
}

const images: Kind = {
  name: 'images',
  usage: 'FOLDER [options]',
  is: async (source) => (await import('./train-images.js')).isFolder(source),
  settings: imageSettings,
  train: async (source, options, words) =>
    (await import('./train-images.js')).trainOnImages(source, options as ImagesCommand, words),
  open: async (folder, record) => (await import('./open-images.js')).openImages(folder, record),
}

const tables: Kind = {
  name: 'tables',
  usage: 'FILE.csv --target COLUMN [options]',
  is: () => true,
  settings: settingsOfTables,
  train: async (source, options, words) =>
    (await import('./train-table.js')).trainOnTable(source, options as TableCommand, words),
  open: async (folder, record) => (await import('./open-model.js')).openMlp(folder, record),
}

/** In the order in which they are asked. */
export const kinds: readonly Kind[] = [digits, modelFiles, images, language, textClasses, tables]

/** The kind of what is to be trained. */
export async function kindOf(source: string): Promise<Kind> {
  for (const kind of kinds) if (await kind.is(source)) return kind
  return tables
}

/** The kind of this name. */
export const kindNamed = (name: string): Kind | undefined => kinds.find((kind) => kind.name === name)

/** Says what the name of a source does not. */
const kindSetting: Setting = {
  name: 'kind',
  flags: '--kind <name>',
  about: `what is to be trained, where its name does not say so: ${kinds.map(({ name }) => name).join(', ')}`,
  value: oneOf(...kinds.map(({ name }) => name)),
  group: 'Configuration:',
}

/** All settings of all kinds, each once. Those of tables come first: they have most. */
export const allSettings = (): readonly Setting[] => {
  const settings = [...kinds].reverse().flatMap((kind) => kind.settings)
  return [...new Map([...settings, kindSetting].map((one) => [one.name, one])).values()]
}
