/**
 * @file What may be said of a text of separated values. In: nothing. Out: the options' type and names.
 *
 * const options: CsvOptions = { separator: ';', columns: ['a', 'b'] }
 */

/** What is known of a file of separated values; what is left out is found out. */
export interface CsvOptions {
  /** Found out when left out: one of , ; tab | */
  readonly separator?: string
  /**
   * Does the first line hold the names? true when neither this nor `columns` is given. With `columns`: true skips the
   * first line, false keeps it as data, left out lets the file decide.
   */
  readonly header?: boolean
  /** Names of the columns, for files that have none. */
  readonly columns?: readonly string[]
  /** The file's name, for messages. */
  readonly source?: string
}

/** The names of these options. */
export const csvOptionNames = ['separator', 'header', 'columns', 'source'] as const
