/**
 * @file Configuration files: their schema is that of the flags; what is wrong names file, key and cure; the run.json of a run makes
 * the same run again. Needs `npm run build`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { configurationSchema, readConfiguration } from '../../src/cli/configuration.js'
import { allSettings } from '../../src/cli/kinds.js'
import { accepts, type Schema } from '../../src/cli/schema.js'
import { parserOf } from '../../src/cli/values.js'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-configuration-'))
afterAll(() => rmSync(folder, { recursive: true }))
const rows = Array.from({ length: 80 }, (_, i) => [Math.sin(i), Math.cos(3 * i), Math.sin(i) > 0 ? 'yes' : 'no'])
writeFileSync(join(folder, 'points.csv'), ['a,b,c', ...rows.map((row) => row.join(','))].join('\n'))
const file = (name: string, content: unknown) => {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  return name
}
const gradus = (...args: string[]) =>
  spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })

test('the schema that the package has is made of the settings (vitest -u writes it)', async () => {
  const schema = `${JSON.stringify(configurationSchema(allSettings()), undefined, 2)}\n`
  await expect(schema).toMatchFileSnapshot('../../schema/train.json')
})

test('what a flag takes, its schema takes; what a schema refuses, the flag refuses', () => {
  const texts = ['0', '1', '0.5', '-1', '1e-3', 'full', 'none', '64,32', '0.5,2', 'relu', 'a,b', '', ' ', 'x', 'NaN']
  let [taken, refused] = [0, 0]
  for (const { name, value } of allSettings())
    for (const text of texts) {
      if (value.schema.type === 'boolean') continue
      let parsed: unknown
      try {
        parsed = parserOf(value)(text)
      } catch (error) {
        refused++
        expect((error as Error).message).toContain('It must be')
        continue
      }
      taken++
      expect([name, text, accepts(value.schema, JSON.parse(JSON.stringify(parsed)))]).toEqual([name, text, true])
    }
  expect(taken).toBeGreaterThan(50)
  expect(refused).toBeGreaterThan(50)
})

test.each<[Schema, unknown[], unknown[]]>([
  [{ type: 'integer', minimum: 1 }, [1, 7], [0, 1.5, '1', null, Number.NaN]],
  [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, [0.5], [0, 1, '0.5']],
  [{ type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 }, [['a']], [[], [''], 'a', [1]]],
  [{ anyOf: [{ type: 'integer' }, { const: 'full' }] }, [3, 'full'], ['all', 0.5]],
  [{ type: 'string', maxLength: 1 }, ['a', '😀', ''], ['ab']],
  [{ type: 'object' }, [{}], [[], null, 3]],
])('%o', (schema, good, bad) => {
  for (const value of good) expect(accepts(schema, value)).toBe(true)
  for (const value of bad) expect(accepts(schema, value)).toBe(false)
})

test('settings of a file, of the command line, and of a run: the same bits', async () => {
  file('train.json', {
    $schema: 'x',
    train: 'points.csv',
    target: 'c',
    hidden: [8],
    epochs: 4,
    ensemble: 1,
    output: 'one',
  })
  expect(await readConfiguration(join(folder, 'train.json'), allSettings())).not.toHaveProperty('$schema')
  const made = gradus('train', '--config', 'train.json', '--seed', '5', '--quiet')
  expect([made.stderr, made.stdout, made.status]).toEqual(['', 'one\n', 0])
  const record = JSON.parse(readFileSync(join(folder, 'one/run.json'), 'utf8'))
  expect(record).toMatchObject({ format: 1, name: 'one', configuration: { train: 'points.csv', hidden: [8], seed: 5 } })
  const again = gradus('train', '--config', 'one/run.json', '-o', 'two', '--quiet')
  expect([again.stderr, again.status]).toEqual(['', 0])
  const weights = (run: string) => readFileSync(join(folder, run, 'weights.safetensors'))
  expect(weights('two').equals(weights('one'))).toBe(true)
  expect(JSON.parse(readFileSync(join(folder, 'two/run.json'), 'utf8')).configuration).toEqual(record.configuration)
  // The command line wins.
  gradus('train', 'points.csv', '--config', 'train.json', '-o', 'three', '--hidden', '4', '--quiet')
  expect(JSON.parse(readFileSync(join(folder, 'three/run.json'), 'utf8')).configuration.hidden).toEqual([4])
})

test.each<[content: unknown, message: RegExp]>([
  [{ train: 'points.csv', learning_rate: 1 }, /wrong\.json: learning_rate is no setting; did you mean learningRate\?/],
  [{ train: 'points.csv', hidden: [8, 0.5] }, /wrong\.json: hidden\[1\] is 0\.5\. It must be a list of sizes/],
  [{ train: 'points.csv', epochs: '4' }, /epochs is "4"\. It must be a whole number of 1 or more/],
  [{ train: 'points.csv', optimizer: 'adm' }, /optimizer is "adm"\. Did you mean adam\?/],
  [{ train: 'points.csv', batchSize: 'all' }, /batchSize is "all"\. It must be a whole number above 0, or 'full'/],
  [{ train: 'points.csv', separator: 'tab' }, /separator is "tab"\. It must be one character/],
  [{ train: 'a.ts', parameters: { width: null } }, /parameters is {"width":null}\. It must be an object/],
  [{ format: 1, configuration: { train: 3 } }, /configuration\.train is 3\. It must be a text/],
  [{ format: 1, configuration: [] }, /configuration is no object/],
  [[1], /it is an array, not an object/],
  ['{ "train": "points.csv",\n  "epochs": 3, }', /wrong\.json is not JSON, at line 2, column 16/],
  ['', /wrong\.json is not JSON/],
])('wrong: %j', async (content, message) => {
  await expect(readConfiguration(join(folder, file('wrong.json', content)), allSettings())).rejects.toThrow(message)
})

test.each<[content: object, code: number, message: RegExp]>([
  [{ train: 'digits', target: 'c' }, 2, /target is for .*tables, not for digits/],
  [{ epochs: 3 }, 2, /what to train is not said/],
  [
    { train: 'points.csv', epochs: 0 },
    2,
    /^gradus: wrong\.json: epochs is 0\. It must be a whole number of 1 or more\.\n$/,
  ],
  [{ train: 'points.csv', kind: 'digits', target: 'c' }, 2, /target is for .*tables, not for digits/],
])('wrong, as a command: %j', (content, code, message) => {
  const { status, stderr, stdout } = gradus('train', '--config', file('wrong.json', content))
  expect(stderr).toMatch(message)
  expect([status, stdout]).toEqual([code, ''])
})
