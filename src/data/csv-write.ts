/**
 * @file Separated values as text, which `parseCsv` reads again to the letter. In: names and columns. Out: text (RFC 4180, lines end in \n).
 *
 * formatCsv({ names: ['a', 'b'], columns: [['1'], ['say "hi"']] })          // 'a,b\n1,"say ""hi"""\n'
 */
import { ShapeError, ValueError } from '../base/errors.js'

/** Of `formatCsv`: a `Table`, or as much of one. */
export interface TextColumns {
  readonly names: readonly string[]
  readonly columns: readonly (readonly string[])[]
}

/**
 * Writes a header and a line for each row; a field is quoted where it must be. Throws ShapeError for columns of unequal lengths,
 * ValueError for names that a reader would refuse.
 */
export function formatCsv({ names, columns }: TextColumns, separator = ','): string {
  const rows = columns[0]?.length ?? 0
  if (names.length !== columns.length || names.length === 0)
    throw new ShapeError('formatCsv', `there are ${names.length} names for ${columns.length} columns`)
  const uneven = columns.findIndex((column) => column.length !== rows)
  if (uneven >= 0)
    throw new ShapeError('formatCsv', `'${names[uneven]}' has ${columns[uneven]!.length} rows, '${names[0]}' ${rows}`)
  if (new Set(names).size !== names.length) throw new ValueError('formatCsv', 'a name occurs twice')
  const line = (fields: readonly string[]) => `${fields.map((text) => csvField(text, separator)).join(separator)}\n`
  let text = line(names)
  for (let row = 0; row < rows; row++) text += line(columns.map((column) => column[row]!))
  return text
}

/** A field as it is written: quoted if it is empty, or has what would be read otherwise. */
export const csvField = (text: string, separator = ','): string =>
  text === '' || text.includes(separator) || /["\n\r]|^\s|\s$|^\uFEFF/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text
