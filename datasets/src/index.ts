/** @file Small real data sets, each with its licence in NOTICE.md: `digits()` is MNIST, `table(name)` a CSV file. */
export { type Digits, type DigitsOptions, digits } from './digits.js'
export { type TableInfo, type TableName, table, tables } from './tables.js'
export type { Dataset, Samples } from './types.js'
