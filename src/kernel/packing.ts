/**
 * @file The part of a kernel that only moves operands to where they are read in order: what packing costs is what this part
 * alone takes. In: a kernel. Out: the kernel without anything else, or undefined where nothing is packed.
 */
import type { Buffer, Kernel, Statement, Value } from './loop.js'

export function packingOnly(kernel: Kernel): Kernel | undefined {
  const packed = packedBuffers(kernel)
  if (packed.size === 0) return undefined
  const only = (body: readonly Statement[]): Statement[] =>
    body.flatMap((s): Statement[] => {
      if (s.kind === 'store') return packed.has(s.buffer) ? [s] : []
      if (s.kind === 'loop') {
        const inner = only(s.body)
        return inner.some((one) => one.kind === 'store' || one.kind === 'loop') ? [{ ...s, body: inner }] : []
      }
      // What computes a value may stay: where nothing uses it, it is not computed.
      return s.kind === 'load' || (s.kind === 'let' && moves.has(s.op)) ? [s] : []
    })
  return { ...kernel, name: `packing_${kernel.name}`, body: only(kernel.body), flops: 0 }
}

const moves: ReadonlySet<string> = new Set(['shuffle', 'insert', 'number', 'splat'])

/** Those that are filled with elements of others as they are, and read again. */
function packedBuffers(kernel: Kernel): Set<Buffer> {
  const plain = new Set<Value>()
  const [filled, computed, read] = [new Set<Buffer>(), new Set<Buffer>(), new Set<Buffer>()]
  const walk = (body: readonly Statement[]): void => {
    for (const s of body) {
      if (s.kind === 'loop') walk(s.body)
      else if (s.kind === 'load') {
        plain.add(s.value)
        read.add(s.buffer)
      } else if (s.kind === 'let') {
        if (moves.has(s.op) && s.operands.every((operand) => plain.has(operand))) plain.add(s.value)
      } else if (s.kind === 'store') (plain.has(s.value) ? filled : computed).add(s.buffer)
    }
  }
  walk(kernel.body)
  return new Set(
    [...filled].filter((buffer) => buffer.access === 'update' && read.has(buffer) && !computed.has(buffer)),
  )
}
