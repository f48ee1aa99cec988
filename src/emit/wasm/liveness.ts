/**
 * @file Which values of a kernel need a local. A value used once, in its own block, may be computed where it is used,
 * straight onto the operand stack; a value that nothing uses is not computed at all.
 * In: a kernel. Out: for each value dead, inline or neither.
 */
import type { Kernel, Statement, Value } from '../../kernel/loop.js'

type Definition = Extract<Statement, { readonly value: Value; readonly kind: 'let' | 'load' | 'index' | 'get' }>

/** The statement that computes a value, or undefined for those that only have effects. */
export function definition(statement: Statement): Definition | undefined {
  switch (statement.kind) {
    case 'let':
    case 'load':
    case 'index':
    case 'get':
      return statement
    default:
      return undefined
  }
}

/** Expressions nest this deep at most, so that neither this compiler nor the engine's recurses without bound. */
const deepest = 40

export interface Liveness {
  readonly dead: ReadonlySet<Value>
  /** Computed at the place of their use. */
  readonly inline: ReadonlySet<Value>
}

export function liveness(kernel: Kernel): Liveness {
  const uses = new Map<Value, { count: number; block: readonly Statement[]; by: Statement }>()
  const dead = new Set<Value>()
  const use = (value: Value, block: readonly Statement[], by: Statement): void => {
    const known = uses.get(value)
    if (known) known.count++
    else uses.set(value, { count: 1, block, by })
  }
  // Backwards: a value's uses are known before it is reached.
  const count = (block: readonly Statement[]): void => {
    for (let i = block.length - 1; i >= 0; i--) {
      const statement = block[i]!
      const defined = definition(statement)
      if (defined && !uses.has(defined.value)) dead.add(defined.value)
      else if (statement.kind === 'loop') count(statement.body)
      else for (const operand of operandsOf(statement)) use(operand, block, statement)
    }
  }
  count(kernel.body)

  const inline = new Set<Value>()
  const place = (block: readonly Statement[]): void => {
    const { stores, sets } = effects(block)
    const at = new Map<Statement, { position: number; depth: number }>()
    for (let i = block.length - 1; i >= 0; i--) {
      const statement = block[i]!
      if (statement.kind === 'loop') place(statement.body)
      at.set(statement, { position: i, depth: 0 })
      const defined = definition(statement)
      const used = defined && uses.get(defined.value)
      if (!defined || !used) continue
      if (defined.kind === 'let' && defined.op === 'number') inline.add(defined.value)
      if (used.count !== 1 || used.block !== block) continue
      const user = at.get(used.by)!
      if (user.depth >= deepest) continue
      const disturbed =
        defined.kind === 'load' ? stores : defined.kind === 'get' ? sets.get(defined.variable) : undefined
      if (disturbed?.some((position) => position > i && position < user.position)) continue
      inline.add(defined.value)
      at.set(statement, { position: user.position, depth: user.depth + 1 })
    }
  }
  place(kernel.body)
  return { dead, inline }
}

function operandsOf(statement: Statement): readonly Value[] {
  switch (statement.kind) {
    case 'let':
      return statement.operands
    case 'store':
    case 'set':
      return [statement.value]
    case 'variable':
      return [statement.initial]
    default:
      return []
  }
}

/** Where in a block memory is written, and where each variable is. Buffers may share memory, so every store counts. */
function effects(block: readonly Statement[]) {
  const stores: number[] = []
  const sets = new Map<unknown, number[]>()
  const collect = (statement: Statement, position: number): void => {
    if (statement.kind === 'store') stores.push(position)
    else if (statement.kind === 'set') sets.set(statement.variable, [...(sets.get(statement.variable) ?? []), position])
    else if (statement.kind === 'loop') for (const inner of statement.body) collect(inner, position)
  }
  block.forEach(collect)
  return { stores, sets }
}
