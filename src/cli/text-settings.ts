/**
 * @file What a training on texts may be told: rows of settings, as settings.ts has them for tables. In: nothing. Out: rows.
 */
import { readingSettings, type Setting, tableSettingRows, trainingSettings } from './settings.js'
import * as values from './values.js'

const row = (group: string, name: string, flags: string, about: string, value: values.Value): Setting => ({
  name,
  flags,
  about,
  value,
  group,
})

const shared = (...names: readonly string[]) => trainingSettings.filter(({ name }) => names.includes(name))

/** Of language models. */
export const languageSettings: readonly Setting[] = [
  row(
    'The text:',
    'tokens',
    '--tokens <kind>',
    "characters (the default), bytes, or a tokenizer.json of Hugging Face's format",
    values.text,
  ),
  row('The text:', 'context', '--context <n>', 'tokens that the network reads at once', values.wholeNumber(1, 65_536)),
  row('The text:', 'prompt', '--prompt <text>', 'what the sample of its writing begins with', values.text),
  row(
    'The text:',
    'sample',
    '--sample <n>',
    'how many tokens it writes in the end; 0 for none',
    values.wholeNumber(0, 1e6),
  ),
  row('The network:', 'network', '--network <name>', 'gru (the default), gpt', values.oneOf('gru', 'gpt')),
  row('The network:', 'width', '--width <n>', 'width of the network', values.wholeNumber(1, 65_536)),
  row('The network:', 'layers', '--layers <n>', 'how many blocks or recurrent layers', values.wholeNumber(1, 1000)),
  row('The network:', 'heads', '--heads <n>', 'heads of attention', values.wholeNumber(1, 1000)),
  row(
    'The network:',
    'dropout',
    '--dropout <share>',
    'share of the activations left out in a step',
    values.probability,
  ),
  row('Training:', 'steps', '--steps <n>', 'how many steps; instead of --epochs', values.wholeNumber(1)),
  ...shared('optimizer', 'learningRate', 'batchSize', 'epochs', 'weightDecay', 'patience', 'seed'),
]

/** How a table of texts is read and learned. */
export const textColumnSetting = row(
  'The table:',
  'text',
  '--text <column>',
  'the column of texts, where it is not found out',
  values.text,
)

/** Of classifiers of texts, besides how the table is read. */
export const textClassSettings: readonly Setting[] = [
  textColumnSetting,
  row('The network:', 'width', '--width <n>', 'width of the network', values.wholeNumber(1, 65_536)),
  row('The network:', 'rows', '--rows <n>', 'rows of the table of hashed words', values.wholeNumber(2, 2 ** 26)),
  row('The network:', 'words', '--words <n>', 'words of a text that are looked at', values.wholeNumber(1, 65_536)),
  row(
    'The network:',
    'neighbours',
    '--neighbours <n>',
    '2: pairs of words count as words too',
    values.wholeNumber(1, 5),
  ),
  row(
    'The network:',
    'dropout',
    '--dropout <share>',
    'share of the activations left out in a step',
    values.probability,
  ),
  ...shared('optimizer', 'learningRate', 'batchSize', 'epochs', 'weightDecay', 'patience', 'seed'),
]

/** Of classifiers of texts. */
export const textClassKindSettings: readonly Setting[] = [
  ...tableSettingRows.filter(({ name }) => name === 'target'),
  ...readingSettings,
  ...textClassSettings,
]
