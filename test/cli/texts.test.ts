/** @file The built command line on texts: language models and classes of texts are trained, resumed, evaluated, predicted, and refused with reasons. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const spam = fileURLToPath(new URL('../../datasets/data/sms-spam/SMSSpamCollection', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-texts-'))
afterAll(() => rmSync(folder, { recursive: true }))

function gradus(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...process.env, NO_COLOR: '1' } })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => (out += data))
    child.stderr.on('data', (data) => (err += data))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return name
}
const weights = (run: string) => readFileSync(join(folder, run, 'weights.safetensors'))
const rhyme = file('rhyme.txt', 'the sea, the sea, the open sea; the blue, the fresh, the ever free.\n'.repeat(60))
const small = ['--width', '16', '--context', '16', '--no-progress']

describe('language models', () => {
  test.each([
    ['gru', '60'],
    ['gpt', '20'],
  ])('%s: trained, written on, evaluated, inspected, resumed with equal bits', async (network, steps) => {
    const train = ['train', rhyme, '--network', network, ...small, '--steps', steps]
    const { code, out, err } = await gradus(...train, '--output', network)
    expect([code, err.replace(/.*native code.*\n/, '')]).toEqual([0, ''])
    expect(out).toMatch(/validation loss \d\.\d+ nats/)
    expect(out).toMatch(/It writes/)
    expect(readdirSync(join(folder, network))).toEqual(
      expect.arrayContaining(['model.json', 'summary.md', 'learning-curve.svg', 'run.json']),
    )
    const one = await gradus('predict', network, '--prompt', 'the sea', '--length', '20', '--seed', '3')
    expect(one.out).toMatch(/^the sea[\s\S]{20}\n$/)
    expect((await gradus('predict', network, '--prompt', 'the sea', '--length', '20', '--seed', '3')).out).toBe(one.out)
    const loss = Number(/validation loss (\d\.\d+) nats/.exec(out)![1])
    const scores = JSON.parse((await gradus('evaluate', network, '--json')).out) as { scores: { loss: number } }
    expect(scores.scores.loss).toBeCloseTo(loss, 3)
    expect((await gradus('inspect', network)).out).toMatch(/language model, 19 tokens/)
    const again = await gradus(...train, '--output', `${network}-2`, '--resume')
    expect(again.code).toBe(0)
    expect(weights(`${network}-2`).equals(weights(network))).toBe(true)
    expect((await gradus(...train, '--steps', '50', '--output', `${network}-2`, '--resume')).err).toMatch(
      /steps was [26]0 and is 50/,
    )
  })

  test.each([
    [['train', file('short.txt', 'too short')], 'too few for a context of 64'],
    [['train', rhyme, '--steps', '3', '--epochs', '2'], 'both steps and epochs are given'],
    [['train', rhyme, '--tokens', 'words'], "tokens is 'words'"],
    [['train', rhyme, '--network', 'gpt', '--width', '10'], '10 cannot be divided among 4 heads'],
    [['train', rhyme, '--target', 'x'], '--target is for'],
    [['predict', 'gru', rhyme], 'goes on with a prompt, not with a file'],
    [['predict', 'gru', '--prompt', 'Q'], '"Q", character 0 of the text'],
  ])('%j is refused', async (args, message) => {
    const { code, err } = await gradus(...args)
    expect(err).toContain(message)
    expect(code).toBeGreaterThan(0)
    expect(err).not.toContain('This is a bug')
  })
})

describe('classes of texts', () => {
  test('the spam collection, raw', async () => {
    const { code, out } = await gradus('train', spam, '--json', '--output', 'spam', '--no-progress')
    expect(code).toBe(0)
    const result = JSON.parse(out) as { test: { f1: number; positive: string; rows: number }; samples: object }
    expect(result.test.f1).toBeGreaterThan(0.94)
    expect(result.test).toMatchObject({ positive: 'spam', rows: 1114 })
    const again = JSON.parse((await gradus('evaluate', 'spam', '--json')).out) as {
      rows: number
      scores: { f1: number }
    }
    expect([again.rows, again.scores.f1]).toEqual([1114, result.test.f1])
    const { out: told } = await gradus('predict', 'spam', spam)
    expect(told.trim().split('\n')).toHaveLength(5575)
    expect(told).toMatch(/^prediction,probability of ham,probability of spam\nham,0\.9/)
    const { out: one } = await gradus(
      'predict',
      'spam',
      '--prompt',
      'WINNER! Claim your £900 prize, call 09061701461 now',
    )
    expect(one.split('\n')[1]).toMatch(/^spam,/)
    const bare = file('bare.txt', 'text\nare we still meeting at six?\n')
    expect((await gradus('predict', 'spam', bare)).out.split('\n')[1]).toMatch(/^ham,/)
  })

  test('names of columns, columns the other way round, and more columns than two', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => [
      `this is message number ${i} of ${i % 3 ? 'the good kind' : 'a bad sort'}`,
      i % 3 ? 'good' : 'bad',
      String(i),
    ])
    const named = file(
      'named.tsv',
      ['message\tverdict', ...rows.map(([text, label]) => `${text}\t${label}`)].join('\n'),
    )
    const quick = ['--epochs', '2', '--rows', '64', '--no-progress', '--json']
    const one = JSON.parse((await gradus('train', named, ...quick)).out) as {
      samples: { train: number }
      classes: string[]
    }
    expect(one.classes).toEqual(['bad', 'good'])
    const more = file(
      'more.csv',
      ['id,message,verdict', ...rows.map(([text, label, id]) => `${id},"${text}",${label}`)].join('\n'),
    )
    const two = JSON.parse(
      (await gradus('train', more, '--kind', 'texts', '--text', 'message', '--target', 'verdict', ...quick)).out,
    ) as { samples: object; notes: string[] }
    expect(two.samples).toEqual(one.samples)
    expect(two.notes.join()).toMatch(/Not used: id/)
    const { code, err } = await gradus('train', more, '--kind', 'texts', '--text', 'mesage', '--target', 'verdict')
    expect([code, err]).toEqual([1, expect.stringContaining("there is no column 'mesage'; did you mean 'message'?")])
  })
})
