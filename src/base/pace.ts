/**
 * @file How long JavaScript may run without a turn of the event loop, so that timers, signals and pages stay alive, and how
 * many steps therefore go into one call.
 */

/** Milliseconds between turns: a page keeps its frame rate. */
export const breathEvery = 8

/** Lets timers, input and rendering happen. */
const eventLoopTurn = (): Promise<void> =>
  new Promise((resolve) => {
    openChannel()
    const immediate = (globalThis as { setImmediate?: (f: () => void) => void }).setImmediate
    if (immediate) immediate(resolve)
    else if (!channel) setTimeout(resolve, 0)
    else {
      waiting.push(resolve)
      channel.port2.postMessage(undefined)
    }
  })

interface Channel {
  readonly port1: { onmessage: (() => void) | null }
  readonly port2: { postMessage(value: unknown): void }
}
/** Messages come at once, where browsers make timers wait 4 ms, and longer in pages that nobody sees. */
const waiting: (() => void)[] = []
let channel: Channel | undefined

/** Only where turns are taken by messages: an open channel would keep Node alive. */
function openChannel(): void {
  const host = globalThis as unknown as { setImmediate?: unknown; MessageChannel?: new () => Channel }
  if (channel || host.setImmediate || !host.MessageChannel) return
  channel = new host.MessageChannel()
  channel.port1.onmessage = () => waiting.shift()?.()
}

let lastTurn = performance.now()

/** One for all: short epochs and evaluations that never last so long must not add up to a loop that never breathes. */
export const breath = {
  /** Whether it is time; then await `take`. */
  get due(): boolean {
    return performance.now() - lastTurn > breathEvery
  },
  async take(): Promise<void> {
    await eventLoopTurn()
    lastTurn = performance.now()
  },
}

/** More steps in one call gain nothing. */
export const mostStepsPerCall = 32

/** How many steps to make in one call, so that there is time to breathe. */
export class CallSize {
  steps = 1

  timed<T>(made: number, call: () => T): T {
    const start = performance.now()
    const result = call()
    const each = (performance.now() - start) / made
    this.steps = Math.max(1, Math.min(mostStepsPerCall, 2 * this.steps, Math.floor(breathEvery / 2 / each)))
    return result
  }
}
