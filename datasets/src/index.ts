/**
 * @file Small real data sets, each with its licence in NOTICE.md: `digits()` is MNIST, `table(name)` a CSV file; texts
 * (`tinyShakespeare`, `names`, `smsSpam`) and series (`sunspots`, `co2`).
 */
export { type Digits, type DigitsOptions, digits } from './digits.js'
export { type CarbonDioxide, co2, type Sunspots, sunspots } from './series.js'
export { type TableInfo, type TableName, table, tables } from './tables.js'
export {
  type Alphabet,
  type Message,
  type Names,
  names,
  smsSpam,
  type TinyShakespeare,
  tinyShakespeare,
} from './texts.js'
export type { Dataset, Samples } from './types.js'
