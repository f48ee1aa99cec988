/** @file docs/files.md lists every operator that can be imported. `UPDATE_DOCS=1` writes the list. */
import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { importRules } from '../../src/io/onnx/import.js'

test('the list of operators is that of the rules', async () => {
  const file = new URL('../../docs/files.md', import.meta.url)
  const [before] = (await readFile(file, 'utf8')).split('<!-- operators -->\n')
  const names = Object.keys(importRules).sort()
  const lines = [['']]
  for (const name of names) {
    if (lines[lines.length - 1]!.join(' ').length + name.length > 130) lines.push([])
    lines[lines.length - 1]!.push(name)
  }
  const list = lines.map((line) => line.join(' ').trim()).join('\n')
  const wanted = `${before}<!-- operators -->\n${list}\n`
  if (process.env['UPDATE_DOCS']) await writeFile(file, wanted)
  expect(await readFile(file, 'utf8')).toBe(wanted)
})
