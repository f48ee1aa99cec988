/** The built command line as a child process: what it writes, what it says when something is wrong, its exit codes. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const tables = fileURLToPath(new URL('../../datasets/data', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-cli-'))
const quick = ['--epochs', '3', '--ensemble', '1', '--no-progress']

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs gradus in the test's folder. */
function gradus(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1', ...variables },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => {
      out += data
    })
    child.stderr.on('data', (data) => {
      err += data
    })
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return name
}
const lines = (text: string) => text.trim().split('\n')
const files = (path: string) => readdirSync(join(folder, path)).sort()
const runFiles = [
  'events.jsonl',
  'history.jsonl',
  'learning-curve.svg',
  'model.json',
  'run.json',
  'summary.md',
  'weights.safetensors',
]

/** 60 rows: the class is the sign of a − b, with a column of text and one of identifiers. */
function classTable(): string {
  const rows = Array.from({ length: 60 }, (_, i) => {
    const [a, b] = [Math.sin(i * 1.7), Math.cos(i * 2.3)]
    return `row${i},${a.toFixed(4)},${b.toFixed(4)},${i % 3 === 0 ? 'red' : 'blue'},${a > b ? 'yes' : 'no'}`
  })
  return `id,a,b,color,answer\n${rows.join('\n')}\n`
}
function numberTable(header = true): string {
  const rows = Array.from({ length: 60 }, (_, i) => {
    const [a, b] = [Math.sin(i * 1.7), Math.cos(i * 2.3)]
    return `${a.toFixed(4)},${b.toFixed(4)},${(1000 + 50 * a - 20 * b).toFixed(2)}`
  })
  return `${header ? 'a,b,price\n' : ''}${rows.join('\n')}\n`
}

beforeAll(() => {
  if (!existsSync(main)) throw new Error('dist/cli/main.js is not there: npm run build')
  file('class.csv', classTable())
  file('number.csv', numberTable())
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('train, predict, inspect', () => {
  test('a classification: guesses, says so, writes a whole folder, never overwrites; predict and inspect read it', async () => {
    const train = () => gradus(['train', 'class.csv', '--target', 'answer', '--no-progress', '--seed', '3'])
    const first = await train()
    expect(first.err).toMatch(/^$/)
    expect(first.code).toBe(0)
    expect(first.out).toContain('id (--keep COLUMN to use it)')
    expect(first.out).toContain('2 classes: no, yes')
    expect(first.out).toMatch(/AUC +(0\.\d+|1\.000) +0\.5/)
    expect(first.out).toMatch(/accuracy +\d+\.\d\d % +\d+\.\d\d %/)
    expect(first.out).toContain('true \\ taken for')
    const [folderLine, nextLine] = lines(first.out).slice(-2)
    expect(folderLine).toBe('Folder    runs/class-001')
    expect(nextLine).toMatch(/^Next {6}.* predict runs\/class-001 class\.csv$/)
    expect(files('runs/class-001')).toEqual(runFiles)

    const before = readFileSync(join(folder, 'runs/class-001/weights.safetensors'))
    const second = await train()
    expect(lines(second.out).at(-2)).toBe('Folder    runs/class-002')
    // The same seed gives the same bits.
    expect(readFileSync(join(folder, 'runs/class-002/weights.safetensors')).equals(before)).toBe(true)

    const history = lines(readFileSync(join(folder, 'runs/class-001/history.jsonl'), 'utf8')).map((l) => JSON.parse(l))
    expect(new Set(history.map((epoch) => epoch.member))).toEqual(new Set([1, 2, 3, 4]))
    expect(history[0]).toMatchObject({ member: 1, epoch: 1, train: { loss: expect.any(Number) } })
    const summary = readFileSync(join(folder, 'runs/class-001/summary.md'), 'utf8')
    for (const text of ['gradus train class.csv --target answer', '| accuracy |', 'Which columns matter', '| AUC |'])
      expect(summary).toContain(text)
    expect(readFileSync(join(folder, 'runs/class-001/learning-curve.svg'), 'utf8')).toContain('<svg')

    const predicted = await gradus(['predict', 'runs/class-001', 'class.csv'])
    expect(predicted.code).toBe(0)
    const [head, ...rows] = lines(predicted.out)
    expect(head).toBe('prediction,probability of no,probability of yes')
    expect(rows).toHaveLength(60)
    const truth = lines(classTable())
      .slice(1)
      .map((row) => row.split(',')[4])
    let right = 0
    rows.forEach((row, i) => {
      const [name, no, yes] = row.split(',')
      expect(Number(no) + Number(yes)).toBeCloseTo(1, 5)
      expect(name).toBe(Number(no) > Number(yes) ? 'no' : 'yes')
      if (name === truth[i]) right++
    })
    expect(right).toBeGreaterThan(54)

    // Without the target and the unused column, in another order; into a file.
    const other = lines(classTable())
      .map((row) => row.split(','))
      .map(([, a, b, color]) => [color, b, a].join(','))
    file('new.csv', `${other.join('\n')}\n`)
    const written = await gradus(['predict', 'runs/class-001', 'new.csv', '--output', 'predictions.csv'])
    expect([written.code, written.out]).toEqual([0, ''])
    expect(readFileSync(join(folder, 'predictions.csv'), 'utf8')).toBe(predicted.out)

    const inspected = await gradus(['inspect', 'runs/class-001'])
    expect(inspected.code).toBe(0)
    for (const text of ['linear(', 'color', 'one-hot', 'accuracy', 'validation loss', 'the mean of 4'])
      expect(inspected.out).toContain(text)
    const json = JSON.parse((await gradus(['inspect', 'runs/class-001', '--json'])).out)
    expect(json).toMatchObject({ task: 'classification', network: { members: 4 }, training: { target: 'answer' } })
    expect(json.history).toHaveLength(history.length)
  })

  test('a regression, as JSON: one object, R² and errors in the units of the target beside a constant', async () => {
    const { code, out } = await gradus(['train', 'number.csv', '-t', 'price', '--json', '--no-progress'])
    expect(code).toBe(0)
    expect(lines(out)).toHaveLength(1)
    const result = JSON.parse(out)
    expect(result).toMatchObject({ folder: 'runs/number-001', task: 'regression', rows: { train: 36, test: 12 } })
    expect(result.test.r2).toBeGreaterThan(0.9)
    expect(result.test.rmse).toBeLessThan(0.4 * result.test.baseline.rmse)
    expect(result.test.baseline.rmse).toBeGreaterThan(10)
    expect(result.importance[0].column).toBe('a')
    const { out: csv } = await gradus(['predict', result.folder, 'number.csv'])
    expect(Math.abs(Number(lines(csv)[1]) - 980)).toBeLessThan(30)
    const { predictions } = JSON.parse((await gradus(['predict', result.folder, 'number.csv', '--json'])).out)
    expect(predictions).toHaveLength(60)
    expect(predictions[0]).toBeCloseTo(Number(lines(csv)[1]), 2)
  })

  test('options reach the training; a file without header; --test; a linear model; --quiet', async () => {
    file('bare.csv', numberTable(false))
    const options = '--hidden none --optimizer sgd --learning-rate 0.05 --batch-size full --weight-decay 0 --loss huber'
    const args = [
      'train',
      'bare.csv',
      '--no-header',
      '--target',
      'column3',
      '--test',
      'bare.csv',
      ...options.split(' '),
    ]
    const { code, out } = await gradus([...args, ...quick, '--json', '--output', 'bare-model'])
    expect(code).toBe(0)
    const result = JSON.parse(out)
    expect(result.settings).toMatchObject({
      optimizer: 'sgd',
      learningRate: 0.05,
      batchSize: 'full',
      loss: 'huber',
      epochs: 3,
    })
    expect(result.rows).toEqual({ train: 48, validation: 12, test: 60 })
    expect(result.parameters).toBe(3)
    const quiet = await gradus(['train', 'class.csv', '--target', 'answer', ...quick, '-q', '--output', 'quiet'])
    expect([quiet.code, quiet.out, quiet.err]).toEqual([0, 'quiet\n', ''])
    const named = await gradus(['predict', 'bare-model', 'number.csv', '--columns', 'column1,column2,column3'])
    expect(lines(named.out)).toHaveLength(61)
  })

  test('a table of the repository with its own test file, columns named on the command line', async () => {
    cpSync(join(tables, 'iris/iris.csv'), join(folder, 'iris.csv'))
    const columns = 'sepal_length,sepal_width,petal_length,petal_width,species'
    const { code, out } = await gradus([
      'train',
      'iris.csv',
      '--columns',
      columns,
      '--target',
      'species',
      '--no-progress',
    ])
    expect(code).toBe(0)
    expect(out).toContain('The first line was skipped')
    expect(lines(out).at(-1)).toContain(`--columns ${columns}`)
    expect(Number(/accuracy +(\d+\.\d+) %/.exec(out)![1])).toBeGreaterThan(85)
  })
})

test('digits: a small network learns in one epoch, and the folder opens', async () => {
  const settings = [
    '--epochs',
    '1',
    '--hidden',
    '32',
    '--batch-size',
    '100',
    '--learning-rate',
    '0.005',
    '--no-progress',
  ]
  const { code, out } = await gradus(['train', 'digits', ...settings])
  expect(code).toBe(0)
  for (const text of ['50,000 to learn from', 'linear(784, 32)', '1 epoch in', 'taken for']) expect(out).toContain(text)
  expect(Number(/(\d+\.\d+) % of the 10,000 test images/.exec(out.replace(/ +/g, ' '))![1])).toBeGreaterThan(88)
  expect(lines(out).at(-2)).toMatch(/^Folder +runs\/digits-001$/)
  expect(files('runs/digits-001')).toEqual([...runFiles, 'pictures'].sort())
  const inspected = JSON.parse((await gradus(['inspect', 'runs/digits-001', '--json'])).out)
  expect(inspected).toMatchObject({
    network: { inputs: [28, 28], hidden: [32] },
    training: { samples: { test: 10_000 } },
  })
  const pixels = Array.from({ length: 784 }, (_, i) => `p${i}`).join()
  file('image.csv', `${pixels}\n${new Array(784).fill(0).join()}\n`)
  expect(lines((await gradus(['predict', 'runs/digits-001', 'image.csv'])).out)[1]!.split(',')).toHaveLength(11)
})

describe('what is wrong is said, with an exit code, and nothing is left behind', () => {
  const failing: readonly [what: string, args: string[], code: number, message: RegExp, content?: [string, string]][] =
    [
      ['a missing file', ['train', 'none.csv', '-t', 'x'], 1, /there is no file none\.csv/],
      ['an empty file', ['train', 'empty.csv', '-t', 'x'], 1, /empty\.csv is empty/, ['empty.csv', '']],
      ['a header alone', ['train', 'head.csv', '-t', 'a'], 1, /header but no rows/, ['head.csv', 'a,b\n']],
      [
        'a ragged row',
        ['train', 'ragged.csv', '-t', 'a'],
        1,
        /row 2 \(line 3\) has 3 fields, expected 2/,
        ['ragged.csv', 'a,b\n1,2\n1,2,3\n'],
      ],
      [
        'text among numbers',
        ['train', 'stray.csv', '-t', 'price'],
        1,
        /'oops' in row 61 \(line 62\), column 'a' is not a finite number.*--missing/,
        ['stray.csv', `${numberTable()}oops,1,1000\n`],
      ],
      ['an unknown target', ['train', 'class.csv', '-t', 'anwser'], 1, /no column 'anwser'; did you mean 'answer'/],
      ['no target', ['train', 'class.csv'], 1, /--target COLUMN.*id, a, b, color, answer/s],
      [
        'a single class',
        ['train', 'one.csv', '-t', 'c'],
        1,
        /a single class, 'x'/,
        ['one.csv', `a,c\n${'1,x\n2,x\n3,x\n'.repeat(9)}`],
      ],
      [
        'a target that is missing throughout',
        ['train', 'nan.csv', '-t', 'c'],
        1,
        /every value of the target 'c' is missing/,
        ['nan.csv', `a,c\n${'1,NaN\n2,nan\n'.repeat(9)}`],
      ],
      [
        'a class of the test file that was never seen',
        ['train', 'class.csv', '-t', 'answer', '--test', 'strange.csv'],
        1,
        /'maybe' in row 1 \(line 2\), column 'answer' is not a class/,
        ['strange.csv', 'id,a,b,color,answer\nx,1,2,red,maybe\n'],
      ],
      [
        'an output folder in use',
        ['train', 'class.csv', '-t', 'answer', '-o', 'used', ...quick],
        1,
        /used is not empty/,
      ],
      [
        'a loss of another task',
        ['train', 'number.csv', '-t', 'price', '--loss', 'crossEntropy'],
        2,
        /not for a regression/,
      ],
      ['batch size 0', ['train', 'class.csv', '-t', 'answer', '--batch-size', '0'], 2, /batch-size.*above 0/],
      [
        'a negative learning rate',
        ['train', 'class.csv', '-t', 'answer', '--learning-rate', '-1'],
        2,
        /learning-rate.*above 0/,
      ],
      ['an unknown optimizer', ['train', 'class.csv', '-t', 'answer', '--optimizer', 'adm'], 2, /Did you mean adam/],
      ['an unknown option', ['train', 'class.csv', '--tarjet', 'x'], 2, /Did you mean --target/],
      ['an unknown command', ['trian', 'class.csv'], 2, /Did you mean train/],
      ['options of tables with digits', ['train', 'digits', '--target', 'x'], 2, /--target is for .*tables/],
      ['no model', ['predict', 'nowhere', 'class.csv'], 1, /nowhere is no run: there is no file/],
    ]
  test.each(failing)('%s', async (_, args, code, message, content) => {
    if (content) file(...content)
    mkdirSync(join(folder, 'used'), { recursive: true })
    file('used/mine.txt', 'mine')
    const runs = () => (existsSync(join(folder, 'runs')) ? files('runs') : [])
    const before = runs()
    const outcome = await gradus(args)
    expect(outcome.err).toMatch(message)
    expect(outcome.err).not.toMatch(/\n +at /)
    expect([outcome.code, outcome.out]).toEqual([code, ''])
    expect(runs()).toEqual(before)
    expect(files('used')).toEqual(['mine.txt'])
  })

  test.each<[Record<string, string>, RegExp]>([
    [{ GRADUS_ENGINE: 'nativ' }, /GRADUS_ENGINE is 'nativ', which is no engine; did you mean 'native'/],
    [{ GRADUS_THREADS: '1.5' }, /GRADUS_THREADS is '1\.5', not a whole number from 1 to 64/],
    [{ GRADUS_NUMERICS: 'fast' }, /GRADUS_NUMERICS is 'fast', not fused or portable/],
    [{ GRADUS_DEBUG: 'all' }, /GRADUS_DEBUG is 'all', not a whole number from 0 to 5/],
    [{ GRADUS_ENGINE: 'native', CC: '/nowhere/cc' }, /CC names a C compiler that does not run \(\/nowhere\/cc: /],
    [{ GRADUS_ENGINE: 'native', GRADUS_CACHE: '/proc/x/y' }, /GRADUS_CACHE is \/proc\/x\/y, which cannot be made/],
  ])('a wrong environment %o: one line, exit code 2', async (variables, message) => {
    const before = files('.')
    const { code, out, err } = await gradus(['train', 'class.csv', '-t', 'answer', ...quick], variables)
    expect(err).toMatch(message)
    expect([code, out, lines(err).length]).toEqual([2, '', 1])
    expect(files('.')).toEqual(before)
  })

  test('a folder that cannot be made: an error, not a wait without end', async () => {
    const { code, err } = await gradus(['train', 'class.csv', '-t', 'answer', '--output', '/proc/x/y', ...quick])
    expect(err).toMatch(/^gradus: cannot write \/proc\/x\/y: the folder does not exist\n$/)
    expect(code).toBe(1)
  })

  test('with --json an error is an object too', async () => {
    const { code, out } = await gradus(['train', 'none.csv', '-t', 'x', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(out).error.message).toContain('none.csv')
  })

  test('a learning rate that makes the loss infinite', async () => {
    const { code, err } = await gradus([
      'train',
      'number.csv',
      '-t',
      'price',
      '--optimizer',
      'sgd',
      '--learning-rate',
      '1e6',
      '-o',
      'gone',
    ])
    expect(code).toBe(1)
    expect(err).toMatch(/the loss is .* in epoch .*lower the learning rate/is)
    expect(existsSync(join(folder, 'gone'))).toBe(false)
  })

  test('models that are cut short or from another version; tables that lack columns', async () => {
    const made = await gradus(['train', 'class.csv', '-t', 'answer', '-o', 'model', '-q', ...quick])
    expect(made.code).toBe(0)
    const broken = async (name: string, change: (path: string) => void) => {
      cpSync(join(folder, 'model'), join(folder, name), { recursive: true })
      change(join(folder, name))
      const { code, err, out } = await gradus(['predict', name, 'class.csv'])
      expect([code, out]).toEqual([1, ''])
      return err
    }
    const cut = (path: string, bytes: number) => writeFileSync(path, readFileSync(path).subarray(0, bytes))
    expect(await broken('cut-weights', (path) => cut(join(path, 'weights.safetensors'), 500))).toMatch(
      /weights\.safetensors/,
    )
    expect(await broken('cut-json', (path) => cut(join(path, 'model.json'), 300))).toMatch(/model\.json.*not JSON/s)
    expect(await broken('no-weights', (path) => rmSync(join(path, 'weights.safetensors')))).toMatch(/has no weights/)
    const later = (path: string) => {
      const json = readFileSync(join(path, 'model.json'), 'utf8')
      writeFileSync(join(path, 'model.json'), json.replace('"version": 1', '"version": 7'))
    }
    expect(await broken('later', later)).toMatch(/version of the folder is 7/)

    file('narrow.csv', 'a,colour\n1,red\n')
    expect((await gradus(['predict', 'model', 'narrow.csv'])).err).toMatch(/narrow\.csv lacks the columns b, color/)
    file('text.csv', 'a,b,color\n1,x,red\n')
    expect((await gradus(['predict', 'model', 'text.csv'])).err).toMatch(/row 1 \(line 2\), column 'b'/)
  })

  test('Ctrl-C: the best so far is kept, the folder is complete, the exit code is 130', async () => {
    // Big enough to be under way for minutes.
    const rows = Array.from({ length: 4000 }, (_, i) => `${Math.sin(i)},${Math.cos(i * 3)},${Math.sin(i * i)}`)
    file('long.csv', `a,b,y\n${rows.join('\n')}\n`)
    const settings = ['--ensemble', '1', '--epochs', '100000', '--patience', '100000', '-o', 'stopped']
    const child = spawn(process.execPath, [main, 'train', 'long.csv', '-t', 'y', ...settings], { cwd: folder })
    const closed = new Promise<number | null>((resolve) => {
      child.on('close', resolve)
    })
    let out = ''
    child.stdout.on('data', (data) => {
      out += data
    })
    const history = join(folder, 'stopped', 'history.jsonl')
    while (!existsSync(history) || readFileSync(history, 'utf8').split('\n').length < 4)
      await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill('SIGINT')
    expect(await closed).toBe(130)
    expect(files('stopped')).toEqual(runFiles)
    expect(lines(out).at(-2)).toBe('Folder    stopped')
    expect(JSON.parse(readFileSync(join(folder, 'stopped', 'model.json'), 'utf8')).training.interrupted).toBe(true)
    expect((await gradus(['predict', 'stopped', 'long.csv', '-o', 'p.csv'])).code).toBe(0)
  })

  test('a full disk', async ({ skip }) => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' })
    } catch {
      console.warn('The test of a full disk is skipped: it needs the right to mount a file system.')
      return skip()
    }
    try {
      // Two of the sixteen pages are left.
      writeFileSync(join(disk, 'ballast'), new Uint8Array(56 * 1024))
      const { code, err, out } = await gradus([
        'train',
        'class.csv',
        '-t',
        'answer',
        '--no-progress',
        '-q',
        '-o',
        'disk/run',
      ])
      expect([code, out]).toEqual([1, ''])
      expect(err).toMatch(/cannot write disk\/run\/.*: the disk is full/)
      expect(readdirSync(disk)).toEqual(['ballast'])
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

describe('help', () => {
  test('of the program, of each command, and the version', async () => {
    const [root, train, predict, version, none] = await Promise.all(
      [['--help'], ['train', '--help'], ['help', 'predict'], ['--version'], []].map((args) => gradus(args)),
    )
    expect([root, train, predict, version].map(({ code }) => code)).toEqual([0, 0, 0, 0])
    for (const word of ['train', 'predict', 'inspect', 'Examples:', 'Exit codes']) expect(root!.out).toContain(word)
    for (const word of ['The table:', 'The network:', 'Training:', 'Output:', '--ensemble', 'Examples:'])
      expect(train!.out).toContain(word)
    expect(predict!.out).toContain('--output')
    expect(version!.out).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect([none!.code, none!.err]).toEqual([2, expect.stringContaining('Usage: gradus')])
  })
})
