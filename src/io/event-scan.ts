/**
 * @file The events of a file that still hold. A run that goes on from a checkpoint says where by a `start`; what was written of later steps
 * before it is void. In: the file, which may be growing, with a torn last line. Out: events in order, read piece by piece.
 *
 * for await (const event of eventsOf('runs/a/events.jsonl')) if (event.kind === 'epoch') console.log(event.train.loss)
 */
import { open } from 'node:fs/promises'
import { type AnyEvent, parseEvent } from './event-lines.js'

const pieceBytes = 1 << 20
/** Longer lines are not read: no event has them, and memory should stay bounded whatever the file is. */
const longestLine = 1 << 25
const newline = 10
const startMark = Buffer.from('"kind":"start"')

/** A beginning or a going on, and where its line ends in the file. */
export interface Start {
  readonly end: number
  readonly member: number
  readonly epoch: number
  readonly step: number
}

/** Whole lines of the file from byte `from` on, many at a time; `end` is the byte after the last of them. Empty where there is no file. */
export async function* wholeLines(
  path: string,
  from = 0,
): AsyncGenerator<{ readonly bytes: Buffer; readonly start: number; readonly end: number }> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!file) return
  try {
    let rest: Buffer = Buffer.alloc(0)
    let at = from
    for (;;) {
      const piece = Buffer.allocUnsafe(pieceBytes)
      const { bytesRead } = await file.read(piece, 0, pieceBytes, at)
      if (bytesRead === 0) return
      const bytes = rest.length > 0 ? Buffer.concat([rest, piece.subarray(0, bytesRead)]) : piece.subarray(0, bytesRead)
      const start = at - rest.length
      at += bytesRead
      const cut = bytes.lastIndexOf(newline) + 1
      if (cut > 0) yield { bytes: bytes.subarray(0, cut), start, end: start + cut }
      rest = bytes.subarray(cut)
      if (rest.length > longestLine) rest = Buffer.from('!')
    }
  } finally {
    await file.close()
  }
}

/** The starts in whole lines, without parsing anything else. */
export function startsIn(bytes: Buffer, offset: number): Start[] {
  const found: Start[] = []
  for (let at = bytes.indexOf(startMark); at >= 0; ) {
    const from = bytes.lastIndexOf(newline, at) + 1
    const end = bytes.indexOf(newline, at)
    const event = parseEvent(bytes.toString('utf8', from, end))
    if (event?.kind === 'start') found.push({ end: offset + end + 1, ...placeOf(event) })
    at = bytes.indexOf(startMark, end)
  }
  return found
}

function placeOf(event: AnyEvent): { member: number; epoch: number; step: number } {
  const { member, epoch, step } = event as { member?: unknown; epoch?: unknown; step?: unknown }
  const count = (value: unknown) => (typeof value === 'number' ? value : 0)
  return { member: count(member), epoch: count(epoch), step: count(step) }
}

/** Whether an event is void because of a later start of the same network. */
export function isVoid(event: AnyEvent, { epoch, step }: { readonly epoch: number; readonly step: number }): boolean {
  if (event.kind === 'end') return true
  if (event.kind === 'profile') return false
  const at = event as { readonly epoch?: unknown; readonly step?: unknown }
  if (typeof at.step === 'number') return at.step > step
  return typeof at.epoch === 'number' && at.epoch > epoch
}

/** For a place in the file: the earliest step that a later start of a network goes back to. */
export class Starts {
  readonly #byMember = new Map<number, Start[]>()

  constructor(starts: readonly Start[]) {
    for (const start of starts) {
      const list = this.#byMember.get(start.member) ?? []
      this.#byMember.set(start.member, list)
      // What a later one makes void is void for the places before as well: the list keeps steps that rise.
      while (list.length > 0 && list[list.length - 1]!.step >= start.step) list.pop()
      list.push(start)
    }
  }

  /** Whether an event whose line ends at `end` is void. */
  voids(event: AnyEvent, end: number): boolean {
    const { member = 0 } = event as { member?: number }
    const list = this.#byMember.get(member)
    if (!list) return false
    // Steps rise along the list, so that the first start after the event is the one that goes back furthest.
    const later = list.find((start) => start.end > end)
    return later !== undefined && isVoid(event, later)
  }
}

/** All events that hold, in order. Lines that hold no event are passed over. */
export async function* eventsOf(path: string): AsyncGenerator<AnyEvent> {
  const found: Start[] = []
  let length = 0
  for await (const { bytes, start, end } of wholeLines(path)) {
    found.push(...startsIn(bytes, start))
    length = end
  }
  const starts = new Starts(found)
  for await (const { bytes, start } of wholeLines(path))
    for (const { event, end } of eventsIn(bytes, start)) {
      // What came after the first look may be of a start that was not seen then.
      if (end > length) return
      if (event && !starts.voids(event, end)) yield event
    }
}

/** The events of whole lines, each with the byte after its line; undefined for a line that holds none. */
export function* eventsIn(
  bytes: Buffer,
  offset: number,
): Generator<{ readonly event: AnyEvent | undefined; readonly end: number }> {
  for (let from = 0; from < bytes.length; ) {
    const to = bytes.indexOf(newline, from)
    if (to > from) yield { event: parseEvent(bytes.toString('utf8', from, to)), end: offset + to + 1 }
    from = to + 1
  }
}
