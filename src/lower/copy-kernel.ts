/**
 * @file The kernel that copies: a Variable's new value, what a loop begins with. In: how much of what. Out: the kernel.
 */
import type { DType } from '../base/dtype.js'
import { KernelBuilder } from '../kernel/builder.js'
import type { Buffer, Kernel } from '../kernel/loop.js'
import { lanesOf, type Target } from './target.js'

export function copyKernel(dtype: DType, length: number, target: Target, name: string): Kernel {
  const from: Buffer = { name: 'from', dtype, length, access: 'read' }
  const to: Buffer = { name: 'to', dtype, length, access: 'write' }
  const b = new KernelBuilder()
  const lanes = lanesOf(dtype, target)
  const whole = Math.floor(length / lanes) * lanes
  b.loop({ stop: whole, step: lanes, parallel: (target.threads ?? 1) > 1 }, (i) =>
    b.store(to, i, b.load(from, i, lanes)),
  )
  b.loop({ start: whole, stop: length }, (i) => b.store(to, i, b.load(from, i)))
  return b.finish(name, [from, to], 0)
}
