/**
 * @file The names of columns from a .names file, which the tables of the UCI repository have beside their .data (the format of C4.5):
 * comments after |, the classes, then a line 'name: continuous.' or 'name: value, value.' for each attribute; the class is the last
 * field of a row and has no name. In: text. Out: names of the attributes.
 *
 * attributeNames('>50K, <=50K.\n\nage: continuous.\nsex: Female, Male.')          // ['age', 'sex']
 */

/** Empty where the text is no such file. */
export function attributeNames(text: string): string[] {
  const names: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^([^|:,]+):\s*[^\s|][^|]*$/.exec(line.replace(/\|.*/, '').trimEnd()) ?? []
    if (name !== undefined) names.push(name.trim())
  }
  return new Set(names).size === names.length ? names : []
}

/** The .names file that belongs to a table: adult.names for adult.data, adult.test, adult.csv.gz. */
export const namesFileOf = (path: string): string => path.replace(/(\.(csv|tsv|txt|data|test|gz))+$/i, '') + '.names'
