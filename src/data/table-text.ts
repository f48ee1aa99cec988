/**
 * @file What the text of a cell means: a number, a missing value, a category, a class.
 * In: the text of one cell. Out: what it stands for.
 *
 * isNumber('1e-3')            // true; '0x10', 'Infinity' and '1,234' are not numbers
 * classMatcher(['<=50K', '>50K'])('>50K.')   // 1
 */

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** Is this text a finite decimal number? Hexadecimal, 'Infinity', '1e999' and thousands separators are not. */
export function isNumber(text: string): boolean {
  return NUMBER.test(text) && Number.isFinite(Number(text))
}

/** The number that a text is, if `isNumber` says that it is one. */
export function numberOf(text: string): number | undefined {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

/** Text that stands for a missing value: nothing, ?, NA, N/A, NaN, null (in any case), or one of `extra` exactly. */
export function isMissing(text: string, extra: readonly string[]): boolean {
  if (text.length > 4) return extra.includes(text)
  switch (text.toLowerCase()) {
    case '':
    case '?':
    case 'na':
    case 'n/a':
    case 'nan':
    case 'null':
      return true
    default:
      return extra.includes(text)
  }
}

/** One spelling for each number ('3' for '3.0' and '+3'); other text as it is. */
export function canonical(text: string): string {
  return isNumber(text) ? String(Number(text)) : text
}

/** One spelling for each category: '3.0' is '3', so that files and objects agree; '007' stays, being a code. */
export function categoryText(text: string): string {
  return text.endsWith('0') && /^-?\d+\.0+$/.test(text) ? text.slice(0, text.indexOf('.')) : text
}

/**
 * Finds the label of a class text: as it stands, as a number ('1.0' is '1'), or without a closing full stop ('>50K.' is
 * '>50K', as adult.test has it). −1 when there is none.
 */
export function classMatcher(classes: readonly string[]): (text: string) => number {
  const labels = new Map(classes.map((name, label) => [name, label]))
  return (text) =>
    labels.get(text) ?? labels.get(canonical(text)) ?? (text.endsWith('.') ? (labels.get(text.slice(0, -1)) ?? -1) : -1)
}
