/**
 * @file Tables of texts and classes: what they look like, and how they are read. In: a file. Out: whether it is one; its texts and classes.
 *
 * await looksLikeTexts('SMSSpamCollection')                    // true: one column of sentences, one of a few words that come again
 */
import { ValueError } from '../base/errors.js'
import type { CsvOptions } from '../data/csv.js'
import { column, type Table } from '../data/table.js'
import { readTable } from '../data/table-file.js'
import { isNumber } from '../data/table-text.js'
import { textLines } from '../io/lines.js'

/** Texts, and the class of each. */
export interface TextTable {
  readonly texts: readonly string[]
  readonly labels: readonly string[]
  readonly text: string
  readonly target: string
  /** What was guessed. */
  readonly notes: readonly string[]
}

/** Lines that are looked at to find out what a file is. */
const looked = 200

/** Whether a file has two columns: texts, and a few classes. Never throws. */
export async function looksLikeTexts(file: string): Promise<boolean> {
  try {
    const lines: string[] = []
    for await (const line of textLines(file)) {
      if (line.trim() !== '') lines.push(line)
      if (lines.length === looked) break
    }
    const rows = lines.map((line) => line.split('\t'))
    if (rows.length < 4 || rows.some((row) => row.length !== 2)) return false
    return rolesOf([0, 1].map((c) => rows.map((row) => row[c]!))) !== undefined
  } catch {
    return false
  }
}

/** Which of two columns has texts and which classes, if that is what they are. */
function rolesOf(columns: readonly (readonly string[])[]): { text: number; target: number } | undefined {
  const isText = (cells: readonly string[]) =>
    cells.filter((cell) => cell.trim().split(/\s+/).length >= 4).length > cells.length / 2 &&
    new Set(cells).size > cells.length / 2
  const text = columns.findIndex(isText)
  if (text < 0) return undefined
  const target = columns.findIndex((cells, c) => c !== text && areClasses(cells))
  return target < 0 ? undefined : { text, target }
}

/** A few words that come again and again; a first line of names is no exception. */
function areClasses(cells: readonly string[]): boolean {
  const rest = cells.slice(1)
  const different = new Set(rest)
  return different.size >= 2 && different.size <= Math.max(2, rest.length / 4) && !rest.every(isNumber)
}

/**
 * Reads a table of texts. A file of two columns with a tab between them is taken as it stands, quotes and all, since that is how texts are
 * written there; others as tables are. Throws ValueError where the columns are not told apart.
 */
export async function readTextTable(
  file: string,
  given: CsvOptions & { readonly target?: string; readonly text?: string },
): Promise<TextTable> {
  const { target, text, ...csv } = given
  const table = (await tabbed(file, csv)) ?? (await readTable(file, csv))
  const notes = [...table.notes]
  if (table.names.length < 2)
    throw new ValueError('train', `${file} has one column, not texts and classes`, {
      hint: 'To learn to go on with a text: --kind language.',
    })
  const roles = rolesOf(table.columns)
  const textName = text ?? (roles && table.names[roles.text] !== target ? table.names[roles.text] : undefined)
  if (textName === undefined)
    throw new ValueError('train', `which column of ${file} has the texts is not clear`, {
      hint: `Give --text COLUMN. The columns are: ${table.names.join(', ')}.`,
    })
  const others = table.names.filter((name) => name !== textName)
  const targetName = target ?? (others.length === 1 ? others[0]! : roles && table.names[roles.target])
  if (targetName === undefined || targetName === textName)
    throw new ValueError('train', `which column of ${file} has the classes is not said`, {
      hint: `Give --target COLUMN. The columns are: ${table.names.join(', ')}.`,
    })
  const unused = others.filter((name) => name !== targetName)
  if (unused.length > 0) notes.push(`Not used: ${unused.join(', ')}. A network of texts looks at ${textName} only.`)
  return {
    texts: column(table, textName, 'train'),
    labels: column(table, targetName, 'train'),
    text: textName,
    target: targetName,
    notes,
  }
}

/** A file in which each line has one tab; undefined where it is another. */
async function tabbed(file: string, { columns, header, separator }: CsvOptions): Promise<Table | undefined> {
  if (separator !== undefined && separator !== '\t') return undefined
  const cells: [string[], string[]] = [[], []]
  const lines: number[] = []
  let number = 0
  for await (const line of textLines(file)) {
    number++
    if (line.trim() === '') continue
    const row = line.split('\t')
    if (row.length !== 2) return undefined
    lines.push(number)
    row.forEach((cell, c) => void cells[c]!.push(cell.trim()))
  }
  if (lines.length < 2) return undefined
  const notes: string[] = []
  const roles = rolesOf(cells)
  // A first line of names has a name where classes stand, which never comes again.
  const named = header ?? (roles !== undefined && !cells[roles.target]!.slice(1).includes(cells[roles.target]![0]!))
  let names = columns
  if (named) {
    const first = cells.map((list) => list.shift()!)
    lines.shift()
    names ??= first
  } else if (!names) {
    names = roles ? [0, 1].map((c) => (c === roles.text ? 'text' : 'label')) : ['column1', 'column2']
    notes.push(`The first line is data; the columns are called ${names.join(' and ')} (--columns, --header).`)
  }
  if (names.length !== 2)
    throw new ValueError('train', `${file} has 2 columns, but ${names.length} names are given: ${names.join(', ')}`)
  return { names, columns: cells, rows: lines.length, notes, source: file, lines }
}
