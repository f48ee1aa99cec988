/** @file The progress line: drawn over and calm in a terminal, a line an epoch elsewhere, no colours where not wanted. */
import { progressLine } from 'gradus'
import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

function record(isTTY: boolean, columns = 100) {
  const written: string[] = []
  const progress = progressLine({ stream: { isTTY, columns, write: (text: string) => written.push(text) } })
  return { progress, written }
}
const epoch = (n: number, loss: number) => ({
  epoch: n,
  train: { loss, accuracy: 0.5 },
  validation: { loss: loss + 0.1, table: [[1]] },
  learningRate: 0.1,
  seconds: 1,
})
const history = {
  epochs: [epoch(1, 2)],
  best: undefined,
  stopped: 'finished' as const,
  restored: false,
  seed: 0,
  seconds: 2.34,
}

test('elsewhere: one line an epoch', () => {
  const { progress, written } = record(false)
  progress.start!({ epochs: 3, batches: 10, memory: 'memory 3 KiB' })
  progress.batch!({ epoch: 1, epochs: 3, batch: 5, batches: 10, loss: 1 })
  progress.epoch!(epoch(1, 2) as never)
  progress.end!({
    ...history,
    best: { epoch: 1, metric: 'validation.loss', value: 2.1 },
    restored: true,
    stopped: 'earlyStopping',
  } as never)
  expect(written).toEqual([
    'memory 3 KiB\n',
    'epoch 1/3  loss 2.000, accuracy 0.5000  validation loss 2.100\n',
    '1 epochs in 2.3 s, stopped early, parameters of epoch 1 (validation.loss 2.100)\n',
  ])
})

test('in a terminal: one line, drawn at most ten times a second, within its width', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  for (const noColor of ['', '1']) {
    vi.stubEnv('NO_COLOR', noColor)
    for (const columns of [100, 30]) {
      const { progress, written } = record(true, columns)
      progress.start!({ epochs: 2, batches: 100 })
      for (let batch = 0; batch < 100; batch++) {
        vi.advanceTimersByTime(10)
        progress.batch!({ epoch: 1, epochs: 2, batch, batches: 100, loss: 0.5 })
      }
      expect(written.length).toBeGreaterThan(5)
      expect(written.length).toBeLessThanOrEqual(11)
      const last = written[written.length - 1]!
      expect(last.startsWith('\r\u001b[K')).toBe(true)
      const plain = last.slice(4).replaceAll('\u001b[2m', '').replaceAll('\u001b[22m', '')
      expect(last.slice(4) === plain).toBe(noColor === '1')
      expect([...plain].length).toBeLessThan(Math.max(columns, 34))
      if (columns === 100) expect(plain).toMatch(/^epoch 1\/2 █+░* \d\d% {2}loss 0\.5000 {2}[12] s left$/)
      progress.epoch!(epoch(1, 2) as never)
      expect(written[written.length - 1]).toBe('\r\u001b[K')
      expect(written.join('')).not.toContain('\n')
      progress.end!(history as never)
      expect(written[written.length - 1]).toBe('1 epochs in 2.3 s  validation loss 2.100\n')
    }
  }
})
