/**
 * @file How much memory a kernel reads and writes. In: a kernel. Out: bytes by buffer: all of it once, however often a loop
 * comes back to it and however little of it is read; but of rows that are chosen when the program runs, those that are read.
 */
import { byteSize } from '../base/dtype.js'
import type { Buffer, Kernel, Statement } from './loop.js'
import { LoopRanges } from './ranges.js'

/** Bytes of each buffer that the kernel touches at most. */
export function touchedBytes(kernel: Kernel): number[] {
  const whole = new Set<Buffer>()
  const chosen = new Map<Buffer, number>()
  const ranges = new LoopRanges()
  const walk = (body: readonly Statement[], times: number, depth: number): void => {
    for (const s of body) {
      if (s.kind === 'loop') {
        const { longest, step } = ranges.enter(s, depth)
        if (longest > 0) walk(s.body, times * Math.ceil(longest / step), depth + 1)
      } else if ((s.kind === 'load' || s.kind === 'store') && s.row)
        chosen.set(s.buffer, (chosen.get(s.buffer) ?? 0) + times * s.value.type.lanes)
      else if (s.kind === 'load' || s.kind === 'store') whole.add(s.buffer)
    }
  }
  walk(kernel.body, 1, 0)
  return kernel.buffers.map((buffer) => {
    const elements = whole.has(buffer) ? buffer.length : (chosen.get(buffer) ?? buffer.length)
    return Math.min(elements, buffer.length) * byteSize[buffer.dtype]
  })
}
