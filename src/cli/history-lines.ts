/** @file A run's losses in two lines a network, for `gradus inspect`. In: its epochs. Out: lines. */
import type { Epoch } from '../train/types.js'
import { dim, entry, number, plural, sparkline, table } from './output.js'

export type LoggedEpoch = Epoch & { readonly member?: number }

export function historyLines(history: readonly LoggedEpoch[]): string[] {
  if (history.length === 0) return [entry('History', dim('none'))]
  const members = [...new Set(history.map(({ member = 1 }) => member))]
  const rows = members.flatMap((member) => {
    const epochs = history.filter((epoch) => (epoch.member ?? 1) === member)
    const line = (name: string, losses: readonly number[]) => [
      members.length > 1 ? `network ${member}` : '',
      name,
      sparkline(losses),
      `${number(losses[0]!)} → ${number(losses.at(-1)!)}, least ${number(Math.min(...losses))}`,
    ]
    const validation = epochs.flatMap((epoch) => (epoch.validation ? [epoch.validation.loss] : []))
    return [
      line(
        'training loss',
        epochs.map((epoch) => epoch.train.loss),
      ),
      ...(validation.length > 0 ? [line('validation loss', validation)] : []),
    ]
  })
  return [entry('History', plural(history.length, 'epoch')), table(rows, { left: [0, 1, 2, 3] })]
}
