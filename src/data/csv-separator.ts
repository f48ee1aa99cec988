/**
 * @file What stands between the fields of a text. In: the beginning of a file. Out: one of , ; tab |
 *
 * findSeparator('a;b\n1,5;2\n')          // ';'
 */

const SEPARATORS = [',', ';', '\t', '|'] as const
export const separatorNames: Record<string, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' }

/**
 * The separator that divides the first 100 lines most evenly: the largest share of lines with the same count of
 * fields (more than one); among equals the one with more fields.
 */
export function findSeparator(text: string): (typeof SEPARATORS)[number] {
  const sample = sampleLines(text)
  let best: (typeof SEPARATORS)[number] = ','
  let bestScore = 0
  for (const separator of SEPARATORS) {
    const counts = new Map<number, number>()
    for (const line of sample) {
      const fields = countFields(line, separator)
      if (fields > 1) counts.set(fields, (counts.get(fields) ?? 0) + 1)
    }
    for (const [fields, count] of counts) {
      const score = count / sample.length + Math.min(fields, 1000) * 1e-6
      if (score > bestScore) {
        best = separator
        bestScore = score
      }
    }
  }
  return best
}

/** Up to 100 lines that are not empty, cut outside quotes. */
function sampleLines(text: string): string[] {
  const lines: string[] = []
  let start = 0
  let quoted = false
  const limit = Math.min(text.length, 1 << 18)
  for (let i = 0; i <= limit && lines.length < 100; i++) {
    if (text[i] === '"') quoted = !quoted
    if (i === text.length || (text[i] === '\n' && !quoted)) {
      const line = text.slice(start, i).trim()
      if (line !== '') lines.push(line)
      start = i + 1
    }
  }
  if (lines.length === 0) lines.push(text.slice(0, limit))
  return lines
}

function countFields(line: string, separator: string): number {
  let fields = 1
  let quoted = false
  for (const character of line) {
    if (character === '"') quoted = !quoted
    else if (character === separator && !quoted) fields++
  }
  return fields
}
