/** @file The progress line: drawn over and calm in a terminal, a table of epochs, curves; a line an epoch elsewhere; no colours where not wanted. */
import { progressLine } from 'gradus'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

beforeEach(() => {
  for (const name of ['NO_COLOR', 'FORCE_COLOR']) vi.stubEnv(name, '')
  vi.stubEnv('TERM', 'xterm')
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

function record(isTTY: boolean, columns = 100, options: { table?: boolean; prefix?: string } = {}) {
  const written: string[] = []
  const stream = { isTTY, columns, write: (text: string) => written.push(text) }
  return { progress: progressLine({ stream, ...options }), written, stream }
}
const esc = String.fromCharCode(27)
const epoch = (n: number, loss: number) => ({
  epoch: n,
  train: { loss, accuracy: 0.5 },
  validation: { loss: loss + 0.1, table: [[1]] },
  learningRate: 0.1,
  seconds: 1,
})
const history = (epochs = [epoch(1, 2)]) => ({
  epochs,
  best: undefined,
  stopped: 'finished' as const,
  restored: false,
  seed: 0,
  seconds: 2.34,
})

test('elsewhere: one line an epoch', () => {
  for (const force of ['', '1']) {
    vi.stubEnv('FORCE_COLOR', force)
    const { progress, written } = record(false)
    progress.start!({ epochs: 3, batches: 10, memory: 'memory 3 KiB' })
    progress.batch!({ epoch: 1, epochs: 3, batch: 5, batches: 10, loss: 1 })
    progress.epoch!(epoch(1, 2) as never)
    progress.end!({
      ...history(),
      best: { epoch: 1, metric: 'validation.loss', value: 2.1 },
      restored: true,
      stopped: 'earlyStopping',
    } as never)
    expect(written).toEqual([
      force ? `${esc}[2mmemory 3 KiB${esc}[22m\n` : 'memory 3 KiB\n',
      'epoch 1/3  loss 2.000, accuracy 0.5000  validation loss 2.100\n',
      '1 epoch in 2.3 s, stopped early, parameters of epoch 1 (validation.loss 2.100)\n',
    ])
  }
  // A terminal that cannot draw over a line is none.
  vi.stubEnv('TERM', 'dumb')
  vi.stubEnv('FORCE_COLOR', '')
  const { progress, written } = record(true)
  progress.batch!({ epoch: 1, epochs: 3, batch: 5, batches: 10, loss: 1 })
  progress.epoch!(epoch(1, 2) as never)
  expect(written).toEqual(['epoch 1/1  loss 2.000, accuracy 0.5000  validation loss 2.100\n'])
})

const pieces = new RegExp(`${esc}\\[\\d*[A-Za-z]|\\r|\\n|[^\\r\\n${esc}]+`, 'g')
/** What a terminal of so many columns shows of what was written; it reflows no lines. */
function screen(written: readonly string[]): string[] {
  const lines = ['']
  for (const piece of written.join('').match(pieces) ?? []) {
    if (piece === '\n') lines.push('')
    else if (piece === `${esc}[K`) lines[lines.length - 1] = ''
    else if (piece !== '\r' && !piece.endsWith('m')) lines[lines.length - 1] += piece
  }
  return lines
}

test('in a terminal: one line, drawn at most ten times a second, within its width, by the order of what matters', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  for (const noColor of ['', '1'])
    for (const [columns, pattern] of [
      [120, /^epoch 1\/2 █+░* \d\d% {2}loss 0\.5000 {2}accuracy 0\.9000 {2}[12] s left {2}6,400\/s {2}rate 0\.001$/],
      [70, /^epoch 1\/2 █+░* \d\d% {2}loss 0\.5000 {2}[12] s left {2}6,400\/s$/],
      [40, /^epoch 1\/2 \d\d% {2}loss 0\.5000 {2}[12] s left$/],
      [30, /^epoch 1\/2 \d\d% {2}loss 0\.5000$/],
    ] as const) {
      vi.stubEnv('NO_COLOR', noColor)
      const { progress, written } = record(true, columns, { table: false })
      progress.start!({ epochs: 2, batches: 100 })
      for (let batch = 0; batch < 100; batch++) {
        vi.advanceTimersByTime(10)
        const asked = { metrics: () => ({ accuracy: 0.9 }), learningRate: () => 1e-3, samples: 64 * (batch + 1) }
        progress.batch!({ epoch: 1, epochs: 2, batch, batches: 100, loss: 0.5, ...asked })
      }
      expect(written.length).toBeGreaterThan(5)
      expect(written.length).toBeLessThanOrEqual(11)
      const last = written[written.length - 1]!
      expect(last.startsWith('\r\u001b[K')).toBe(true)
      const plain = last.slice(4).replaceAll('\u001b[2m', '').replaceAll('\u001b[22m', '')
      expect(plain).toMatch(pattern)
      if (columns > 40) expect(last.slice(4) === plain).toBe(noColor === '1')
      else expect(last.slice(4)).toBe(plain)
      expect([...plain].length).toBeLessThan(columns)
      progress.epoch!(epoch(1, 2) as never)
      expect(written[written.length - 1]).toBe('\r\u001b[K')
      expect(written.join('')).not.toContain('\n')
      progress.end!(history() as never)
      expect(written[written.length - 1]).toBe('1 epoch in 2.3 s  validation loss 2.100\n')
    }
})

test('a table of epochs, at most five rows a second, and curves in the end', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  vi.stubEnv('NO_COLOR', '1')
  const shown = (columns: number) => {
    const { progress, written } = record(true, columns)
    progress.start!({ epochs: 10, batches: 100 })
    const epochs = Array.from({ length: 10 }, (_, i) => epoch(i + 1, 2 / (i + 1)))
    for (const [i, one] of epochs.entries()) {
      // Of the quick ones in the middle only some have a row; the last one always has.
      vi.advanceTimersByTime(i > 2 && i < 7 ? 50 : 250)
      progress.batch!({ epoch: one.epoch, epochs: 10, batch: 50, batches: 100, loss: 1 })
      progress.epoch!(one as never)
    }
    vi.advanceTimersByTime(50)
    const last = epoch(11, 0.1)
    progress.epoch!(last as never)
    progress.end!(history([...epochs, last]) as never)
    expect(written.join('')).not.toContain(`${esc}[2`)
    return screen(written)
  }
  expect(shown(80)).toEqual([
    'epoch      loss  accuracy  val loss      rate    time',
    ' 1/10     2.000    0.5000     2.100       0.1   1.0 s',
    ' 2/10     1.000    0.5000     1.100       0.1   1.0 s',
    ' 3/10    0.6667    0.5000    0.7667       0.1   1.0 s',
    ' 7/10    0.2857    0.5000    0.3857       0.1   1.0 s',
    ' 8/10    0.2500    0.5000    0.3500       0.1   1.0 s',
    ' 9/10    0.2222    0.5000    0.3222       0.1   1.0 s',
    '10/10    0.2000    0.5000    0.3000       0.1   1.0 s',
    '11/10    0.1000    0.5000    0.2000       0.1   1.0 s',
    '11 epochs in 2.3 s',
    'loss             █▄▃▂▂▁▁▁▁▁▁  2.000 → 0.1000',
    'validation loss  █▄▃▂▂▁▁▁▁▁▁  2.100 → 0.2000',
    '',
  ])
  const narrow = shown(40)
  expect(narrow[0]).toBe('epoch      loss  val loss    time')
  expect(narrow.every((line) => [...line].length < 40)).toBe(true)
})

test('a line that has become wider than the terminal is erased in all its rows', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const { progress, written, stream } = record(true, 100, { prefix: 'network 1/4  ' })
  progress.start!({ epochs: 2, batches: 10 })
  vi.advanceTimersByTime(200)
  progress.batch!({ epoch: 1, epochs: 2, batch: 5, batches: 10, loss: 0.5 })
  expect(written[0]!.startsWith(`\r${esc}[Knetwork 1/4  epoch 1/2 `)).toBe(true)
  stream.columns = 30
  vi.advanceTimersByTime(200)
  progress.batch!({ epoch: 1, epochs: 2, batch: 6, batches: 10, loss: 0.5 })
  expect(written[1]!.startsWith('\r\u001b[2A\u001b[J')).toBe(true)
})
