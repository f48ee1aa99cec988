/**
 * @file What a run folder tells, for whoever draws it. In: a folder, again and again while its run goes on. Out: curves, tables and the last
 * of everything else, in bounded memory however many events there are; only what is new is read.
 *
 * const reader = new RunReader('runs/a'); await reader.update(); reader.content.networks[0]?.series['validation.loss']?.last
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import type { EndEvent, RunInfo } from '../train/events.js'
import type { AnyEvent } from './event-lines.js'
import { eventsIn, type Start, Starts, startsIn, wholeLines } from './event-scan.js'
import { folderHolder } from './lock.js'
import { type NetworkContent, NetworkReader } from './run-curves.js'

export const runFiles = {
  info: 'run.json',
  events: 'events.jsonl',
  pictures: 'pictures',
  checkpoints: 'checkpoints',
} as const

/** How much is kept of a run that is read. */
export interface ReadRunOptions {
  /** Points of each curve, at most: 1000 by default. */
  readonly points?: number
}

/** A run as its folder tells it. */
export interface RunContent {
  readonly folder: string
  /** What run.json says; undefined where there is none that can be read. */
  readonly info: RunInfo | undefined
  /**
   * Why it ended; or that it runs; or 'interrupted': it has no end, and no process of this machine writes to it. Of several networks what the
   * last one says.
   */
  readonly state: EndEvent['reason'] | 'running' | 'interrupted'
  /** Events that hold. */
  readonly events: number
  /** Lines that hold no event. */
  readonly faults: number
  /** One, or the members of an ensemble in the order in which they began. */
  readonly networks: readonly NetworkContent[]
}

/** Reads a run folder, and what is new in it. One update at a time. */
export class RunReader {
  readonly folder: string
  readonly #points: number
  #info: RunInfo | undefined
  #infoTime = -1
  #networks = new Map<number, NetworkReader>()
  #steps = new Map<number, { epoch: number; step: number }>()
  #offset = 0
  #file: bigint | undefined
  #events = 0
  #faults = 0
  #last: RunContent['state'] = 'interrupted'
  #held = false
  #updating: Promise<boolean> | undefined

  /** Throws ValueError for options that are wrong; nothing is read yet. */
  constructor(folder: string, options: ReadRunOptions = {}) {
    checkNames('readRun', options, ['points'])
    const { points = 1000 } = options
    if (!Number.isInteger(points) || points < 2)
      throw new ValueError('readRun', `points must be a whole number above 1, not ${points}`)
    this.folder = folder
    this.#points = points
  }

  /** What is known by now. */
  get content(): RunContent {
    const ended = this.#last !== 'running'
    return {
      folder: this.folder,
      info: this.#info,
      state: ended || this.#held ? this.#last : 'interrupted',
      events: this.#events,
      faults: this.#faults,
      networks: [...this.#networks.values()].map((network) => network.content),
    }
  }

  /** Reads what is new; whether there was something. Calls that come meanwhile wait for the same. */
  update(): Promise<boolean> {
    this.#updating ??= this.#update().finally(() => {
      this.#updating = undefined
    })
    return this.#updating
  }

  async #update(): Promise<boolean> {
    const path = join(this.folder, runFiles.events)
    const before = [this.#offset, this.#infoTime, this.#held].join()
    await this.#readInfo()
    this.#held = (await folderHolder(this.folder).catch(() => undefined)) !== undefined
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    // Another file, or one that was cut: a torn line that was put right.
    if (found?.ino !== this.#file || (found && found.size < this.#offset)) this.#forget()
    this.#file = found?.ino
    if (found) {
      if (await this.#goesBack(path)) this.#forget()
      await this.#readOn(path)
    }
    return before !== [this.#offset, this.#infoTime, this.#held].join()
  }

  async #readInfo(): Promise<void> {
    const path = join(this.folder, runFiles.info)
    const time = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0
    if (time === this.#infoTime) return
    this.#infoTime = time
    try {
      const info = JSON.parse(await readFile(path, 'utf8')) as RunInfo
      this.#info = typeof info === 'object' && info !== null ? info : undefined
    } catch {
      this.#info = undefined
    }
  }

  #forget(): void {
    this.#networks = new Map()
    this.#steps = new Map()
    this.#offset = 0
    this.#events = 0
    this.#faults = 0
    this.#last = 'interrupted'
  }

  /** Whether what is new makes void what was read. */
  async #goesBack(path: string): Promise<boolean> {
    if (this.#offset === 0) return false
    for await (const { bytes, start } of wholeLines(path, this.#offset))
      for (const one of startsIn(bytes, start)) {
        const at = this.#steps.get(one.member)
        if (at && (at.step > one.step || at.epoch > one.epoch)) return true
      }
    return false
  }

  async #readOn(path: string): Promise<void> {
    const from = this.#offset
    const found: Start[] = []
    let length = from
    for await (const { bytes, start, end } of wholeLines(path, from)) {
      found.push(...startsIn(bytes, start))
      length = end
    }
    const starts = new Starts(found)
    for await (const { bytes, start } of wholeLines(path, from)) {
      for (const { event, end } of eventsIn(bytes, start)) {
        if (end > length) break
        if (!event) this.#faults++
        else if (!starts.voids(event, end)) this.#add(event)
      }
    }
    this.#offset = length
  }

  #add(event: AnyEvent): void {
    const { member = 0, epoch, step } = event as { member?: number; epoch?: unknown; step?: unknown }
    let network = this.#networks.get(member)
    if (!network) {
      network = new NetworkReader(member || undefined, event.time, this.#points)
      this.#networks.set(member, network)
    }
    this.#events++
    const at = this.#steps.get(member) ?? { epoch: 0, step: 0 }
    this.#steps.set(member, {
      epoch: typeof epoch === 'number' ? Math.max(at.epoch, epoch) : at.epoch,
      step: typeof step === 'number' ? Math.max(at.step, step) : at.step,
    })
    if (event.kind === 'start') this.#last = 'running'
    if (event.kind === 'end') this.#last = (event as EndEvent).reason
    network.add(event)
  }
}
