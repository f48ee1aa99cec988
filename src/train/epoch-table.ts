/**
 * @file A table of epochs that grows row by row, as wide as there is room. In: epochs, one by one. Out: lines of text, the first time a head.
 *
 * new EpochTable().rows(epoch, 20, 80)                // [{ head: true, text: 'epoch      loss ...' }, { head: false, text: '  1/20  0.4105 ...' }]
 */
import type { Epoch, Scores } from './types.js'

interface Column {
  readonly name: string
  readonly width: number
  readonly cell: (epoch: Epoch) => string
}

export class EpochTable {
  #columns: readonly Column[] | undefined
  #room = 0

  /** The row of an epoch, and before it a head where there was none, or where the room is another. */
  rows(epoch: Epoch, epochs: number, room: number): { readonly head: boolean; readonly text: string }[] {
    const changed = !this.#columns || room !== this.#room
    this.#columns = changed ? chosen(columnsOf(epoch, epochs), room) : this.#columns!
    this.#room = room
    const line = (cell: (column: Column) => string) =>
      this.#columns!.map((column) => cell(column).padStart(column.width)).join('  ')
    const row = { head: false, text: line(({ cell }) => cell(epoch)) }
    return changed ? [{ head: true, text: line(({ name }) => name) }, row] : [row]
  }
}

/** In the order in which they stand, and each with its rank: what there is room for goes by that. */
function columnsOf(epoch: Epoch, epochs: number): (Column & { readonly rank: number })[] {
  const column = (rank: number, name: string, least: number, cell: Column['cell']) => {
    return { rank, name, width: Math.max(least, name.length), cell }
  }
  const ofScores = (name: string, rank: number, part: 'train' | 'validation') =>
    column(rank, part === 'train' ? name : `val ${name}`, 8, (one) => {
      const value = one[part]?.[name] as unknown
      return typeof value === 'number' ? numberText(value) : ''
    })
  const named = (part: 'train' | 'validation', rank: number) =>
    Object.entries((epoch[part] ?? {}) as { [name: string]: unknown })
      .filter(([, value]) => typeof value === 'number')
      .map(([name], i) => ofScores(name, name === 'loss' ? rank : rank + 4 + 2 * i, part))
  const numbers = `${epochs}/${epochs}`.length
  return [
    column(0, 'epoch', numbers, ({ epoch: number }) => `${number}/${epochs}`),
    ...named('train', 1),
    ...named('validation', 2),
    ...(epoch.learningRate === undefined
      ? []
      : [column(100, 'rate', 8, ({ learningRate = Number.NaN }) => rateText(learningRate))]),
    column(3, 'time', 6, ({ seconds }) => timeText(seconds)),
  ]
}

function chosen(columns: readonly (Column & { readonly rank: number })[], room: number): Column[] {
  let used = -2
  const kept = new Set<Column>()
  for (const column of [...columns].sort((a, b) => a.rank - b.rank)) {
    if (used + 2 + column.width > room && kept.size > 0) continue
    used += 2 + column.width
    kept.add(column)
  }
  return columns.filter((column) => kept.has(column))
}

/** Four digits: 0.1234, 12.35, 1.20e-5. */
export const numberText = (x: number): string =>
  x === 0 ? '0' : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4 ? x.toPrecision(4) : x.toExponential(2)

/** As few digits as it has: 0.001, 2.5e-7. */
export const rateText = (x: number): string => {
  const rounded = Number(x.toPrecision(4))
  return rounded === 0 || Math.abs(rounded) >= 1e-4 ? String(rounded) : rounded.toExponential()
}

/** '2.8 s', '3 min 20 s', '2 h 5 min' */
export function timeText(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 120
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** 'loss 0.1234, accuracy 0.9712': scores that are numbers. */
export const scoresText = (scores: Scores): string =>
  Object.entries(scores as { [name: string]: unknown })
    .flatMap(([name, value]) => (typeof value === 'number' ? [`${name} ${numberText(value)}`] : []))
    .join(', ')
