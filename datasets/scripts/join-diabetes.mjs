/**
 * @file Joins the two files of the diabetes data (ten raw measures; the target) into one CSV with a header.
 * In: unpublished/diabetes/diabetes_data_raw.csv.gz and diabetes_target.csv.gz. Out: unpublished/diabetes/diabetes.csv.
 *
 * node datasets/scripts/join-diabetes.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const folder = new URL('../unpublished/diabetes/', import.meta.url)
const lines = (name) =>
  gunzipSync(readFileSync(new URL(name, folder)))
    .toString('utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')

const names = ['age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6', 'progression']
const measures = lines('diabetes_data_raw.csv.gz')
const targets = lines('diabetes_target.csv.gz')
if (measures.length !== 442 || targets.length !== 442)
  throw new Error(`expected 442 lines in both files, got ${measures.length} and ${targets.length}`)

const rows = measures.map((line, row) => {
  const fields = [...line.trim().split(/\s+/), String(Number(targets[row]))]
  if (fields.length !== names.length || fields.some((field) => !Number.isFinite(Number(field))))
    throw new Error(`line ${row + 1}: expected ${names.length} numbers, got ${fields.join(' ')}`)
  return fields.join(',')
})
writeFileSync(new URL('diabetes.csv', folder), `${[names.join(','), ...rows].join('\n')}\n`)
console.log(`diabetes.csv: ${rows.length} rows`)
