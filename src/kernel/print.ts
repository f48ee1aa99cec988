/**
 * @file Loop IR → text. Buffers, loops, variables and values are numbered by first occurrence, so that two kernels have
 * equal texts exactly if they are the same program: the text is the key under which kernels are shared.
 *
 * printKernel(kernel):
 *   kernel (b0: read float32[64], b1: write float32[64]) {
 *     for i0 = 0 to 64 step 4 {
 *       %0 = load b0[i0] : float32x4
 *       %1 = negate %0 : float32x4
 *       store b1[i0], %1
 *     }
 *   }
 */
import type { Affine, Kernel, Statement, ValueType } from './loop.js'

/** `names`: also the kernel's and the buffers' names, for readers; the text is no key then. */
export function printKernel(kernel: Kernel, options: { readonly names?: boolean } = {}): string {
  const { names = false } = options
  const values = numbering('%')
  const loops = numbering('i')
  const variables = numbering('v')
  const buffers = new Map(kernel.buffers.map((buffer, i) => [buffer, names ? buffer.name : `b${i}`]))
  const lines: string[] = []

  const affine = ({ constant, terms }: Affine): string => {
    const parts = terms
      .map(({ loop, coefficient }) => ({ name: loops(loop), coefficient }))
      .sort((a, b) => Number(a.name.slice(1)) - Number(b.name.slice(1)))
      .map(({ name, coefficient }) => ({
        negative: coefficient < 0,
        text: Math.abs(coefficient) === 1 ? name : `${Math.abs(coefficient)}*${name}`,
      }))
    if (constant !== 0 || parts.length === 0) parts.push({ negative: constant < 0, text: `${Math.abs(constant)}` })
    return parts
      .map(({ negative, text }, i) => (i === 0 ? (negative ? '-' : '') : negative ? ' - ' : ' + ') + text)
      .join('')
  }

  const statement = (s: Statement, indent: string): void => {
    const line = (text: string): void => {
      lines.push(indent + text)
    }
    switch (s.kind) {
      case 'let': {
        const operands = s.operands.map((operand) => values(operand.id))
        const attrs = Object.values(s.attrs as Record<string, unknown>).map((attr) =>
          Object.is(attr, -0) ? '-0' : `${attr}`,
        )
        line(
          `${values(s.value.id)} = ${[s.op, [...operands, ...attrs].join(', ')].join(' ').trim()} : ${type(s.value.type)}`,
        )
        break
      }
      case 'load': {
        const row = s.row ? ` + ${values(s.row.start.id)}` : ''
        const stride = s.value.type.lanes === 1 || s.stride === 1 ? '' : ` stride ${s.stride}`
        line(
          `${values(s.value.id)} = load ${buffers.get(s.buffer)}[${affine(s.index)}${row}]${stride} : ${type(s.value.type)}`,
        )
        break
      }
      case 'store': {
        const row = s.row ? ` + ${values(s.row.start.id)}` : ''
        line(`store ${buffers.get(s.buffer)}[${affine(s.index)}${row}], ${values(s.value.id)}`)
        break
      }
      case 'index': {
        const stride = s.value.type.lanes === 1 || s.stride === 1 ? '' : ` stride ${s.stride}`
        line(`${values(s.value.id)} = index ${affine(s.index)}${stride} : ${type(s.value.type)}`)
        break
      }
      case 'variable':
        line(`var ${variables(s.variable.id)} = ${values(s.initial.id)} : ${type(s.variable.type)}`)
        break
      case 'get':
        line(`${values(s.value.id)} = ${variables(s.variable.id)} : ${type(s.value.type)}`)
        break
      case 'set':
        line(`${variables(s.variable.id)} := ${values(s.value.id)}`)
        break
      case 'loop': {
        const start = affine(s.start)
        const stop = s.limit === undefined ? affine(s.stop) : `min(${affine(s.stop)}, ${s.limit})`
        const step = s.step === 1 ? '' : ` step ${s.step}`
        line(`${s.parallel ? 'parallel ' : ''}for ${loops(s.loop)} = ${start} to ${stop}${step} {`)
        for (const inner of s.body) statement(inner, `${indent}  `)
        line('}')
      }
    }
  }

  const header = kernel.buffers.map(
    (buffer) =>
      `${buffers.get(buffer)}: ${buffer.access} ${buffer.dtype}[${buffer.length}]${buffer.perThread ? ' per thread' : ''}`,
  )
  lines.push(`kernel ${names ? kernel.name : ''}(${header.join(', ')}) {`)
  for (const s of kernel.body) statement(s, '  ')
  lines.push('}', '')
  return lines.join('\n')
}

const type = ({ dtype, lanes }: ValueType): string => (lanes === 1 ? dtype : `${dtype}x${lanes}`)

/** Names things in the order in which they are first named. */
function numbering(prefix: string): (thing: unknown) => string {
  const numbers = new Map<unknown, string>()
  return (thing) => {
    let name = numbers.get(thing)
    if (name === undefined) numbers.set(thing, (name = `${prefix}${numbers.size}`))
    return name
  }
}
